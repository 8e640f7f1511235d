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
  it('is filtered by status, type, host and version in the address, and each filter can be removed', async () => {
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
    await page.getByRole('combobox', { name: 'Type' }).selectOption({ label: 'No type (1)' });
    await rows('a/b');
    await address('?type=');
    await page.getByRole('combobox', { name: 'Type' }).selectOption('Any');
    await rows('a/b', 'crawl-1', 'crawl-2', 'post-1');
  });

  it('can be one list, sorted by any column, in both orders', async () => {
    const { page } = bob;
    await page.getByLabel('One list, without groups').check();
    const head = (name: string) =>
      page.getByRole('navigation', { name: 'Columns' }).getByRole('link', { name });
    await head('Jobs').click();
    await rows('crawl-2', 'post-1', 'crawl-1', 'a/b');
    await head('Jobs').click();
    await rows('a/b', 'crawl-1', 'post-1', 'crawl-2');
    await address('?sort=-jobs&flat');
    expect(await head('Jobs').getAttribute('title')).toBe('Most jobs first, reversed');
    await head('Host').click();
    await rows('crawl-1', 'post-1', 'crawl-2', 'a/b');
    await head('Activity').click();
    await rows('crawl-2', 'a/b', 'crawl-1', 'post-1');
    // Where the columns have no heads, the panel turns the order round.
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole('combobox', { name: 'Sort by' }).selectOption('Name');
    await page.getByLabel('Reverse order').check();
    await rows('post-1', 'crawl-2', 'crawl-1', 'a/b');
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.getByLabel('One list, without groups').uncheck();
    await page.getByRole('navigation', { name: 'Columns' }).getByRole('link', { name: 'Status' }).click();
    await address('');
  });

  it('can leave the search by keyboard: to the first result, or out', async () => {
    const { page } = bob;
    const at = () =>
      page.evaluate(
        () =>
          document.activeElement!.closest('[data-worker]')?.getAttribute('data-worker') ??
          document.activeElement!.localName,
      );
    await page.keyboard.press('/');
    await page.keyboard.type('crawl');
    await page.keyboard.press('Enter');
    await until(async () => (await at()) === 'crawl-1', { what: 'the first row that was found' });
    await page.keyboard.press('/');
    await page.keyboard.press('Escape');
    await rows('a/b', 'crawl-1', 'crawl-2', 'post-1');
    expect(await at()).toBe('input');
    await page.keyboard.press('ArrowDown');
    expect(await at()).toBe('a/b');
    await page.keyboard.press('/');
    await page.keyboard.press('Escape');
    expect(await at()).toBe('body');
  });

  it('distinguishes unknown from inactive workers', async () => {
    const { page } = bob;
    await upsert({ worker_name: 'resting', status: 'stopped', expected: false });
    await page.getByRole('link', { name: 'Inactive 1' }).click();
    await rows('resting');
    expect(await page.getByRole('link', { name: /^Unknown/ }).count()).toBe(0);
    await page.getByRole('link', { name: /^All/ }).click();
    await stack.database.sql`delete from hp_worker_status where worker_name = 'resting'`;
    await page.reload();
    await rows('a/b', 'crawl-1', 'crawl-2', 'post-1');
  });
});

/** Heads for the row of this worker, as a screen reader would say it. */
const focused = () => bob.page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');

