import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, rowSays, visitAs, type Visitor } from '../support/visitor.ts';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let bob: Visitor;

beforeAll(async () => {
  stack = await startTestStack();
  await stack.database.sql`delete from hp_worker_status`;
  await stack.database.sql`delete from hp_worker_group`;
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  bob = await visitAs('bob', browser, dashboard);
  await bob.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

const processes = new Map<string, { instance_id: string; epoch?: number; sequence: number }>();

/** The next beat of the process that goes by this name. */
async function beat(worker_name: string, traits: Record<string, unknown> = {}): Promise<void> {
  const process = processes.get(worker_name) ?? { instance_id: randomUUID(), sequence: 0 };
  processes.set(worker_name, process);
  process.sequence += 1;
  const beats = [{ worker_name, status: 'idle', heartbeat_interval_s: 60, ...traits, ...process }];
  const { data, error } = await stack.asService().rpc('hp_heartbeat', { beats });
  if (error) throw error;
  const [answer] = data as { ok: boolean; epoch?: number; error?: unknown }[];
  if (!answer!.ok) throw new Error(JSON.stringify(answer));
  process.epoch = answer!.epoch ?? process.epoch;
}

/** What an operator sets for a group. */
async function setGroup(row: Record<string, unknown>): Promise<void> {
  const person = await stack.as('bob');
  const { error } = await person.from('hp_worker_group').upsert(row);
  if (error) throw error;
}

async function pauseGroup(worker_type: string, until: string, reason: string): Promise<void> {
  const person = await stack.as('bob');
  const { error } = await person.rpc('hp_pause', { worker_type, until, reason });
  if (error) throw error;
}

async function groupSays(type: string, words: string | RegExp): Promise<void> {
  const heading = bob.page.locator(`[data-group="${type}"]`);
  let text = '';
  await until(
    async () => {
      text = (await heading.innerText({ timeout: 1_000 })).replace(/\s+/g, ' ');
      return typeof words === 'string' ? text.includes(words) : words.test(text);
    },
    { what: `the heading of ${type} to say ${words}` },
  ).catch((error: Error) => {
    throw new Error(`${error.message} It says: ${text}`);
  });
}

/** The colour of the element with this text, and whether it is the one for critical. */
const isRed = (text: string) =>
  bob.page.getByText(text, { exact: true }).evaluate((element) => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = 'var(--critical)';
    const red = getComputedStyle(probe).color;
    probe.remove();
    return getComputedStyle(element).color === red;
  });

describe('a worker that works in runs', () => {
  const run = { poll_interval_s: 600, uptime_ms: 9_000_000, last_run_age_ms: 300_000 };

  it('shows its last run and the result', async () => {
    await beat('discovery', { ...run, processed_count: 12, last_run_duration_ms: 4_200 });
    await rowSays(bob.page, 'discovery', /5m ago \(12 new\).*took 4 s.*every 10 min/);
    await beat('discovery', { ...run, processed_count: 0, last_run_age_ms: 0 });
    await rowSays(bob.page, 'discovery', /(just now|\ds ago) \(idle\)/);
    await beat('discovery', { ...run, status: 'processing' });
    await rowSays(bob.page, 'discovery', 'running…');
  });

  it('shows that its runs fail, and how often they did', async () => {
    const failing = { circuit_breaker_state: 'closed', circuit_breaker_failures: 2 };
    await beat('discovery', { ...run, ...failing, status: 'error', status_reason: 'ECONNREFUSED' });
    const text = await rowSays(bob.page, 'discovery', 'error (2 failures)');
    expect(text).toContain('ECONNREFUSED');
  });

  it('is red if not scheduled', async () => {
    await beat('nightly', { kind: 'scheduled' });
    await rowSays(bob.page, 'nightly', 'not scheduled');
    expect(await isRed('not scheduled')).toBe(true);
  });

  it('shows that it is due, and then how long it is overdue', async () => {
    await beat('hourly', { kind: 'scheduled', next_run_in_ms: 2_500, grace_s: 2, schedule: 'hourly' });
    await rowSays(bob.page, 'hourly', /next [12]s/);
    await rowSays(bob.page, 'hourly', 'due now');
    await rowSays(bob.page, 'hourly', /overdue \d+s/, 20_000);
    expect(await bob.page.locator('[data-worker="hourly"]').getAttribute('data-level')).toBe('critical');
  });
});

describe('a circuit breaker', () => {
  it('shows why it opened and counts down to its next try', async () => {
    await beat('publisher', {
      circuit_breaker_state: 'open',
      circuit_breaker_failures: 10,
      circuit_breaker_threshold: 10,
      circuit_breaker_reason: '503 Service Unavailable',
      circuit_breaker_retry_in_ms: 80_000,
    });
    const left = async () => {
      const text = await rowSays(bob.page, 'publisher', /retries in 1 min \d+ s/);
      return Number(/1 min (\d+) s/.exec(text)![1]);
    };
    const first = await left();
    await until(async () => (await left()) <= first - 2, { what: 'two seconds to be counted down' });
    expect(await rowSays(bob.page, 'publisher', 'Circuit Breaker Open')).toMatch(
      /10 failures in a row.*503 Service Unavailable/,
    );
  });

  it('shows its one try', async () => {
    await beat('publisher', { circuit_breaker_state: 'half_open' });
    await rowSays(bob.page, 'publisher', /Circuit breaker half open.*trying one job/);
  });
});

describe('a group', () => {
  it('is shown before any of its workers has reported', async () => {
    await setGroup({
      worker_type: 'crawlers',
      desired: 3,
      minimum: 2,
      description: 'Read the web',
      job_url_template: 'https://jobs.example.com/{job_type}/{job_id}?by={worker_name}',
      restart_hint: 'systemctl restart {worker_name}',
    });
    await groupSays('crawlers', '0/3 running, minimum 2');
    await groupSays('crawlers', /Critical: below minimum.*Read the web/);
  });

  it('warns below the desired number, and is calm again', async () => {
    await beat('crawl-1', { worker_type: 'crawlers' });
    await beat('crawl-2', { worker_type: 'crawlers' });
    await groupSays('crawlers', /2\/3 running, minimum 2.*Warning: below desired/);
    await beat('crawl-3', { worker_type: 'crawlers' });
    await groupSays('crawlers', /^crawlers 3\/3 running, minimum 2 Read the web$/);
  });

  it('links to the worker’s current job', async () => {
    await beat('crawl-1', {
      status: 'processing',
      current_status: 'Crawling',
      current_job_id: '../admin?x="',
      current_job_type: 'page',
    });
    await rowSays(bob.page, 'crawl-1', 'View job');
    const link = bob.page.locator('[data-worker="crawl-1"]').getByRole('link', { name: /^View job/ });
    expect(await link.getAttribute('href')).toBe(
      'https://jobs.example.com/page/..%2Fadmin%3Fx%3D%22?by=crawl-1',
    );
    expect(await link.getAttribute('rel')).toContain('noopener');
  });

  it('shows the start command of a dead worker, to copy', async () => {
    expect(await bob.page.getByText('systemctl').count()).toBe(0);
    await beat('crawl-2', { status: 'crashed', status_reason: 'exit code 1' });
    await rowSays(bob.page, 'crawl-2', 'systemctl restart crawl-2');
    const row = bob.page.locator('[data-worker="crawl-2"]');
    await row.getByRole('button', { name: 'Copy the start command' }).click();
    await row.getByText('Copied').waitFor();
    expect(await bob.page.evaluate(() => navigator.clipboard.readText())).toBe('systemctl restart crawl-2');
  });

  it('can be paused with all its workers, and shows end and reason', async () => {
    await pauseGroup('crawlers', 'infinity', 'moving house');
    await groupSays('crawlers', /Paused until further notice.*moving house/);
    await rowSays(bob.page, 'crawl-2', /Paused.*until further notice/);
    expect(await bob.page.getByRole('alert').count()).toBe(0);
  });

  it('continues when its pause ends: time alone changes the page', async () => {
    const soon = new Date(Date.now() + 3_000).toISOString();
    await pauseGroup('crawlers', soon, 'moved');
    await groupSays('crawlers', /Paused until \d\d:\d\d:\d\d/);
    // Nothing is written any more: whatever comes over the wire says nothing of them.
    await rowSays(bob.page, 'crawl-2', 'Crashed', 6_000);
    await groupSays('crawlers', '2/3 running, minimum 2');
  });
});

describe('two processes under one name', () => {
  it('are shown as a name conflict', async () => {
    await stack.database.sql`
      update hp_worker_status set name_conflict_since = now() - interval '2 minutes' where worker_name = 'crawl-3'`;
    await rowSays(
      bob.page,
      'crawl-3',
      /Name conflict for 2 min: two processes report under this name/,
      15_000,
    );
  });
});

describe('a worker with a blocked event loop', () => {
  it('is shown as alive, with the blocked time', async () => {
    await beat('analyst', { event_loop_blocked_ms: 8_000 });
    await rowSays(bob.page, 'analyst', 'alive, event loop blocked for 8 s', 15_000);
  });
});

describe('the watch', () => {
  const names = Array.from({ length: 6 }, (_, index) => `sensor-${index}`);
  const all = (traits: Record<string, unknown>) => Promise.all(names.map((name) => beat(name, traits)));
  const alert = () => bob.page.getByRole('alert').filter({ hasText: 'Monitor impaired' });

  it('is impaired when the fleet falls silent together: no worker is marked dead, the tally is uncertain', async () => {
    await all({ heartbeat_interval_s: 1 });
    await alert().waitFor({ timeout: 20_000 });
    expect(await alert().innerText()).toMatch(/Monitor impaired since \d\d:\d\d:\d\d/);
    expect(await bob.page.getByTestId('tick').innerText()).toMatch(/^Monitor impaired/);
    expect(await bob.page.getByTestId('stale').innerText()).toContain('uncertain');
    expect(await bob.page.locator('[data-worker^="sensor"][data-status="crashed"]').count()).toBe(0);
  });

  it('works again when they report', async () => {
    await all({ heartbeat_interval_s: 600 });
    await alert().waitFor({ state: 'detached', timeout: 20_000 });
    expect(await bob.page.getByTestId('stale').count()).toBe(0);
  });

  it('is late, in red, after a long time without a tick', async () => {
    const asleep = await startTestStack({ tickEvery: 0 });
    const its = await startDashboard(asleep);
    const carol = await visitAs('carol', browser, its);
    await asleep.database.sql`update hp_private.monitor set tick_at = now() - interval '5 minutes'`;
    // As the server renders it: an open page would set an overdue tick going by its watching.
    const storageState = await carol.page.context().storageState();
    await carol.close();
    const context = await browser.newContext({ javaScriptEnabled: false, storageState });
    const page = await context.newPage();
    await page.goto(its.url);
    expect(await page.getByTestId('tick').innerText()).toMatch(/^Monitor late, last check\s5 min ago/);
    expect(await page.getByRole('alert').innerText()).toContain('The monitor is late');
    await context.close();
    await its.stop();
    await asleep.stop();
  });
});

describe('a fleet above its limit of beats', () => {
  it('is slowed down, and the page shows by how much and why', async () => {
    await stack.database.sql`update hp_setting set value = '0.05' where key = 'beats_per_second'`;
    const row = bob.page.locator('[data-worker="sensor-0"]');
    await until(
      async () => {
        await beat('sensor-0', { heartbeat_interval_s: 20, requested_interval_s: 20 });
        return /every (\d+ s|\d+ min.*), not 20 s/.test((await row.innerText()).replace(/\s+/g, ' '));
      },
      { timeout: 20_000, every: 1_000, what: 'its row to say how it is paced' },
    );
    const alert = bob.page.getByRole('alert').filter({ hasText: 'Heartbeats are slowed down' });
    expect((await alert.innerText()).replace(/\s+/g, ' ')).toMatch(
      /Heartbeats are slowed down to one every (up to )?\d+ (s|min).*, to stay under 0.05 a second\. Silent workers are found later/,
    );
  });
});

describe('the page', () => {
  it('stays live, without errors in the console', async () => {
    await connection(bob.page, 'Live');
    expect(bob.complaints).toEqual([]);
  });
});
