import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { visitAs, type Visitor } from '../support/visitor.ts';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let bob: Visitor;

/** What workers without our module would write. */
async function upsert(...rows: Record<string, unknown>[]): Promise<void> {
  const table = stack.asService().from('hp_worker_status');
  for (const row of rows) await table.upsert(row, { onConflict: 'worker_name' }).throwOnError();
}

beforeAll(async () => {
  stack = await startTestStack();
  await stack.database.sql`delete from hp_worker_status`;
  await stack.database.sql`delete from hp_worker_group`;
  await upsert(
    {
      worker_name: 'crawl-1',
      worker_type: 'crawl',
      status: 'idle',
      hostname: 'vps-1',
      version: '1.0',
      jobs_processed: 5,
    },
    {
      worker_name: 'crawl-2',
      worker_type: 'crawl',
      status: 'processing',
      hostname: 'vps-2',
      version: '1.1',
      jobs_processed: 9,
    },
    {
      worker_name: 'post-1',
      worker_type: 'post',
      status: 'idle',
      hostname: 'vps-1',
      version: '1.1',
      jobs_processed: 7,
    },
    { worker_name: 'a/b', status: 'crashed', status_reason: 'exit code 1', error_count: 3 },
  );
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  bob = await visitAs('bob', browser, dashboard);
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

/** Waits until exactly these rows are shown, in this order. */
async function rows(...names: string[]): Promise<void> {
  let shown: unknown;
  await until(
    async () => {
      shown = await bob.page
        .locator('[data-worker]')
        .evaluateAll((all) => all.map((row) => (row as HTMLElement).dataset.worker));
      return JSON.stringify(shown) === JSON.stringify(names);
    },
    { what: `the rows ${names.join(' ')}` },
  ).catch((error: Error) => {
    throw new Error(`${error.message} There are: ${JSON.stringify(shown)}`);
  });
}

const address = (search: string) =>
  until(() => bob.page.url() === `${dashboard.url}/${search}`, { what: `the address ${search}` });

describe('the view', () => {
  it('is narrowed by status, type, host and version, as the address says, and each is undone by itself', async () => {
    const { page } = bob;
    await page.getByRole('button', { name: 'Filter and sort' }).click();
    await page.getByRole('combobox', { name: 'Host' }).selectOption('vps-1');
    await rows('crawl-1', 'post-1');
    await page.getByRole('combobox', { name: 'Version' }).selectOption('1.1');
    await rows('post-1');
    await address('?host=vps-1&version=1.1');
    await page.reload();
    await rows('post-1');
    await page.getByRole('link', { name: 'host: vps-1' }).click();
    await rows('crawl-2', 'post-1');
    await page.getByRole('link', { name: 'version: 1.1' }).click();
    await page.getByRole('button', { name: 'Filter and sort' }).click();
    await page.getByRole('combobox', { name: 'Status' }).selectOption('Processing');
    await rows('crawl-2');
    await page.getByRole('combobox', { name: 'Status' }).selectOption('Any');
    await page.getByRole('combobox', { name: 'Type' }).selectOption({ label: 'Without a type (1)' });
    await rows('a/b');
    await address('?type=');
    await page.getByRole('combobox', { name: 'Type' }).selectOption('Any');
    await rows('a/b', 'crawl-1', 'crawl-2', 'post-1');
  });

  it('stands in one list, sorted by any column, both ways', async () => {
    const { page } = bob;
    await page.getByLabel('One list, without groups').check();
    const head = (name: string) =>
      page.getByRole('navigation', { name: 'Columns' }).getByRole('link', { name });
    await head('Jobs').click();
    await rows('crawl-2', 'post-1', 'crawl-1', 'a/b');
    await head('Jobs').click();
    await rows('a/b', 'crawl-1', 'post-1', 'crawl-2');
    await address('?sort=-jobs&flat');
    expect(await head('Jobs').getAttribute('title')).toBe('Most jobs first, the other way round');
    await head('Host').click();
    await rows('crawl-1', 'post-1', 'crawl-2', 'a/b');
    await head('Doing').click();
    await rows('crawl-2', 'a/b', 'crawl-1', 'post-1');
    // Where the columns have no heads, the panel turns the order round.
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole('combobox', { name: 'Sort by' }).selectOption('Name');
    await page.getByLabel('The other way round').check();
    await rows('post-1', 'crawl-2', 'crawl-1', 'a/b');
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.getByLabel('One list, without groups').uncheck();
    await page.getByRole('navigation', { name: 'Columns' }).getByRole('link', { name: 'Status' }).click();
    await address('');
  });

  it('tells unknown workers from inactive ones', async () => {
    const { page } = bob;
    await upsert({ worker_name: 'resting', status: 'stopped', expected: false });
    await page.getByRole('link', { name: 'Inactive 1' }).click();
    await rows('resting');
    expect(await page.getByRole('link', { name: /^Unknown/ }).count()).toBe(0);
    await page.getByRole('link', { name: /^All/ }).click();
    await stack.database.sql`delete from hp_worker_status where worker_name = 'resting'`;
  });
});
