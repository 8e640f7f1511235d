import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import type { PersonName } from '../support/people.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, signIn, visit, type Visitor } from '../support/visitor.ts';

const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const fixture = fileURLToPath(new URL('fixtures/desk-worker.mjs', import.meta.url));

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

afterAll(async () => {
  supervised = false;
  await browser?.close();
  await Promise.all([...running].map((one) => one.end()));
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
async function says(page: Page, part: string, words: string | RegExp, timeout = 10_000): Promise<string> {
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

/** What axe-core finds of moment on the page. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = globalThis as never as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}

describe('the page of a worker', () => {
  it('shows it live: what it does, its figures, its metadata, whatever its name', async () => {
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

  it('shows metadata as text, whatever is in it, and hides nothing of what it hides', async () => {
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

  it('says that there is no worker of a name', async () => {
    const { page } = bob;
    await page.goto(dashboard.url + pathOf('nobody/here'));
    await page.getByRole('heading', { name: 'There is no such worker' }).waitFor();
    expect(await page.locator('main').innerText()).toContain('nobody/here');
    bob.complaints.length = 0; // the browser's own word for 404
  });

  it('follows a worker that is removed while it is looked at, and that comes back', async () => {
    const process = new Process(stack.database.sql, 'short-lived');
    await process.send({ current_status: 'Packing' });
    const page = await open('short-lived');
    await says(page, '#now', 'Packing');
    await stack.database.sql`delete from hp_worker_status where worker_name = 'short-lived'`;
    await page.getByRole('heading', { name: 'This worker was removed' }).waitFor({ timeout: 20_000 });
    await new Process(stack.database.sql, 'short-lived').send({ current_status: 'Unpacking' });
    await says(page, '#now', 'Unpacking', 20_000);
  });

  it('shows what happened to it by days, and more on request', async () => {
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
    await page.locator('#timeline').getByRole('button', { name: 'Older' }).click();
    await until(async () => (await events()) > first, { what: 'older events' });
    await says(page, '#timeline', 'the 60th');
    await says(page, '#timeline', 'That is all that is kept.');
    await page.getByLabel('Show').selectOption('instance');
    await until(async () => (await events()) === 1, { what: 'its one process alone' });
  });

  it('shows the last words of earlier processes, and job leases that it holds', async () => {
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
    const words = await says(page, '#last-words', 'abandoned job job-9');
    expect(words).toMatch(/crashed.*exit code 3.*TypeError: <b>no<\/b>.*process 71/i);
    await says(page, '#leases', 'accounts/7');
    await says(page, '#timeline', 'A new process took over');
  });
});

describe('a group, on the pages of its workers', () => {
  it('tells who else is in it, links there and back, and says what people set for it', async () => {
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
    expect(await page.getByRole('alert').innerText()).toBe('The minimum is at most what is desired.');
    await group.getByLabel('Minimum', { exact: false }).fill('1');
    await group.getByLabel('Address of a job').fill('https://jobs.example.com/{job_id}');
    await group.getByLabel('Command that starts').fill('systemctl restart {worker_name}');
    await group.getByRole('button', { name: 'Save mail' }).click();
    await page.getByText('mail is saved.').waitFor();

    await open('mail-1');
    await says(page, '#group', /Desired 2 Minimum 1/);
    const job = page.locator('#now').getByRole('link', { name: 'a b' });
    expect(await job.getAttribute('href')).toBe('https://jobs.example.com/a%20b');
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
