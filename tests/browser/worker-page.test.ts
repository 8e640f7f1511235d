import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import type { PersonName } from '../support/people.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, signIn, visit, type Visitor } from '../support/visitor.ts';

const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const fixture = fileURLToPath(new URL('fixtures/worker-page-worker.mjs', import.meta.url));

/** A name with everything in it that a path could trip over. */
const ODD = 'crawl/eu:3@vm.1-a_b';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let bob: Visitor;
const running = new Set<TestProcess>();
let supervised = true;

beforeAll(async () => {
  stack = await startTestStack();
  await stack.database.sql`update public.hp_setting set value = '1' where key = 'tick_every_s'`;
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  bob = await as('bob', '/');
});

/** Each test's own workers end with it. */
afterEach(async () => {
  supervised = false;
  await Promise.all([...running].map((one) => one.end()));
  supervised = true;
});
afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

const pathOf = (name: string) => `/workers/${encodeURIComponent(name)}`;

/** One of the cast, on a page. */
async function as(name: PersonName, path: string, options: BrowserContextOptions = {}): Promise<Visitor> {
  const visitor = await visit(browser, dashboard, options);
  await visitor.page.goto(`${dashboard.url}/login?next=${encodeURIComponent(path)}`);
  await signIn(visitor.page, name);
  await visitor.page.waitForURL((url) => url.pathname !== '/login');
  return visitor;
}

/** Bob, on the page of a worker, once it is live. */
async function open(name: string): Promise<Page> {
  await bob.page.goto(dashboard.url + pathOf(name));
  await connection(bob.page, 'Live');
  return bob.page;
}

/** A worker process that a supervisor starts again when it asks for that, as systemd would. */
function supervise(name: string, env: Record<string, string> = {}): () => TestProcess {
  let current: TestProcess;
  const start = () => {
    const started = startProcess(fixture, {
      env: { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey, WORKER_NAME: name, ...env },
    });
    current = started;
    running.add(started);
    void started.exited.then(({ code }) => {
      running.delete(started);
      if (supervised && code === 75) start();
    });
  };
  start();
  return () => current;
}

/** Waits until a part of the page says so. */
async function says(page: Page, part: string, words: string | RegExp, timeout = 20_000): Promise<string> {
  let text = '';
  await until(
    async () => {
      text = ((await page.locator(part).first().innerText({ timeout: 1_000 })) ?? '').replace(/\s+/g, ' ');
      return typeof words === 'string' ? text.includes(words) : words.test(text);
    },
    { timeout, what: `${part} to say ${words}` },
  ).catch((error: Error) => {
    throw new Error(`${error.message} It says: ${text}`);
  });
  return text;
}

