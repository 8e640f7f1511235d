import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { rowSays, visitAs, type Visitor } from '../support/visitor.ts';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let bob: Visitor;

beforeAll(async () => {
  stack = await startTestStack();
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  bob = await visitAs('bob', browser, dashboard);
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

/** The name and role by which a screen reader would announce what has the focus. */
const focused = () =>
  bob.page.evaluate(() => {
    const { tagName, textContent, ariaLabel } = document.activeElement as HTMLElement;
    return `${tagName.toLowerCase()} ${(ariaLabel ?? textContent ?? '').replace(/\s+/g, ' ').trim()}`;
  });

describe('by keyboard alone', () => {
  it('the header can be skipped', async () => {
    await bob.page.keyboard.press('Tab');
    expect(await focused()).toBe('a Skip to the workers');
    await bob.page.keyboard.press('Enter');
    await until(() => bob.page.evaluate(() => document.activeElement?.id === 'workers'), {
      what: 'the focus on the list',
    });
  });

  it('a slash focuses the search, and Escape clears it', async () => {
    const { page } = bob;
    await page.keyboard.press('/');
    await page.keyboard.type('crawl');
    await until(async () => (await page.locator('[data-worker]').count()) === 1, { what: 'one worker' });
    expect(await focused()).toBe('input Search workers');
    // In the search itself a slash is one.
    await page.keyboard.type('/');
    expect(await page.getByRole('searchbox').inputValue()).toBe('crawl/');
    await page.keyboard.press('Escape');
    await until(async () => (await page.locator('[data-worker]').count()) === 5, { what: 'all workers' });
    expect(page.url()).toBe(`${dashboard.url}/`);
  });

  it('sorting by a column keeps the focus', async () => {
    const { page } = bob;
    const head = page.getByRole('navigation', { name: 'Columns' }).getByRole('link', { name: 'Worker' });
    await head.focus();
    await page.keyboard.press('Enter');
    await until(() => page.url() === `${dashboard.url}/?sort=name`, { what: 'the order in the address' });
    expect(await focused()).toBe('a Worker');
    expect(await head.getAttribute('aria-current')).toBe('true');
    const groups = await page
      .locator('#workers section')
      .evaluateAll((sections) =>
        sections.map((section) =>
          [...section.querySelectorAll<HTMLElement>('[data-worker]')].map((row) => row.dataset.worker),
        ),
      );
    expect(groups).toEqual([
      ['content-worker', 'roundtable-worker', 'x-autopost'],
      ['analyze-worker', 'crawl-worker'],
    ]);
  });

  it('refreshing keeps the focus', async () => {
    const asked = bob.page.waitForRequest((request) => request.url().endsWith('/api/fleet'));
    await bob.page.getByRole('button', { name: 'Refresh' }).focus();
    await bob.page.keyboard.press('Enter');
    await asked;
    expect(await focused()).toBe('button Refresh');
  });

  it('an error can be read to its end', async () => {
    await stack
      .asService()
      .from('hp_worker_status')
      .upsert(
        { worker_name: 'crawl-worker', status: 'idle', last_error: 'Error: no\n    at line 41' },
        { onConflict: 'worker_name' },
      );
    await rowSays(bob.page, 'crawl-worker', 'Last error');
    await bob.page.locator('[data-worker="crawl-worker"] summary').focus();
    await bob.page.keyboard.press('Enter');
    await bob.page.locator('[data-worker="crawl-worker"] pre').getByText('at line 41').waitFor();
  });
});
