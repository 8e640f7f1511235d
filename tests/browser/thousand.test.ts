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

/** How many rows show so many jobs: when the first row has come to it, and now. */
function watchJobs(jobs: number) {
  return carol.page.evaluateHandle((jobs) => {
    const rows = [...document.querySelectorAll('[data-worker]')];
    const shows = (row: Element) => new RegExp(`Jobs\\s+${jobs}\\b`).test(row.textContent);
    const count = () => rows.filter(shows).length;
    const first = new Promise<number>((resolve) => {
      const observer = new MutationObserver(() => {
        if (!shows(rows[0]!)) return;
        observer.disconnect();
        resolve(count());
      });
      observer.observe(rows[0]!, { subtree: true, characterData: true, childList: true });
    });
    return { first, count };
  }, jobs);
}

describe('a thousand workers', () => {
  it('are all in the list, before any script and after', async () => {
    await running(carol.page, `${COUNT}/${COUNT}`);
    expect(await carol.page.locator('[data-worker]').count()).toBe(COUNT);
  });

  it('repaint in turns when they all beat: what is in sight at once, all the others soon after', async () => {
    const { page } = carol;
    const jobs = await watchJobs(107);
    await beat(107);
    const atOnce = await jobs.evaluate(({ first }) => first);
    expect(atOnce).toBeGreaterThanOrEqual(10);
    // What is in sight and fifty more. All rows of the first part of the message would be some 240.
    expect(atOnce).toBeLessThan(COUNT / 8);
    await until(async () => (await jobs.evaluate(({ count }) => count())) === COUNT, {
      timeout: 20_000,
      what: 'all rows to show what they did',
    });
    expect(await page.locator('[data-worker]').count()).toBe(COUNT);
  });

  it('leave room for one that has something to say, wherever its row is', async () => {
    await beat(108, { from: 900, to: 901, current_status: 'Turning the page' });
    await rowSays(carol.page, names[900]!, 'Turning the page', 5_000);
  });

  it('repaint no row that does not change, but for its age', async () => {
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

  it('bring a row up to date that is scrolled to', async () => {
    const { page } = carol;
    const last = page.locator('[data-worker]').last();
    await last.scrollIntoViewIfNeeded();
    const age = async () => Number(/(\d+) seconds? ago/.exec((await last.textContent()) ?? '')?.[1]);
    const first = await age();
    await until(async () => (await age()) > first, { timeout: 3_000, what: 'its age to be counted' });
  });
});
