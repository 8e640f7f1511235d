import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { connection, rowSays, signIn, visit, visitAs } from '../support/visitor.ts';

const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;

beforeAll(async () => {
  stack = await startTestStack();
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

interface Violation {
  id: string;
  impact: string;
  help: string;
  nodes: { html: string; failureSummary: string }[];
}

/** What axe-core finds of moment on the page, and where it cannot tell whether the contrast is enough. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as never as {
      axe: { run(): Promise<Record<'violations' | 'incomplete', Violation[]>> };
    };
    const { violations, incomplete } = await axe.run();
    return [...violations, ...incomplete.filter(({ id }) => id === 'color-contrast')];
  });
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}\n${node.html}\n${node.failureSummary}`),
    );
}

async function report(row: Record<string, unknown>): Promise<void> {
  const { error } = await stack
    .asService()
    .from('hp_worker_status')
    .upsert(row, { onConflict: 'worker_name' });
  if (error) throw new Error(error.message);
}

async function calm(): Promise<void> {
  for (const worker_name of ['roundtable-worker', 'x-autopost', 'analyze-worker', 'content-worker']) {
    await report({ worker_name, status: 'idle' });
  }
  await report({ worker_name: 'crawl-worker', status: 'processing', current_status: 'Crawling' });
}

/** Every kind of row that differs in what it shows, and every kind of group. */
async function trouble(): Promise<void> {
  const groups: Record<string, unknown>[] = [
    {
      worker_type: 'crawlers',
      desired: 5,
      minimum: 1,
      description: 'Read the web',
      job_url_template: 'https://example.com/{job_id}',
      restart_hint: 'systemctl restart {worker_name} --and-a-long-word-so-that-it-scrolls-in-its-place',
      paused_until: null,
      paused_reason: null,
    },
    { worker_type: 'imports', desired: 2, minimum: 1 },
    { worker_type: 'mailers', paused_until: 'infinity', paused_reason: 'moving house' },
  ];
  for (const group of groups) await stack.asService().from('hp_worker_group').upsert(group).throwOnError();
  const rows = [
    {
      worker_name: 'analyze-worker',
      status: 'idle',
      circuit_breaker_open: true,
      last_error: 'HTTP 503\n'.repeat(50),
    },
    {
      worker_name: 'crawl-worker',
      worker_type: 'crawlers',
      status: 'crashed',
      status_reason: 'no heartbeat for 50 seconds',
    },
    { worker_name: 'content-worker', status: 'stopped', status_reason: 'SIGTERM' },
    {
      worker_name: 'x-autopost',
      worker_type: 'crawlers',
      status: 'processing',
      current_status: 'Posting',
      current_job_id: '17',
      cpu_percent: 97,
    },
    { worker_name: 'mail-1', worker_type: 'mailers', status: 'idle' },
    { worker_name: 'profiling', status: 'idle', poll_interval_s: 600, processed_count: 0 },
    {
      worker_name: 'publisher',
      status: 'idle',
      circuit_breaker_state: 'half_open',
      circuit_breaker_reason: 'HTTP 503',
      circuit_breaker_failures: 3,
    },
    {
      worker_name: 'nightly',
      worker_type: 'crons',
      kind: 'scheduled',
      status: 'idle',
      schedule: '0 6 * * *',
    },
  ];
  for (const row of rows) await report(row);
  await stack.database
    .sql`update hp_worker_status set requested_interval_s = 5 where worker_name = 'x-autopost'`;
}

describe.each(['light', 'dark'] as const)(
  'a screen reader, an eye that needs contrast: in %s',
  (colorScheme) => {
    it('is not hindered by signing in, nor by being refused', async () => {
      const { page, close } = await visit(browser, dashboard, { colorScheme });
      expect(await findings(page)).toEqual([]);
      await signIn(page, 'alice', 'not it');
      await page.getByRole('alert').waitFor();
      expect(await findings(page)).toEqual([]);
      await close();
    });

    it('is not hindered by the fleet, calm', async () => {
      await calm();
      const { page, close } = await visitAs('alice', browser, dashboard, { colorScheme });
      expect(await findings(page)).toEqual([]);
      await page.setViewportSize({ width: 360, height: 740 });
      expect(await findings(page)).toEqual([]);
      await close();
    });

    it('is not hindered by the settings, nor by making an account, wide and narrow', async () => {
      const { page, close } = await visit(browser, dashboard, { colorScheme });
      await page.goto(`${dashboard.url}/signup`);
      expect(await findings(page)).toEqual([]);
      await page.goto(`${dashboard.url}/login`);
      await signIn(page, 'alice');
      await connection(page, 'Live');
      for (const section of ['account', 'members']) {
        await page.setViewportSize({ width: 1280, height: 740 });
        await page.goto(`${dashboard.url}/settings/${section}`);
        expect(await findings(page)).toEqual([]);
        await page.setViewportSize({ width: 360, height: 740 });
        expect(await findings(page)).toEqual([]);
        const overflows = () => document.documentElement.scrollWidth > innerWidth;
        expect(await page.evaluate(overflows)).toBe(false);
      }
      await close();
    });

    it('is not hindered by an error page', async () => {
      const { page, close } = await visit(browser, dashboard, { colorScheme });
      await signIn(page, 'mallory');
      await page.getByRole('heading', { name: 'You are not a member' }).waitFor();
      expect(await findings(page)).toEqual([]);
      await page.goto(`${dashboard.url}/nowhere`);
      expect(await findings(page)).toEqual([]);
      await close();
    });
  },
);

describe.each(['light', 'dark'] as const)('with a fleet in trouble: in %s', (colorScheme) => {
  beforeAll(trouble);

  it('is not hindered either, wide and narrow', async () => {
    const { page, close } = await visitAs('alice', browser, dashboard, { colorScheme });
    await rowSays(page, 'analyze-worker', 'Circuit Breaker Open');
    await rowSays(page, 'crawl-worker', 'To start it again');
    await rowSays(page, 'x-autopost', /View job.*every .*, not/);
    expect(await findings(page)).toEqual([]);
    await page.getByText('Last error').click();
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await findings(page)).toEqual([]);
    await page.goto(`${dashboard.url}/?q=nothing+like+it`);
    expect(await findings(page)).toEqual([]);
    await close();
  });

  it('is not hindered where there is no worker yet', async () => {
    await stack.database.sql`delete from hp_worker_status`;
    await stack.database.sql`delete from hp_worker_group`;
    const viewport = { width: 360, height: 740 };
    const { page, close } = await visitAs('alice', browser, dashboard, { colorScheme, viewport });
    await page.getByRole('heading', { name: 'No workers yet' }).waitFor();
    expect(await findings(page)).toEqual([]);
    await close();
  });
});
