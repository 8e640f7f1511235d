import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { createWorkers } from '../support/fleet-of-workers.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, rowSays, running, visitAs, type Visitor } from '../support/visitor.ts';

const NAMES = [
  'roundtable-worker',
  'x-autopost',
  'analyze-worker',
  'content-worker',
  'crawl-worker',
] as const;

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let workers: ReturnType<typeof createWorkers>;
let alice: Visitor;

beforeAll(async () => {
  stack = await startTestStack();
  // The period at which this stack ticks: believed to be five times rarer, the tick would look twice before it accuses.
  await stack.database.sql`update public.hp_setting set value = '1' where key = 'tick_every_s'`;
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  workers = createWorkers(stack);
  for (const name of NAMES) workers.start(name);
  alice = await visitAs('alice', browser, dashboard);
});

afterAll(async () => {
  await browser?.close();
  await workers?.endAll();
  await dashboard?.stop();
  await stack?.stop();
});

describe('the fleet page, with five real workers', () => {
  it('shows 5/5 running in the header and in the tab', async () => {
    await running(alice.page, '5/5');
    expect(await alice.page.title()).toBe('5/5 running · Lastseen');
    for (const name of NAMES) await rowSays(alice.page, name, /Idle|Processing|Running/);
    await rowSays(alice.page, 'crawl-worker', 'Web crawling');
  });

  it('is there before any script runs', async () => {
    const context = await browser.newContext({
      javaScriptEnabled: false,
      storageState: await alice.page.context().storageState(),
    });
    const page = await context.newPage();
    await page.goto(dashboard.url);
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('5/5 running');
    expect(await page.locator('[data-worker]').count()).toBe(5);
    await context.close();
  });

  it('shows when the tick last ran', async () => {
    expect(await alice.page.locator('header').innerText()).toMatch(/Monitor: last check\s\d s ago/);
  });

  it('shows a worker’s activity as it is reported', async () => {
    workers.tell('analyze-worker', 'Measuring a very fine file');
    await rowSays(alice.page, 'analyze-worker', 'Measuring a very fine file');
    workers.tell('analyze-worker', 'Measuring the next one');
    await rowSays(alice.page, 'analyze-worker', 'Measuring the next one');
  });

  it('shows a stop within a second of SIGTERM, and counts the time since then', async () => {
    const began = performance.now();
    const exit = workers.end('content-worker', 'SIGTERM');
    await rowSays(alice.page, 'content-worker', 'Stopped', 5_000);
    expect(performance.now() - began).toBeLessThan(1_000);
    await exit;
    await rowSays(alice.page, 'content-worker', 'stopped by SIGTERM');
    await running(alice.page, '4/5');
    expect(await alice.page.title()).toBe('⚠ 4/5 running · Lastseen');

    const age = async () => {
      const text = await rowSays(alice.page, 'content-worker', /Last seen: (\d+) seconds ago/);
      return Number(/(\d+) seconds ago/.exec(text)![1]);
    };
    const first = await age();
    await until(async () => (await age()) >= first + 2, { what: 'two seconds to be counted' });
  });

  it('shows a crash within 12 seconds of SIGKILL, and why', async () => {
    await workers.end('crawl-worker', 'SIGKILL');
    await rowSays(alice.page, 'crawl-worker', /Crashed.*no heartbeat/, 12_000);
    await running(alice.page, '3/5');
    expect(await alice.page.getByRole('alert').innerText()).toMatch(/1 worker is down:\s*crawl-worker/);
    // The silence goes on, and so does the count of it.
    const silence = async () => {
      const text = await rowSays(alice.page, 'crawl-worker', /no heartbeat for \d+ seconds/);
      return Number(/for (\d+) seconds/.exec(text)![1]);
    };
    const first = await silence();
    await until(async () => (await silence()) >= first + 2, { what: 'two seconds of silence' });
  });

  it('shows a worker that was started again', async () => {
    workers.start('crawl-worker');
    workers.start('content-worker');
    await running(alice.page, '5/5');
    await rowSays(alice.page, 'crawl-worker', /Idle|Running/);
    expect(await alice.page.getByRole('alert').count()).toBe(0);
  });

  it('shows that it is not live while Realtime is down, and converges afterwards', async () => {
    stack.realtime.cut();
    await connection(alice.page, /Reconnecting|Not live/);
    expect(await alice.page.title()).toContain('(not live)');
    await workers.end('x-autopost', 'SIGTERM');
    expect(await alice.page.locator('[data-worker="x-autopost"]').innerText()).not.toContain('Stopped');

    stack.realtime.restore();
    await connection(alice.page, 'Live', 30_000);
    await rowSays(alice.page, 'x-autopost', 'Stopped');
    await running(alice.page, '4/5');

    workers.start('x-autopost');
    await running(alice.page, '5/5');
  });

  it('sends requests to this machine only, and logs no error but the cut socket', () => {
    expect([...alice.hosts]).toEqual(['127.0.0.1']);
    expect(alice.complaints.filter((text) => !text.includes('/realtime/v1/websocket'))).toEqual([]);
  });
});
