import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { rowSays, running, visitAs, type Visitor } from '../support/visitor.ts';

const COUNT = 1000;
const names = Array.from({ length: COUNT }, (_, index) => `worker-${String(index).padStart(4, '0')}`);
const instances = names.map(() => ({ id: randomUUID(), epoch: undefined as number | undefined }));

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let carol: Visitor;
let sequence = 0;

beforeAll(async () => {
  stack = await startTestStack();
  await stack.database.sql`delete from hp_worker_status`;
  await stack.database.sql`delete from hp_worker_group`;
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  // Instances are registered one by one, which takes long where the machine is busy: not all in one request.
  for (const _ of [1, 2])
    for (let first = 0; first < COUNT; first += 250) await beat(100, { from: first, to: first + 250 });
  carol = await visitAs('carol', browser, dashboard);
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

/** One beat of every worker, or of some, that has done so many jobs. */
async function beat(
  jobs: number,
  { from = 0, to = COUNT, ...traits }: { from?: number; to?: number; current_status?: string } = {},
) {
  sequence += 1;
  const places = names.keys().toArray().slice(from, to);
  // One request, so that one message brings all of them: in several they would come one after the other by themselves.
  const beats = places.map((place) => ({
    worker_name: names[place],
    instance_id: instances[place]!.id,
    epoch: instances[place]!.epoch,
    sequence,
    status: 'idle',
    heartbeat_interval_s: 600,
    jobs_total: jobs,
    ...traits,
  }));
  const { data, error } = await stack.asService().rpc('hp_heartbeat', { beats });
  if (error) throw error;
  (data as { epoch: number }[]).forEach(({ epoch }, index) => (instances[places[index]!]!.epoch = epoch));
}

/** Names of the workers whose rows stand in the page. */
const shown = () =>
  carol.page
    .locator('[data-worker]')
    .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.worker!));

describe('a thousand workers', () => {
  it('begin with the top of the list, before any script', async () => {
    const storageState = await carol.page.context().storageState();
    const context = await browser.newContext({ javaScriptEnabled: false, storageState });
    const page = await context.newPage();
    await page.goto(dashboard.url);
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(`${COUNT}/${COUNT} running`);
    expect(await page.locator('[data-worker]').first().getAttribute('data-worker')).toBe(names[0]);
    expect(await page.locator('[data-worker]').count()).toBeLessThan(100);
    await page.goto(`${dashboard.url}/?q=worker-0815`);
    await page.locator('[data-worker="worker-0815"]').waitFor();
    await context.close();
  });

  it('are all in the list, with only the rows in sight in the page', async () => {
    const { page } = carol;
    await running(page, `${COUNT}/${COUNT}`);
    const first = page.locator(`[data-worker="${names[0]}"]`);
    expect(await first.getAttribute('aria-setsize')).toBe(String(COUNT));
    expect((await shown()).length).toBeLessThan(100);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    const last = page.locator(`[data-worker="${names.at(-1)}"]`);
    await last.waitFor();
    expect(await last.getAttribute('aria-posinset')).toBe(String(COUNT));
    expect(await shown()).not.toContain(names[0]);
    // All that is in sight is there, with no gap between rows.
    const gaps = await page.locator('[data-worker]').evaluateAll((rows) => {
      const edges = rows.map((row) => row.getBoundingClientRect());
      return edges.slice(1).filter(({ top }, index) => Math.abs(top - edges[index]!.bottom) > 1).length;
    });
    expect(gaps).toBe(0);
    expect(await last.evaluate((row) => row.getBoundingClientRect().bottom <= innerHeight)).toBe(true);
    await page.evaluate(() => scrollTo(0, 0));
    await first.waitFor();
  });

  it('show a change of all workers, in sight or after scrolling', async () => {
    const { page } = carol;
    await beat(107);
    // A mere beat comes with the digest, and that 10 to 20 s after the last.
    await rowSays(page, names[0]!, 'Jobs 107', 30_000);
    await page.evaluate(() => scrollTo(0, 30_000));
    await until(async () => !(await shown()).includes(names[0]!), { what: 'other rows' });
    await rowSays(page, (await shown())[5]!, 'Jobs 107');
    await page.evaluate(() => scrollTo(0, 0));
    await rowSays(page, names[0]!, 'Jobs 107');
  });

  it('render no unchanged row again, except its age', async () => {
    const mutated = await carol.page.evaluate(async () => {
      const kinds = new Set<string>();
      const observer = new MutationObserver((records) => {
        for (const { type, target, attributeName } of records) {
          const element = target instanceof Element ? target : target.parentElement!;
          if (element.closest('[data-worker]'))
            kinds.add(`${type} ${attributeName ?? ''} ${element.localName}`);
        }
      });
      observer.observe(document.body, {
        subtree: true,
        characterData: true,
        childList: true,
        attributes: true,
      });
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      observer.disconnect();
      return [...kinds];
    });
    expect(mutated).toEqual(['characterData  time']);
  });

  it('are reached by keyboard, in sight or not', async () => {
    const { page } = carol;
    await page.locator(`[data-worker="${names[0]}"] .spark svg`).waitFor();
    await page.keyboard.press('k');
    // From nowhere back is to the last, which does not stand in the page yet.
    await until(
      () => page.evaluate((name) => document.activeElement?.textContent?.trim() === name, names.at(-1)),
      { what: 'the focus on the last worker' },
    );
    expect(await shown()).not.toContain(names[0]);
  });

  it('are searched, filtered and sorted in the browser without a request', async () => {
    const { page } = carol;
    const loaded: string[] = [];
    page.on('request', (request) => request.url().includes('__data.json') && loaded.push(request.url()));
    await page.keyboard.press('/');
    await page.keyboard.type('worker-081');
    await until(async () => (await shown()).join() === names.slice(810, 820).join(), { what: 'ten workers' });
    await page.getByRole('link', { name: /^Healthy/ }).click();
    await page.waitForURL(/health=healthy/);
    await page.getByRole('link', { name: 'Jobs', exact: true }).click();
    await page.waitForURL(/sort=jobs/);
    expect(loaded).toEqual([]);
    await page.getByRole('link', { name: 'Lastseen' }).first().click();
    await page.locator(`[data-worker="${names[0]}"]`).waitFor();
  });

  it('have spark lines only for rows in sight', async () => {
    const asked = carol.page.waitForRequest((request) => request.url().includes('/api/sparks'));
    await carol.page.evaluate(() => scrollTo(0, 20_000));
    const ids = new URL((await asked).url()).searchParams.get('ids')!.split(',');
    expect(ids.length).toBeLessThan(100);
  });
});
