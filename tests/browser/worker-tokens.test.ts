import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { signIn, visit } from '../support/visitor.ts';
import type { PersonName } from '../support/people.ts';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
const running: TestProcess[] = [];

beforeAll(async () => {
  stack = await startTestStack();
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
});
afterEach(() => Promise.all(running.splice(0).map((one) => one.end())));
afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

/** One of the cast, on the page of tokens. */
async function visitTokens(name: PersonName, options: Parameters<typeof visit>[2] = {}) {
  const visitor = await visit(browser, dashboard, options);
  await visitor.page.goto(`${dashboard.url}/login?next=/settings/tokens`);
  await signIn(visitor.page, name);
  await visitor.page.waitForURL(({ pathname }) => pathname === '/settings/tokens');
  return visitor;
}

/** Fills in the form, and returns the lines that are shown then as an environment. */
async function make(page: Page, label: string, pattern: string) {
  await page.getByLabel('What for').fill(label);
  await page.getByLabel('Worker names').fill(pattern);
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByRole('heading', { name: `The token for ${label}` }).waitFor();
  const lines = await page.locator('pre', { hasText: 'HEARTBEAT_TOKEN' }).innerText();
  return Object.fromEntries(lines.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2))) as Record<
    string,
    string
  >;
}

function start(fixture: string, env: Record<string, string>) {
  const script = fileURLToPath(new URL(`../process/fixtures/workers/${fixture}.mjs`, import.meta.url));
  const worker = startProcess(script, { env });
  running.push(worker);
  return worker;
}

const statusOf = async (name: string) =>
  (await stack.database.sql`select status from hp_worker_status where worker_name = ${name}`)[0]?.status as
    string | undefined;

const tokenRow = (page: Page, label: string) =>
  page.locator('[data-token]').filter({ has: page.getByText(label, { exact: true }) });

describe('an owner', () => {
  it('makes a token, pastes its lines into a worker, sees it used, and revokes it', async () => {
    const { page, complaints, close } = await visitTokens('alice', {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const env = await make(page, 'The lessee', 'lessee-*');
    await page.getByRole('button', { name: 'Copy the lines' }).first().click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(env.HEARTBEAT_TOKEN);
    expect(env).toEqual({
      SUPABASE_URL: stack.url,
      SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
      HEARTBEAT_TOKEN: expect.stringMatching(/^hbt_[\w-]{43}$/),
    });

    const exact = await make(page, 'The idle one', 'idle');
    expect(exact.WORKER_NAME).toBe('idle');
    await page.reload();
    expect(await page.content()).not.toContain(exact.HEARTBEAT_TOKEN!.slice(10));
    expect(await tokenRow(page, 'The idle one').innerText()).toMatch(/for idle · hbt_.{6}…[^]*never used/);

    const worker = start('idle', exact);
    await until(async () => (await statusOf('idle')) === 'idle', { what: 'the worker to be let in' });
    await page.reload();
    expect(await tokenRow(page, 'The idle one').innerText()).toMatch(/last used/);

    // The button asks for confirmation first.
    await page.getByText('Revoke…').first().click();
    await page.getByRole('button', { name: 'Really revoke the token for The idle one' }).click();
    await page.getByRole('status').filter({ hasText: 'The token for The idle one is revoked.' }).waitFor();
    await worker.wrote(/not reported.*HTTP 401, the worker token was revoked at/);
    await page.reload();
    expect(await tokenRow(page, 'The idle one').innerText()).toMatch(/revoked[^]*rejected \d+ times?, last/);
    expect(await tokenRow(page, 'The idle one').innerText()).toContain('by alice@example.com');

    // As when the account of its maker is deleted.
    await stack.database.sql`update hp_worker_token set created_by = null where label = 'The idle one'`;
    await page.reload();
    expect(await tokenRow(page, 'The idle one').innerText()).toContain('by a former owner');
    expect(complaints).toEqual([]);
    await close();
  });

  it('sees what is wrong with the input, and nothing is created', async () => {
    const { page, close } = await visitTokens('alice');
    const before = await page.locator('[data-token]').count();
    await page.getByLabel('What for').fill('<b>Mail</b>');
    await page.getByLabel('Worker names').fill('mail worker');
    await page.getByRole('button', { name: 'Make a token' }).click();
    expect(await page.getByRole('alert').innerText()).toMatch(/^Worker names can have letters/);
    expect(await page.getByLabel('What for').inputValue()).toBe('<b>Mail</b>');
    expect(await page.locator('[data-token]').count()).toBe(before);
    await close();
  });

  it('can do all of it without JavaScript', async () => {
    const { page, close } = await visitTokens('alice', { javaScriptEnabled: false });
    const env = await make(page, 'Without scripts', 'quiet-worker');
    expect(env.HEARTBEAT_TOKEN).toMatch(/^hbt_/);
    const row = tokenRow(page, 'Without scripts');
    await row.getByText('Revoke…').click();
    await row.getByRole('button', { name: 'Really revoke' }).click();
    await page.getByText('The token for Without scripts is revoked.').waitFor();
    await close();
  });

  it.each(['light', 'dark'] as const)(
    'finds the page accessible and wide enough for a phone, %s',
    async (colorScheme) => {
      const { page, close } = await visitTokens('alice', {
        colorScheme,
        viewport: { width: 360, height: 740 },
      });
      await make(page, 'A label that goes on for longer than a phone is wide, and then some', 'phone-*');
      expect(await findings(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
      await close();
    },
  );
});

it.each(['bob', 'carol'] as const)('is no page for %s, and says why', async (name) => {
  const { page, close } = await visitTokens(name);
  await page.getByRole('heading', { name: 'This is for owners' }).waitFor();
  expect(await page.getByLabel('What for').count()).toBe(0);
  await close();
});

it('reports tokens for other names and unknown tokens to the worker', async () => {
  const [row] = await stack.database.asPerson(
    'alice',
    (sql) => sql`select hp_create_worker_token('Others', 'crawl-%') as made`,
  );
  const env = { SUPABASE_URL: stack.url, SUPABASE_PUBLISHABLE_KEY: stack.publishableKey };
  const outside = start('idle', { ...env, HEARTBEAT_TOKEN: row!.made.token });
  const wrong = start('job', { ...env, HEARTBEAT_TOKEN: 'hbt_cut-off', JOB_MS: '60000' });
  await outside.wrote(/HTTP 403, the worker token is for names like crawl-%, not for idle/);
  await wrong.wrote(/HTTP 401, the worker token is none: it must be hbt_ and 43 characters/);
});

it('lets a worker with a token claim job leases, and work', async () => {
  const [row] = await stack.database.asPerson(
    'alice',
    (sql) => sql`select hp_create_worker_token('Lessees', 'lessee%') as made`,
  );
  const worker = start('lessee', {
    SUPABASE_URL: stack.url,
    SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
    HEARTBEAT_TOKEN: row!.made.token,
    WORKER_NAME: 'lessee-1',
    RESOURCE: stack.url,
  });
  await worker.wrote('"held":true');
});

const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

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
