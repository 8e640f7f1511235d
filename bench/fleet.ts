import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { until } from '../tests/support/until.ts';
import type { Figure, Measure, Run } from './figure.ts';
import { startChild } from './parts/child.ts';
import { openBrowser, openFleet, serveDashboard, untilLive } from './parts/fleet-page.ts';
import { startBenchStack } from './parts/stack.ts';
import { median } from './parts/statistics.ts';
import type { Fleet } from './workers/fleet.ts';

const SIZES = [50, 1_000, 10_000];
/** Each worker beats twice a minute, as by default: a digest brings a third of them. */
const INTERVAL_S = 30;
/** Longer than a digest takes to come, and the same again. */
const WATCHED_MS = 22_000;
const IDLE_MS = 10_000;

interface Task {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  args?: { name?: string };
}

/** The fleet page in Chromium, at each size. */
export const fleet: Figure = {
  name: 'fleet',
  about: 'the fleet page in a browser, 50 to 10,000 workers',
  limit: () => 900,
  async measure(run) {
    const measures: Measure[] = [];
    for (const size of SIZES) {
      await using scope = new AsyncDisposableStack();
      measures.push(...(await measureSize(size, { ...run, scope })));
    }
    return measures;
  },
};

async function measureSize(size: number, { scope, signal, rounds, say }: Run): Promise<Measure[]> {
  const big = size === 10_000;
  const of = (what: string) => `${what}, ${size.toLocaleString('en-US')} workers`;
  say(`fleet: ${size.toLocaleString('en-US')} workers are introduced`);
  const stack = await startBenchStack(scope, { tickEvery: 5_000 });
  await stack.sql`delete from public.hp_worker_status`;
  await stack.sql`delete from public.hp_worker_group`;
  await stack.sql`update public.hp_setting set value = '1000' where key = 'beats_per_second'`;
  const fleets: Fleet[] = [{ workers: size, name: 'bench', interval: INTERVAL_S }];
  const beating = startChild(scope, 'workers/fleet.ts', {
    DATABASE_URL: stack.databaseUrl,
    FLEETS: JSON.stringify(fleets),
  });
  await beating.hear();
  const dashboard = await serveDashboard(scope, stack);
  const browser = await openBrowser(scope);
  const page = await openFleet(browser, dashboard, stack);
  await complete(page, size);
  const blank = await openBlank(browser, page);

  say('fleet: data to full list');
  const lists: { ms: number; longest: number }[] = [];
  for (let round = 0; round < rounds; round++) lists.push(await dataToList(page, size));

  say('fleet: while digests arrive');
  const cdp = await page.context().newCDPSession(page);
  const digest = await longestTask(browser, page, () => sleep(WATCHED_MS, undefined, { signal }));

  say('fleet: while scrolling');
  const wheel = await longestTask(browser, page, () => scroll(page));

  await beating.end();
  await page.evaluate(() => scrollTo(0, 0));
  await sleep(12_000, undefined, { signal }); // what was on its way is over
  say('fleet: idle');
  const idle = await mainThread(cdp, signal);
  const floor = await mainThread(blank.cdp, signal);
  await cdp.send('HeapProfiler.collectGarbage');
  await blank.cdp.send('HeapProfiler.collectGarbage');

  return [
    {
      what: of('data to full list'),
      value: median(lists.map(({ ms }) => ms)),
      unit: 'ms',
      ...(big && { aim: { atMost: 1_000 } }),
    },
    { what: of('longest task of that'), value: median(lists.map(({ longest }) => longest)), unit: 'ms' },
    {
      what: of('longest task while digests arrive'),
      value: digest,
      unit: 'ms',
      ...(big && { aim: { atMost: 50 } }),
    },
    {
      what: of('longest task while scrolling'),
      value: wheel,
      unit: 'ms',
      ...(big && { aim: { atMost: 50 } }),
    },
    {
      what: of('JavaScript heap'),
      value: await heap(cdp),
      unit: 'MB',
      beside: { what: 'an empty page', value: await heap(blank.cdp) },
      ...(big && { aim: { atMost: 80 } }),
    },
    {
      what: of('main thread a second, idle'),
      value: idle,
      unit: 'ms',
      beside: { what: 'an empty page', value: floor },
      ...(big && { aim: { atMost: 10 } }),
    },
  ];
}