/** Asks for something in the dialog that its button opens. */
async function ask(page: Page, button: string, reason: string, confirm: RegExp): Promise<void> {
  await page.getByRole('button', { name: button }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill(reason);
  await dialog.getByRole('button', { name: confirm }).click();
}

/** What axe-core finds of moment on the page. The charts have a test of their own. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = globalThis as never as {
      axe: {
        run(
          context: object,
        ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
      };
    };
    const { violations } = await axe.run({ exclude: ['#history'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}

describe('the page of a worker', () => {
  it('shows its activity, figures and metadata live, whatever its name', async () => {
    const worker = supervise(ODD, { JOB_MS: '700' });
    await worker().wrote('job 2');
    const page = await open(ODD);
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(ODD);
    await says(page, '[data-testid="state"]', /Processing|Running|Idle/);
    await says(page, '#now', /Crawling page \d+.*Job job-\d+/);
    await says(page, '#process', `Process id ${worker().pid}`);
    const first = Number(/job-(\d+)/.exec(await says(page, '#now', /job-\d+/))![1]);
    await until(async () => Number(/job-(\d+)/.exec(await says(page, '#now', /job-\d+/))?.[1]) > first, {
      what: 'the next job to be shown',
    });
    const done = async () => Number(/(\d+) jobs done/.exec(await says(page, '#figures', /jobs done/))![1]);
    const before = await done();
    await until(async () => (await done()) > before, { what: 'jobs to be counted', timeout: 15_000 });
    expect(bob.complaints.filter((text) => !text.includes('404'))).toEqual([]);
  });

  it('is linked from the fleet, and links back to the same view', async () => {
    const { page } = bob;
    await page.goto(`${dashboard.url}/?q=${encodeURIComponent('eu:3')}`);
    await page.getByRole('link', { name: ODD }).click();
    await page.getByRole('heading', { level: 1, name: ODD }).waitFor();
    expect(new URL(page.url()).pathname).toBe(pathOf(ODD));
    await page.getByRole('link', { name: 'All workers' }).click();
    await page.locator(`[data-worker="${ODD}"]`).waitFor();
    expect(new URL(page.url()).searchParams.get('q')).toBe('eu:3');
    await open(ODD);
  });

  it('shows metadata as text, and makes invisible characters visible', async () => {
    const { page } = bob;
    const text = await says(page, '#metadata', 'markup');
    expect(text).toContain('<img src=x onerror="window.hit=1">');
    // What would turn the reading order is shown as what it is.
    expect(text).toContain('invoice⟨202E⟩gpj.exe');
    expect(text).toMatch(/queue 12,345/);
    expect(
      await page.getByRole('link', { name: 'https://example.com/runs/7' }).getAttribute('rel'),
    ).toContain('noopener');
    expect(await page.locator('#metadata a').count()).toBe(1); // javascript: is no link
    expect(await page.evaluate(() => 'hit' in window)).toBe(false);
    await page.getByText('900 characters').click();
    await says(page, '#metadata pre', 'x'.repeat(900));
  });

  it('is there before any script runs', async () => {
    const { page, close } = await as('carol', pathOf(ODD), { javaScriptEnabled: false });
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(ODD);
    expect(await page.locator('#process').innerText()).toContain('Process id');
    await close();
  });

  it('says that a worker does not exist', async () => {
    const { page } = bob;
    await page.goto(dashboard.url + pathOf('nobody/here'));
    await page.getByRole('heading', { name: 'There is no such worker' }).waitFor();
    expect(await page.locator('main').innerText()).toContain('nobody/here');
    bob.complaints.length = 0; // the browser's own word for 404
  });

  it('follows a worker that is removed while its page is open, and that comes back', async () => {
    const process = new Process(stack.database.sql, 'short-lived');
    await process.send({ current_status: 'Packing' });
    const page = await open('short-lived');
    await says(page, '#now', 'Packing');
    await stack.database.sql`delete from hp_worker_status where worker_name = 'short-lived'`;
    await page.getByRole('heading', { name: 'This worker was removed' }).waitFor({ timeout: 20_000 });
    await new Process(stack.database.sql, 'short-lived').send({ current_status: 'Unpacking' });
    await says(page, '#now', 'Unpacking', 30_000);
  });

  it('shows its events by day, and more on request', async () => {
    const { sql } = stack.database;
    await new Process(sql, 'eventful').send({});
    await sql`
      insert into hp_worker_event (worker_name, at, type, from_value, to_value, reason)
      select 'eventful', now() - interval '2 days' - n * interval '1 minute', 'status',
        case when n % 2 = 0 then 'idle' else 'crashed' end, case when n % 2 = 0 then 'crashed' else 'idle' end, 'the ' || n || 'th'
      from generate_series(1, 60) n`;
    const page = await open('eventful');
    await says(page, '#timeline', 'the 1th');
    const events = () => page.locator('#timeline [data-event]').count();
    const first = await events();
    expect(await page.locator('#timeline h3').count()).toBeGreaterThan(1);
    await says(page, '#timeline', /Crashed for 1 minute/);
    await page.locator('#timeline').getByRole('link', { name: 'Older' }).click();
    await until(async () => (await events()) > first, { what: 'older events' });
    await says(page, '#timeline', 'the 60th');
    await says(page, '#timeline', 'No older events.');
    await page.getByLabel('Show').selectOption('instance');
    await until(async () => (await events()) === 1, { what: 'its one process alone' });

    const plain = await as('carol', pathOf('eventful'), { javaScriptEnabled: false });
    await plain.page.getByRole('link', { name: 'Older' }).click();
    await says(plain.page, '#timeline', 'the 60th');
    expect(await plain.page.locator('#timeline').innerText()).not.toMatch(/the 1th|so far/);
    await plain.close();
  });

  it('shows the exit reports of earlier processes, and the job leases', async () => {
    const { sql } = stack.database;
    const before = new Process(sql, 'wordy', { hostname: 'host-a' });
    await before.send({ pid: 71 });
    await before.send({
      status: 'crashed',
      status_reason: 'exit code 3',
      last_exit: { code: 3, abandoned_job: 'job-9', error: 'TypeError: <b>no</b>' },
    });
    const now = new Process(sql, 'wordy');
    await now.send({ pid: 72 });
    await now.send({});
    await sql`select hp_claim_lease('wordy', ${now.instance}, 'accounts/7', 2)`;
    const page = await open('wordy');
    const words = await says(page, '#exit-reports', 'abandoned job job-9');
    expect(words).toMatch(/crashed.*exit code 3.*TypeError: <b>no<\/b>.*process 71/i);
    await says(page, '#leases', 'accounts/7');
    await says(page, '#timeline', 'A new process took over');
  });
});

describe('a group, on the pages of its workers', () => {
  it('shows its other workers with links, and its settings', async () => {
    const { sql } = stack.database;
    await new Process(sql, 'mail-1').send({
      worker_type: 'mail',
      current_job_id: 'a b',
      status: 'processing',
    });
    await new Process(sql, 'mail-2').send({ worker_type: 'mail', status: 'error', status_reason: 'no SMTP' });
    const page = await open('mail-1');
    await says(page, '#group', /mail 2\/2 running.*mail-2 Error/);

    await page.getByRole('link', { name: 'Edit the group' }).click();
    const group = page.locator('[data-group="mail"]');
    await group.getByLabel('Desired', { exact: false }).fill('2');
    await group.getByLabel('Minimum', { exact: false }).fill('3');
    await group.getByRole('button', { name: 'Save mail' }).click();
    expect(await page.getByRole('alert').innerText()).toBe(
      'The minimum must not be higher than the desired number.',
    );
    await group.getByLabel('Minimum', { exact: false }).fill('1');
    await group.getByLabel('Job address').fill('https://jobs.example.com/{job_id}');
    await group.getByLabel('Start command').fill('systemctl restart {worker_name}');
    await group.getByRole('button', { name: 'Save mail' }).click();
    await page.getByText('mail is saved.').waitFor();

    await open('mail-1');
    await says(page, '#group', /Desired 2 Minimum 1/);
    const job = page.locator('#now').getByRole('link', { name: 'a b' });
    expect(await job.getAttribute('href')).toBe('https://jobs.example.com/a%20b');
    await page.getByRole('link', { name: 'Edit the group' }).click();
    await page.locator('summary[aria-label="Pause mail"]').click();
    await group.getByLabel('Reason').fill('the relay moves');
    await group.getByRole('button', { name: 'Pause all of mail' }).click();
    await page.getByText('mail is paused.').waitFor();
    await open('mail-1');
    await says(page, '[data-testid="state"]', 'Paused');
    await says(page, '#audit', /Pause the whole group mail done the relay moves/);
    await page.getByRole('link', { name: 'Edit the group' }).click();
    await group.getByRole('button', { name: 'End the pause of mail' }).click();
    await page.getByText('mail is no longer paused.').waitFor();

    await open('mail-1');
    await page.locator('#group').getByRole('link', { name: 'mail-2' }).click();
    await page.getByRole('heading', { level: 1, name: 'mail-2' }).waitFor();
    await says(page, '[data-testid="state"]', 'Error Critical');
  });

  it('is no page of settings for a viewer', async () => {
    const { page, close } = await as('carol', '/settings/groups');
    await page.getByRole('heading', { name: 'This is for operators and owners' }).waitFor();
    await close();
  });
});

describe('actions of operators', () => {
  it('restarts a worker: the page shows the old process end and the new one start', async () => {
    const worker = supervise('restarted', { JOB_MS: '400' });
    await worker().wrote('job 1');
    const { pid } = worker();
    const page = await open('restarted');
    await says(page, '#process', `Process id ${pid}`);
    await ask(page, 'Restart…', 'stuck since the deploy', /^Restart restarted$/);
    const came = await says(page, '[data-command="restart"]', /New process.*Done/, 30_000);
    expect(came).toMatch(
      /Requested \S+ by you stuck since the deploy.*Delivered.*Acknowledged.*Old process ended/,
    );
    expect(worker().pid).not.toBe(pid);
    await says(page, '#process', `Process id ${worker().pid}`);
    await says(page, '#exit-reports', /exit code 75.*process/);
    await says(page, '#audit', /Restart done stuck since the deploy.*you/);
  });

  it('shows the consequences first, and works by keyboard alone', async () => {
    const worker = supervise('by-keys', {});
    await worker().wrote('job 1');
    const page = await open('by-keys');
    const button = page.getByRole('button', { name: 'Stop…' });
    await button.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    expect(await dialog.innerText()).toMatch(/exits with code 0.*expected to run/s);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);

    await page.keyboard.press('Enter');
    await page.keyboard.type('no longer needed');
    expect(await findings(page)).toEqual([]);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await says(page, '[data-command="stop"]', /Done/, 30_000);
    await says(page, '[data-testid="state"]', /Stopped/);
    expect(await worker().exited).toMatchObject({ code: 0 });

    // A dead worker takes no commands; the group's start command is shown.
    await stack.database.sql`
      update hp_worker_status set worker_type = 'keys' where worker_name = 'by-keys'`;
    await stack.database.sql`
      insert into hp_worker_group (worker_type, restart_hint) values ('keys', 'systemctl start {worker_name}')`;
    await open('by-keys');
    expect(await page.getByRole('button', { name: 'Restart…' }).isDisabled()).toBe(true);
    await says(page, '#act', 'No process of this worker is alive.');
    await says(page, '#act', 'systemctl start by-keys');
  });

  it('shows that a worker refuses, and why', async () => {
    const worker = supervise('unwilling', { REFUSE: 'drain' });
    await worker().wrote('job 1');
    const page = await open('unwilling');
    await ask(page, 'Drain…', 'maintenance of the queue', /^Drain unwilling$/);
    await says(page, '[data-command="drain"]', /Refused by the worker.*not during the night run/, 30_000);
    await ask(page, 'Trip breaker…', 'the far side is down', /^Trip/);
    await says(page, '[data-command="breaker_trip"]', 'Done', 30_000);
    await says(page, '[data-testid="state"]', 'Critical');
    await ask(page, 'Reset breaker…', 'it is back', /^Reset/);
    await says(page, '[data-testid="state"]', 'Healthy', 30_000);
    await says(page, '#audit', /Reset breaker done.*Trip breaker done.*Drain refused/);
  });

  it('pauses a worker until a time, and it counts again when that is over', async () => {
    const process = new Process(stack.database.sql, 'napping');
    await process.send({ status: 'crashed', status_reason: 'exit code 1' });
    const page = await open('napping');
    await page.getByRole('button', { name: 'Mark as seen' }).click();
    await says(page, '#audit', 'Mark as seen done');
    await page.getByRole('button', { name: 'Pause…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('15 minutes').check();
    await dialog.getByLabel('Reason').fill('moving the host');
    await dialog.getByRole('button', { name: 'Pause napping' }).click();
    await says(page, '[data-testid="state"]', 'Paused');
    await says(page, '.head', /until \d\d:\d\d:\d\d .*moving the host/);

    // Its end comes by the clock: nothing is sent.
    await stack.database.sql`
      update hp_worker_status set paused_until = now() + interval '3 seconds' where worker_name = 'napping'`;
    await says(page, '[data-testid="state"]', 'Crashed', 30_000);

    await ask(page, 'Pause…', 'once more', /^Pause napping$/);
    await says(page, '[data-testid="state"]', 'Paused');
    await page.getByRole('button', { name: 'End the pause' }).click();
    await says(page, '[data-testid="state"]', 'Crashed');
    await says(page, '#audit', /End the pause done.*Pause done once more.*until \d{4}-\d\d-\d\d/);
  });

  it('all work without JavaScript', async () => {
    const process = new Process(stack.database.sql, 'plainly');
    await process.send({});
    const { page, close } = await as('bob', pathOf('plainly'), { javaScriptEnabled: false });
    await page.getByRole('button', { name: 'Report now…' }).click();
    await page.getByLabel('Reason').fill('to see whether it answers');
    await page.getByRole('button', { name: /^Let .* report now$/ }).click();
    await says(page, '#act', 'The action was requested, and is recorded below.');
    await says(page, '#audit', /Report now requested to see whether it answers/);
    // Loaded again, it asks nothing a second time.
    expect(new URL(page.url()).search).toBe('?action=done');
    await page.reload();
    expect(await page.locator('#audit').innerText()).not.toMatch(/Report now[^]*Report now/);
    for (const [link, words] of [
      ['Download the history as CSV', 'up (s)'],
      ['Download the log as text', ''],
    ] as const) {
      const href = await page.getByRole('link', { name: link }).getAttribute('href');
      const file = await page.request.get(dashboard.url + href);
      expect([file.status(), (await file.text()).includes(words)], link).toEqual([200, true]);
    }
    await page.getByRole('button', { name: 'Pause…' }).click();
    await page.getByLabel('other time').check();
    await page.getByLabel(/^Until/).fill('2020-01-01T00:00');
    await page.getByLabel('Reason').fill('too late');
    await page.getByRole('button', { name: 'Pause plainly' }).click();
    await page.getByRole('alert').filter({ hasText: 'This time is in the past' }).waitFor();

    // The reason that disables four buttons appears once, and each button refers to it.
    await page.goto(dashboard.url + pathOf('plainly'));
    await page.getByRole('button', { name: 'Restart…' }).click();
    await page.getByLabel('Reason').fill('stuck');
    await page.getByRole('button', { name: /^Restart plainly/ }).click();
    await says(page, '#act', 'The action was requested, and is recorded below.');
    for (const name of ['Restart…', 'Stop…', 'Drain…', 'Trip breaker…']) {
      const described = await page.getByRole('button', { name }).getAttribute('aria-describedby');
      expect(await page.locator(`[id="${described}"]`).innerText(), name).toMatch(
        /^Restart was requested .* in progress\.$/,
      );
    }
    expect(
      await page
        .locator('#act')
        .getByText(/^Restart was requested/)
        .count(),
    ).toBe(1);
    await close();
  });

  it('are not for viewers, who see everything else', async () => {
    const { page, close } = await as('carol', pathOf('restarted'));
    await connection(page, 'Live');
    await says(page, '#act', 'You are a viewer.');
    expect(await page.locator('#act button').count()).toBe(0);
    // The person appears without an address.
    await says(page, '#audit', /Restart done.*an operator/);
    expect(await page.content()).not.toContain('bob@');
    // The form itself is refused, too, and the try is recorded.
    const status = await page.evaluate(async () => {
      const body = new URLSearchParams({ command: 'stop', reason: 'because' });
      const headers = { accept: 'application/json', 'x-sveltekit-action': 'true' };
      return (
        (await (await fetch('?/command', { method: 'POST', body, headers })).json()) as { status: number }
      ).status;
    });
    expect(status).toBe(403);
    await page.reload();
    await says(page, '#audit', /Stop refused because only an operator or an owner may give commands you/);
    await close();
  });
});

it.each(['light', 'dark'] as const)('is accessible, and fits a phone, %s', async (colorScheme) => {
  const { page, close } = await as('alice', pathOf(ODD), {
    colorScheme,
    viewport: { width: 360, height: 740 },
  });
  await connection(page, 'Live');
  await says(page, '#metadata', 'markup');
  await says(page, '[data-testid="state"]', 'Critical'); // in trouble, where more is shown
  expect(await findings(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await page.getByRole('button', { name: 'Pause…' }).click();
  expect(await findings(page)).toEqual([]);
  await page.goto(`${dashboard.url}/settings/groups#group:research`);
  await page.locator('[data-group="research"]').getByLabel('Job address').waitFor();
  expect(await findings(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await close();
});
