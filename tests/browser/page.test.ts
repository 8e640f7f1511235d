import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, rowSays, signIn, visit, visitAs, type Visitor } from '../support/visitor.ts';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let carol: Visitor;

beforeAll(async () => {
  stack = await startTestStack();
  dashboard = await startDashboard(stack);
  browser = await launchBrowser();
  carol = await visitAs('carol', browser, dashboard);
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

/** What a worker without our module would write. */
async function upsert(row: Record<string, unknown>): Promise<void> {
  const { error } = await stack
    .asService()
    .from('hp_worker_status')
    .upsert(row, { onConflict: 'worker_name' });
  if (error) throw new Error(error.message);
}

describe('the fleet page', () => {
  it('shows an open circuit breaker, what opened it and when it tries again', async () => {
    await upsert({
      worker_name: 'x-autopost',
      status: 'idle',
      circuit_breaker_open: true,
      circuit_breaker_reason: '503 Service Unavailable',
      circuit_breaker_retry_at: new Date(Date.now() + 60_000).toISOString(),
      last_error: 'HTTP 503',
      error_count: 12,
    });
    const text = await rowSays(carol.page, 'x-autopost', '⚠️ Circuit Breaker Open');
    expect(text).toMatch(/retries in (\d+ s|1 min)/);
    expect(text).toContain('503 Service Unavailable');
    expect(text).toMatch(/Errors 12/);
    expect(text).toContain('HTTP 503');
  });

  it('shows a worker that appears, in its group', async () => {
    await upsert({ worker_name: 'newcomer', worker_type: 'scrapers', status: 'idle', jobs_processed: 1234 });
    expect(await rowSays(carol.page, 'newcomer', 'Idle')).toContain('Jobs 1,234');
    await carol.page.getByRole('heading', { name: 'scrapers 1/1 running' }).waitFor();
  });

  it('shows a scheduled worker’s next run, and counts it as running meanwhile', async () => {
    const { error } = await stack.asService().rpc('hp_heartbeat', {
      beats: [
        {
          worker_name: 'nightly-report',
          instance_id: crypto.randomUUID(),
          sequence: 1,
          kind: 'scheduled',
          status: 'idle',
          heartbeat_interval_s: 1,
          next_run_in_ms: 3 * 3_600_000 + 50_000,
          schedule: 'every day at 06:00',
        },
      ],
    });
    expect(error).toBeNull();
    expect(await rowSays(carol.page, 'nightly-report', 'next 3h')).toContain('every day at 06:00');
    // Longer than five of its intervals: it need not beat between its runs.
    await rowSays(carol.page, 'nightly-report', /Last seen: [6-9] seconds ago/);
    await rowSays(carol.page, 'nightly-report', 'Idle');
    await stack.database.sql`delete from hp_worker_status where worker_name = 'nightly-report'`;
    await carol.page.reload();
    await connection(carol.page, 'Live');
  });

  it('shows how many workers are down, and which', async () => {
    for (const name of ['content-worker', 'crawl-worker'])
      await upsert({ worker_name: name, status: 'crashed', status_reason: 'exit code 1' });
    const alert = carol.page.getByRole('alert');
    await until(async () => (await alert.innerText()).includes('2 workers'), { what: 'the banner' });
    expect(await alert.innerText()).toMatch(/2 workers are down:\s*content-worker, crawl-worker/);
    for (const name of ['content-worker', 'crawl-worker'])
      await upsert({ worker_name: name, status: 'idle' });
    await alert.waitFor({ state: 'detached' });
  });

  it('shows times in the viewer’s zone, and names it', async () => {
    const { page, close, complaints } = await visitAs('bob', browser, dashboard, {
      timezoneId: 'Asia/Tokyo',
    });
    const seen = page.locator('[data-worker="x-autopost"] .seen time');
    const instant = new Date((await seen.getAttribute('datetime'))!);
    const there = new Date(instant.getTime() + 9 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
    expect(await seen.getAttribute('title')).toBe(`${there} Asia/Tokyo`);
    expect(complaints).toEqual([]);
    await close();
  });

  it('keeps search, filter and order in the address', async () => {
    const { page } = carol;
    await page.getByRole('searchbox').pressSequentially('auto');
    await until(async () => (await page.locator('[data-worker]').count()) === 1, { what: 'one worker' });
    await page.getByRole('link', { name: /^Critical/ }).click();
    await page.getByRole('button', { name: 'Filter and sort' }).click();
    await page.getByLabel('Sort by').selectOption('name');
    await until(() => page.url() === `${dashboard.url}/?q=auto&health=critical&sort=name`, {
      what: 'the view in the address',
    });
    await page.reload();
    expect(await page.locator('[data-worker]').count()).toBe(1);
    expect(await page.getByRole('searchbox').inputValue()).toBe('auto');
    await page.getByRole('button', { name: 'Filter and sort' }).click();
    expect(await page.getByLabel('Sort by').inputValue()).toBe('name');
    await page.getByRole('searchbox').fill('no such worker');
    await page.getByRole('link', { name: /^Show all/ }).click();
    await until(async () => (await page.locator('[data-worker]').count()) === 6);
  });

  it('shows when it was last updated, and takes a new snapshot on request', async () => {
    await carol.page.getByText(/Last updated \d+ s ago/).waitFor();
    const asked = carol.page.waitForRequest((request) => request.url().endsWith('/api/fleet'));
    await carol.page.getByRole('button', { name: 'Refresh' }).click();
    await asked;
  });

  it('limits hostile texts to their place, wide and narrow', async () => {
    const long = 'W'.repeat(300);
    await upsert({
      worker_name: `evil-${'x'.repeat(120)}`,
      description: `<img src=x onerror="document.title='owned'"> \u202e${long}`,
      status: 'processing',
      current_status: `<b>${long}</b>`,
      hostname: 'h'.repeat(255),
      last_error: `</script><script>document.title='owned'</script>\n${long.repeat(5)}`,
      jobs_processed: 987_654_321_000,
    });
    await rowSays(carol.page, `evil-${'x'.repeat(120)}`, '<img src=x');
    for (const width of [1280, 1141, 1000, 700, 360]) {
      await carol.page.setViewportSize({ width, height: 800 });
      await carol.page.reload();
      const overflow = await carol.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `at ${width} px`).toBeLessThanOrEqual(0);
      const cells = await carol.page.evaluate(() => {
        const row = document.querySelector('[data-worker^="evil"]')!;
        const { right } = row.getBoundingClientRect();
        return [...row.children]
          .filter((cell) => cell.getBoundingClientRect().right > right + 1)
          .map((cell) => cell.className);
      });
      expect(cells, `parts of the row that stick out at ${width} px`).toEqual([]);
    }
    expect(await carol.page.title()).not.toBe('owned');
    expect(await carol.page.locator('[data-worker] img').count()).toBe(0);
    await carol.page.setViewportSize({ width: 1280, height: 800 });
  });

  it('says what to do without any worker', async () => {
    const empty = await startTestStack();
    await empty.database.sql`delete from hp_worker_status`;
    const its = await startDashboard(empty);
    const { page, close } = await visit(browser, its);
    await signIn(page, 'alice');
    await page.getByRole('heading', { name: 'No workers yet' }).waitFor();
    await connection(page, 'Live');
    await close();
    await its.stop();
    await empty.stop();
  });
});

describe('when something is missing', () => {
  it('says that Supabase is unreachable, and where it looked', async () => {
    const lost = await startDashboard({
      url: 'http://127.0.0.1:9',
      publishableKey: 'sb_publishable_0123456789',
    });
    const { page, close } = await visit(browser, lost);
    await signIn(page, 'alice');
    expect(await page.getByRole('alert').innerText()).toMatch(/could not be reached/);
    // Somebody who is signed in wants to be so nowhere any more: here that works, elsewhere it can't be done.
    const cookies = (await carol.page.context().cookies()).filter(({ name }) => /^lastseen-127/.test(name));
    expect(cookies.length).toBeGreaterThan(0);
    await page.context().addCookies(
      cookies.map(({ name, value }) => ({
        name: name.replace(/^lastseen-[\d-]*\d/, 'lastseen-127-0-0-1-9'),
        value,
        url: lost.url,
      })),
    );
    const signOut = (form: Record<string, string>) =>
      page.request.post(`${lost.url}/logout`, { form, headers: { origin: lost.url } });
    const left = await signOut({ scope: 'everywhere' });
    expect(await left.text()).toContain('other devices are still signed in');
    expect(await page.context().cookies()).toEqual([]);
    expect(await (await signOut({})).text()).not.toContain('other devices');
    await close();
    await lost.stop();
  });

  it('says that the migrations are missing, and how to apply them', async () => {
    const bare = await startTestStack();
    await bare.database.sql`drop function public.hp_fleet()`;
    await bare.database.sql`notify pgrst, 'reload schema'`;
    const its = await startDashboard(bare);
    const { page, close } = await visit(browser, its);
    await signIn(page, 'alice');
    await page.getByRole('heading', { name: 'The database is not set up' }).waitFor();
    expect(await page.locator('main').innerText()).toContain('supabase db push');
    await close();
    await its.stop();
    await bare.stop();
  });

  it('says which variables are missing', async () => {
    const unset = await startDashboard({ url: '', publishableKey: '' });
    const { page, close } = await visit(browser, unset);
    await page.getByText('PUBLIC_SUPABASE_URL').waitFor();
    await close();
    await unset.stop();
  });

  it('has a page for unknown addresses', async () => {
    await carol.page.goto(`${dashboard.url}/nowhere`);
    await carol.page.getByRole('heading', { name: 'Page not found' }).waitFor();
  });
});