describe('by keyboard', () => {
  it('j, k and Enter go from worker to worker and open one, whatever its name', async () => {
    const { page } = bob;
    await page.getByRole('button', { name: 'View' }).waitFor();
    await page.keyboard.press('j');
    await until(async () => (await focused()) === 'a/b', { what: 'the focus on the first' });
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await until(async () => (await focused()) === 'crawl-2', { what: 'the focus on the third' });
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    await until(async () => (await focused()) === 'a/b', { what: 'the focus on the first' });
    await page.keyboard.press('Enter');
    await until(() => page.url() === `${dashboard.url}/workers/a%2Fb`, { what: 'the page of a/b' });
    await page.getByRole('heading', { level: 1, name: 'a/b' }).waitFor();
    await page.goBack();
    await rows('a/b', 'crawl-1', 'crawl-2', 'post-1');
  });

  it('a question mark shows the keys, except while searching', async () => {
    const { page } = bob;
    await page.getByRole('button', { name: 'View' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('j?');
    expect(await page.getByRole('searchbox').inputValue()).toBe('j?');
    await page.keyboard.press('Escape');
    await page.getByRole('searchbox').blur();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  });
});

describe('notices', () => {
  const notice = (words: string | RegExp) =>
    bob.page.getByLabel('Notices', { exact: true }).locator('[data-change]').filter({ hasText: words });

  it('name workers that get into trouble and recover, and are read aloud', async () => {
    await upsert({ worker_name: 'post-1', status: 'crashed', status_reason: 'exit code 7' });
    await notice('Crashed: exit code 7').waitFor();
    expect(await notice('post-1').getByRole('link').getAttribute('href')).toBe('/workers/post-1');
    expect(await bob.page.getByLabel('Notices', { exact: true }).getAttribute('aria-live')).toBe('polite');
    await upsert({ worker_name: 'post-1', status: 'idle' });
    await notice('has recovered: Idle').waitFor();
    // A worker's new notice replaces its older one.
    expect(await notice('post-1').count()).toBe(1);
    await notice('post-1').getByRole('button', { name: 'Dismiss' }).click();
    expect(await notice('post-1').count()).toBe(0);
  });

  it('are joined for many workers at once', async () => {
    const many = Array.from({ length: 6 }, (_, index) => ({
      worker_name: `swarm-${index}`,
      worker_type: 'swarm',
      status: 'idle',
    }));
    await stack
      .asService()
      .from('hp_worker_status')
      .upsert(many, { onConflict: 'worker_name' })
      .throwOnError();
    await notice('6 new workers have reported: swarm-0, swarm-1, swarm-2 and 3 more').waitFor();
  });

  it('ignore pauses', async () => {
    const { error } = await (
      await stack.as('bob')
    ).rpc('hp_pause', {
      worker_type: 'swarm',
      until: 'infinity',
      reason: 'moving house',
    });
    expect(error).toBeNull();
    await until(async () =>
      (await bob.page.locator('[data-worker="swarm-0"]').innerText()).includes('Paused'),
    );
    await upsert({ worker_name: 'crawl-1', status: 'crashed', status_reason: 'exit code 9' });
    await notice('exit code 9').waitFor();
    expect(await notice('swarm').filter({ hasNotText: 'new' }).count()).toBe(0);
    await upsert({ worker_name: 'crawl-1', status: 'idle' });
  });

  it('can be muted, and stay muted', async () => {
    const { page } = bob;
    await page.getByRole('button', { name: 'Mute notices' }).click();
    await page.reload();
    await page.getByRole('button', { name: 'View' }).click();
    const choice = page.getByLabel('Show notices when workers');
    expect(await choice.isChecked()).toBe(false);
    await upsert({ worker_name: 'crawl-1', status: 'crashed', status_reason: 'exit code 5' });
    await until(async () =>
      (await page.locator('[data-worker="crawl-1"]').innerText()).includes('exit code 5'),
    );
    await choice.check();
    await upsert({ worker_name: 'crawl-1', status: 'idle' });
    await notice('crawl-1').waitFor();
    expect(await notice('exit code 5').count()).toBe(0);
    await page.keyboard.press('Escape');
  });
});

describe('trouble marked as seen', () => {
  it('leaves the banner, is marked, and stays red until the next event', async () => {
    const { page } = bob;
    const alert = page.getByRole('alert').filter({ hasText: /is down|are down/ });
    await alert.waitFor();
    const { error } = await (await stack.as('bob')).rpc('hp_mark_seen', { worker_name: 'a/b' });
    expect(error).toBeNull();
    await alert.waitFor({ state: 'detached' });
    const row = page.locator('[data-worker="a/b"]');
    expect(await row.innerText()).toMatch(/Seen \d+ seconds? ago|Seen just now/);
    expect(await row.getAttribute('data-level')).toBe('critical');
    await upsert({ worker_name: 'a/b', status: 'idle' });
    await until(async () => !(await row.innerText()).includes('Seen'));
  });

  it('has no red breaker while paused', async () => {
    await upsert({ worker_name: 'swarm-0', status: 'idle', circuit_breaker_open: true });
    const badge = bob.page.locator('[data-worker="swarm-0"]').getByText('Circuit Breaker Open');
    await badge.waitFor();
    const colour = (of: string) =>
      bob.page.evaluate((token) => {
        const probe = document.body.appendChild(document.createElement('i'));
        probe.style.color = `var(${token})`;
        const { color } = getComputedStyle(probe);
        probe.remove();
        return color;
      }, of);
    expect(await badge.evaluate((element) => getComputedStyle(element).color)).toBe(await colour('--ink-3'));
  });
});

describe('colours', () => {
  it('follow the system or the chosen theme from the first moment of each page', async () => {
    const { page } = bob;
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole('button', { name: 'View' }).click();
    await page.getByLabel('Dark').check();
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload({ waitUntil: 'commit' });
    const html = await (await page.request.get(dashboard.url)).text();
    expect(html).toContain('<html lang="en" data-theme="dark">');
    // What caches keep for everybody is nobody's.
    expect(await (await page.request.get(`${dashboard.url}/status`)).text()).not.toContain('data-theme');
    await until(async () => (await ground()) === dark);
    await page.getByRole('button', { name: 'View' }).click();
    await page.getByLabel('System').check();
    expect(await ground()).toBe(light);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).toBe(dark);
    await page.getByLabel('Light', { exact: true }).check();
    expect(await ground()).toBe(light);
    await page.getByLabel('System').check();
    await page.emulateMedia({ colorScheme: null });
    await page.keyboard.press('Escape');
  });
});

describe('a wall display', () => {
  it('shows the state in large type, without buttons, and keeps running behind other windows', async () => {
    const context = await browser.newContext({ storageState: await bob.page.context().storageState() });
    const page = await context.newPage();
    await page.goto(`${dashboard.url}/wall`);
    await page.locator('[data-connection="live"]').waitFor();
    expect(await page.getByRole('button').count()).toBe(0);
    await page.locator('[data-worker="post-1"]').waitFor();
    // Another tab before it: its own timers sleep now.
    const other = await context.newPage();
    await other.bringToFront();
    const clock = () => page.locator('.clock').textContent();
    const before = await clock();
    await until(async () => (await clock()) !== before, { timeout: 3_000, what: 'its clock to go on' });
    await upsert({ worker_name: 'post-1', status: 'crashed', status_reason: 'exit code 1' });
    await page.getByRole('list', { name: 'In trouble' }).getByText('post-1').waitFor();
    // A word is not said twice, and what was seen stands after what was not.
    const trouble = page.getByRole('list', { name: 'In trouble' }).getByRole('listitem');
    await upsert({ worker_name: 'crawl-1', status: 'error', status_reason: 'error: no route' });
    await until(async () => (await trouble.allInnerTexts()).join().includes('no route'), {
      what: 'its reason',
    });
    expect((await trouble.allInnerTexts()).join()).not.toMatch(/Error, error/);
    const first = () => trouble.first().getAttribute('data-worker');
    const known = (await first())!;
    await (await stack.as('bob')).rpc('hp_mark_seen', { worker_name: known }).throwOnError();
    await until(async () => (await first()) !== known, { what: 'one that nobody has seen' });
    expect(await page.locator(`.trouble [data-worker="${known}"]`).innerText()).toContain('seen');
    await page.bringToFront();
    await page.keyboard.press('Escape');
    await until(() => page.url() === `${dashboard.url}/`, { what: 'the fleet page' });
    await context.close();
  });
});

describe('the page', () => {
  it('has no errors in the console', () => {
    expect(bob.complaints).toEqual([]);
  });
});