/** Until every worker is in the list, as it says to whoever cannot see it. */
async function complete(page: Page, size: number): Promise<void> {
  await page.locator('[data-worker]').first().waitFor();
  await until(() => page.evaluate(() => document.querySelector('.awaited') === null), {
    timeout: 60_000,
    what: `${size} workers in the list`,
  });
}

/**
 * From the last byte of the snapshot to the list that has all of it, painted; a small fleet's is in the page itself, and
 * counts from the page's last byte.
 */
async function dataToList(page: Page, size: number): Promise<{ ms: number; longest: number }> {
  await page.addInitScript(() => {
    const marks = { full: 0, longest: 0 };
    Object.assign(globalThis, { marks });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) marks.longest = Math.max(marks.longest, duration);
    }).observe({ type: 'longtask', buffered: true });
    const look = () => {
      const rows = document.querySelector('[data-worker]');
      if (rows && !document.querySelector('.awaited') && document.querySelector('[data-connection="live"]'))
        requestAnimationFrame(() => setTimeout(() => (marks.full = performance.now())));
      else setTimeout(look, 4);
    };
    look();
  });
  await page.reload();
  await untilLive(page);
  await complete(page, size);
  const measured = await page.waitForFunction(() => {
    const { marks } = globalThis as unknown as { marks: { full: number; longest: number } };
    if (marks.full === 0) return null;
    const resources = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    const snapshot = resources.findLast(({ name }) => name.endsWith('/api/fleet'));
    const [document] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    return { ms: marks.full - (snapshot ?? document!).responseEnd, longest: marks.longest };
  });
  return (await measured.jsonValue())!;
}

/** Down by the wheel, then in leaps. */
async function scroll(page: Page): Promise<void> {
  await page.mouse.move(600, 500);
  for (let step = 0; step < 60; step++) {
    await page.mouse.wheel(0, 400);
    await sleep(30);
  }
  for (let leap = 0; leap < 10; leap++) {
    await page.evaluate(
      (part) => scrollTo(0, document.documentElement.scrollHeight * part),
      ((leap * 7) % 10) / 10,
    );
    await sleep(200);
  }
}

/** The longest task of the page's main thread meanwhile, ms. Includes short tasks, which an observer in the page does not get. */
async function longestTask(browser: Browser, page: Page, work: () => Promise<unknown>): Promise<number> {
  await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
  await work();
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: Task[] };
  const events = trace.traceEvents;
  // The page's own process is the one that ran its scripts most.
  const mains = events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain');
  const longest = mains.map(({ pid, tid }) => {
    const tasks = events.filter(
      (event) => event.pid === pid && event.tid === tid && /RunTask$/.test(event.name),
    );
    const spent = tasks.reduce((sum, { dur = 0 }) => sum + dur, 0);
    return { spent, longest: tasks.reduce((most, { dur = 0 }) => Math.max(most, dur), 0) / 1000 };
  });
  return longest.sort((a, b) => b.spent - a.spent)[0]?.longest ?? 0;
}

async function metric(cdp: CDPSession, wanted: string): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === wanted)!.value;
}

/** Milliseconds a second. */
async function mainThread(cdp: CDPSession, signal: AbortSignal): Promise<number> {
  await cdp.send('Performance.enable');
  const before = await metric(cdp, 'TaskDuration');
  await sleep(IDLE_MS, undefined, { signal });
  return ((await metric(cdp, 'TaskDuration')) - before) / (IDLE_MS / 1_000_000);
}

/** Megabytes. */
async function heap(cdp: CDPSession): Promise<number> {
  return (await metric(cdp, 'JSHeapUsedSize')) / 1024 / 1024;
}

/** A page with nothing on it. */
async function openBlank(
  browser: Browser,
  page: Page,
): Promise<{ context: BrowserContext; cdp: CDPSession }> {
  const context = await browser.newContext({ viewport: page.viewportSize() });
  const blank = await context.newPage();
  await blank.setContent('<!doctype html><title>empty</title>');
  const cdp = await context.newCDPSession(blank);
  await cdp.send('Performance.enable');
  return { context, cdp };
}
