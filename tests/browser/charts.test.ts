import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { visitAs, signIn, visit, type Visitor } from '../support/visitor.ts';

/** A name that has to be written otherwise in an address. */
const NAME = 'crawl/eu:1@home';
const address = `/workers/${encodeURIComponent(NAME)}`;

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let carol: Visitor;
let page: Page;

const instance = randomUUID();
let epoch: number | undefined;
let sequence = 0;
let line = 0;

beforeAll(async () => {
  stack = await startTestStack();
  [dashboard, browser] = await Promise.all([startDashboard(stack), launchBrowser()]);
  for (const _ of [1, 2]) await beat();
  carol = await visitAs('carol', browser, dashboard, { timezoneId: 'Europe/Berlin' });
  page = carol.page;
});

afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

async function beat(traits: object = {}): Promise<void> {
  sequence += 1;
  const one = { worker_name: NAME, instance_id: instance, epoch, sequence, status: 'idle', ...traits };
  const { data, error } = await stack
    .asService()
    .rpc('hp_heartbeat', { beats: [{ ...one, heartbeat_interval_s: 60, jobs_total: 10 * sequence }] });
  if (error) throw error;
  epoch = (data as { epoch: number }[])[0]!.epoch;
}

/** Has the worker say so. A line is `[level, message]`; a number: so many were dropped. */
async function say(...said: (readonly [string, string] | number)[]): Promise<void> {
  const logs = said.flatMap((one) => {
    line += typeof one === 'number' ? one : 1;
    return typeof one === 'number' ? [] : [[line, 5, ...one]];
  });
  await beat({ logs });
}

const open = async (query = '') => {
  await page.goto(dashboard.url + address + query);
};
const log = () => page.getByRole('log');
const told = async () => (await log().locator('[data-line] p').allInnerTexts()).map((text) => text.trim());
const get = (path: string, who: Page = page) => who.request.get(dashboard.url + path);
const logs = (query = '') => `/api${address}/logs${query}`;

/**
 * Minutes of the last hour, all alike but for: ten of which nothing is known, five in which it was down, and one in which
 * much was done. And a bad day, long ago.
 */
async function seedHistory(): Promise<void> {
  const { sql } = stack.database;
  await sql`select hp_private.make_history_room(60, t) from generate_series(now() - interval '1 day', now(), interval '6 hours') t`;
  const [worker] = await sql`select worker_id from hp_worker_status where worker_name = ${NAME}`;
  const place = Number(worker!.worker_id) % 128;
  // 128 workers share a row; the others of it stay unknown.
  const only = (value: string, type: string) =>
    sql.unsafe(
      `array_fill(null::${type}, array[${place}]) || (${value})::${type} || array_fill(null::${type}, array[${127 - place}])`,
    );
  const whole = (value: string) => only(value, 'integer');
  const small = (value: string) => only(value, 'smallint');
  const columns = sql`(step_s, at, block, up_s, known_s, jobs, errors, cpu_mean, cpu_max, memory_mean, memory_max, lag_max)`;
  const block = Math.floor(Number(worker!.worker_id) / 128);
  await sql`
    insert into hp_worker_bucket ${columns}
    select 60, m.at, ${block}, ${whole('case when down then 0 else 60 end')}, ${whole('60')},
      ${whole('case when down then 0 when much then 90 else 12 end')}, ${whole('case when much then 3 else 0 end')},
      ${small('case when not down then 400 end')}, ${small('case when much then 970 when not down then 450 end')},
      ${small('case when not down then 850 end')}, ${small('case when not down then 860 end')},
      ${small('case when not down then 7 end')}
    from (
      select date_bin('1 minute', now(), 'epoch') - n * interval '1 minute' as at,
        n between 21 and 25 as down, n = 10 as much
      from generate_series(1, 65) n where n not between 31 and 40
    ) m
    on conflict (block, step_s, at) do update set jobs = excluded.jobs`;
  await sql`
    insert into hp_worker_bucket ${columns}
    select 86400, date_bin('1 day', now(), 'epoch') - interval '240 hours', ${block}, ${whole('64800')}, ${whole('86400')},
      ${whole('9')}, ${whole('0')}, ${small('1')}, ${small('1')}, ${small('1')}, ${small('1')}, ${small('1')}`;
}

const chart = (title: string) =>
  page.locator('figure', { has: page.getByRole('heading', { name: title, exact: true }) });
const figures = async (title: string) =>
  (await chart(title).locator('dl div').allInnerTexts()).map((text) => text.split(/\s*\n\s*/));
const reading = (title: string) => chart(title).getByRole('slider');

describe('the history', () => {
  beforeAll(async () => {
    // After the first tick, with which history begins.
    await until(
      async () =>
        (await stack.database.sql`select from hp_private.history where kept_since is not null`).count,
      {
        what: 'the first tick',
      },
    );
    await seedHistory();
  });

  it('costs the fleet page nothing: its code is loaded with the first chart', async () => {
    const scripts: Promise<string>[] = [];
    page.on('response', (response) => {
      if (/javascript/.test(response.headers()['content-type'] ?? ''))
        scripts.push(response.text().catch(() => ''));
    });
    const draws = async () => (await Promise.all(scripts)).some((script) => script.includes('u-cursor'));
    await page.reload();
    await page.locator('[data-connection]').getByText('Live').waitFor();
    expect(await draws()).toBe(false);
    await open('?range=1h');
    await chart('Throughput').locator('canvas').waitFor();
    expect(await draws()).toBe(true);
    page.removeAllListeners('response');
  });

  it('shows throughput in jobs per minute with mean, peak and lowest beside it', async () => {
    const [mean, peak, lowest] = await figures('Throughput');
    expect(mean).toEqual([
      'Mean',
      expect.stringMatching(/^1[0-3]$/),
      expect.stringMatching(/^[56]\d\d jobs in total$/),
    ]);
    expect(peak).toEqual(['Peak', '90', expect.stringMatching(/^\d+ \w+, \d\d:\d\d–\d\d:\d\d$/)]);
    expect(lowest!.slice(0, 2)).toEqual(['Lowest', '0']);
    expect((await figures('CPU')).map(([label, value]) => [label, value])).toEqual([
      ['Mean', '40 %'],
      ['Peak', '97 %'],
    ]);
    expect(await chart('CPU').locator('dd.critical').innerText()).toBe('97 %');
    expect(await chart('Memory').locator('dd.warning').count()).toBe(2);
    expect(await figures('Errors')).toEqual([
      ['Total', '3'],
      ['Per 100 jobs', expect.stringMatching(/^0\.[45]$/)],
    ]);
  });

  it('has a gap without data, not a zero, also in the table', async () => {
    await page.getByText('Throughput as a table').click();
    const table = page.getByRole('region', { name: 'Throughput as a table' }).locator('tbody tr');
    await until(async () => (await table.count()) === 60, { what: 'a row for each minute' });
    const rows = await table.allInnerTexts();
    const cells = rows.map((row) =>
      row
        .split('\t')
        .slice(1)
        .map((cell) => cell.trim())
        .join(' | '),
    );
    expect(cells).toHaveLength(60);
    expect(cells.filter((row) => row === 'no data | no data')).toHaveLength(10);
    expect(cells.filter((row) => row === '0 | 0 %')).toHaveLength(5);
    expect(cells).toContain('90 | 100 %');
    await page.getByText('Throughput as a table').click();
  });

  it('is read by keyboard, in all charts at once', async () => {
    await page.mouse.move(0, 0);
    await reading('CPU').focus();
    await page.keyboard.press('End');
    for (
      let i = 0;
      i < 60 && !(await reading('Throughput').getAttribute('aria-valuetext'))!.includes(' 90');
      i += 1
    )
      await page.keyboard.press('ArrowLeft');
    expect(await reading('CPU').getAttribute('aria-valuetext')).toMatch(/: mean 40 %, highest 97 %$/);
    expect(await reading('Errors').getAttribute('aria-valuetext')).toMatch(/: errors 3$/);
    expect(await chart('Errors').locator('.tip').innerText()).toMatch(/errors 3/);
    await page.keyboard.press('Home');
    expect(await reading('Memory').getAttribute('aria-valuenow')).toBe('0');
    await page.keyboard.press('Escape');
    expect(await chart('Errors').locator('.tip').isVisible()).toBe(false);
  });

  it('is read with the pointer', async () => {
    const over = chart('Throughput').locator('.u-over');
    const reads = async (part: number) => {
      await over.scrollIntoViewIfNeeded();
      const { x, y, width } = (await over.boundingBox())!;
      for (const by of [-1, 0]) await page.mouse.move(x + width * part + by, y + 40);
      return chart('Throughput').locator('.tip').innerText();
    };
    await until(async () => (await reads(37 / 60)).includes('not running'), {
      what: 'the tip of a minute in which it was down',
    });
    await until(async () => (await reads(24 / 60)).includes('no data'), {
      what: 'the tip of a minute of which nothing is known',
    });
    await page.mouse.move(0, 0);
  });

  it('shows uptime by day, also as text, and no data before', async () => {
    const days = page.getByRole('slider', { name: 'Uptime' });
    await days.focus();
    for (let i = 0; i < 11; i += 1) await page.keyboard.press('ArrowLeft');
    expect(await days.getAttribute('aria-valuetext')).toMatch(/2026|20\d\d: up 75\.00 %, down for 6 h$/);
    await page.keyboard.press('ArrowLeft');
    expect(await days.getAttribute('aria-valuetext')).toMatch(/: no data$/);
    await page.getByText('Uptime as a table').click();
    expect(await page.getByLabel('Uptime by day').getByRole('listitem').count()).toBe(90);
    await page.getByText('Uptime as a table').click();
  });

  it('keeps its range in the address, and names the zone of its times', async () => {
    await page.getByRole('link', { name: 'the last 7 d' }).click();
    await page.getByText('each point is one hour').waitFor();
    expect(new URL(page.url()).search).toBe('?range=7d');
    await page.reload();
    await page.getByText('each point is one hour').waitFor();
    await page.getByText('times in Europe/Berlin').first().waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^crawl-eu-1-home.*7d\.csv$/);
    expect((await readFile(await download.path(), 'utf8')).split('\r\n')[0]).toContain('jobs,errors');
  });

  it('is drawn in the colours of the scheme, and in light colours in print', async () => {
    await open('?range=1h');
    const canvas = chart('Throughput').locator('canvas');
    await canvas.waitFor();
    const drawn = () => canvas.evaluate((one: HTMLCanvasElement) => one.toDataURL());
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await until(drawn);
    await page.emulateMedia({ colorScheme: 'dark' });
    await until(async () => (await drawn()) !== light, { what: 'other colours' });
    const dark = await drawn();
    const choose = (theme: string) =>
      page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
    await choose('light');
    await until(async () => (await drawn()) === light, { what: 'the colours that were chosen' });
    await choose('dark');
    await until(async () => (await drawn()) === dark, { what: 'the dark ones' });
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    await until(async () => ![light, dark].includes(await drawn()), { what: 'it to fit a page' });
    await page.evaluate(() => dispatchEvent(new Event('afterprint')));
    await until(async () => (await drawn()) === dark, { what: 'the screen’s again' });
  });

  it('says so when it cannot be loaded, and tries again', async () => {
    await page.route('**/history?**', (route) => route.fulfill({ status: 503, json: {} }));
    await open();
    await page.getByText('The history could not be loaded.').waitFor();
    await page.unroute('**/history?**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await chart('Throughput').locator('canvas').waitFor();
  });

  it('is updated every minute while visible, and not in a hidden tab', async () => {
    const other = await visitAs('bob', browser, dashboard);
    let asked = 0;
    other.page.on('request', (request) => (asked += request.url().includes('/history?') ? 1 : 0));
    await other.page.clock.install();
    await other.page.goto(dashboard.url + address);
    await until(() => asked === 1, { what: 'a request for the history' });
    await other.page.locator('canvas').first().waitFor();
    await other.page.clock.fastForward(70_000);
    await until(() => asked === 2, { what: 'another request' });
    const look = (hidden: boolean) =>
      other.page.evaluate((hidden) => {
        Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await look(true);
    for (let minute = 0; minute < 3; minute += 1) await other.page.clock.fastForward(70_000);
    expect(asked).toBe(2);
    await look(false);
    await until(() => asked === 3, { what: 'a request when the page is visible again' });
    await other.close();
  });

  it('says that there is no data for a worker without history', async () => {
    await page.goto(`${dashboard.url}/workers/roundtable-worker?range=7d`);
    await page.getByText('No data for the last 7 days.').waitFor();
    await page.getByText(/History starts at 20\d\d-/).waitFor();
  });
});

describe('the log', () => {
  it('shows the last lines of a worker, and new ones as they arrive', async () => {
    await say(...Array.from({ length: 30 }, (_, i) => ['info', `page ${i} done`] as const));
    await open();
    await log().scrollIntoViewIfNeeded();
    await until(async () => (await told()).length === 30, { what: 'thirty lines' });
    expect((await told()).at(-1)).toBe('page 29 done');
    const time = log().locator('time').last();
    expect(await time.getAttribute('title')).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    // Berlin, where the reader is, is ahead of UTC.
    expect((await time.innerText()).slice(0, 2)).not.toBe((await time.getAttribute('title'))!.slice(11, 13));

    await until(async () => (await stack.database.sql`select from hp_private.followed_worker`).count > 0, {
      what: 'the page to say that it looks',
    });
    await say(['error', 'page 30 failed']);
    // Sooner than the next request for the log.
    await until(async () => (await told()).at(-1) === 'page 30 failed', {
      timeout: 8_000,
      what: 'the new line',
    });
    expect(await log().evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight)).toBeLessThan(
      2,
    );
  });

  it('stays at the reader’s place, and shows the number of new lines', async () => {
    await log().evaluate((box) => (box.scrollTop = 0));
    await say(['info', 'one more'], ['warn', 'another']);
    await page.getByRole('button', { name: '2 new lines' }).click({ timeout: 8_000 });
    expect(await log().evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight)).toBeLessThan(
      2,
    );
    expect(await page.getByRole('button', { name: /new lines?/ }).count()).toBe(0);
  });

  it('shows hostile texts as text, shortens long ones, and shows dropped lines', async () => {
    await say(['info', '<img src=x onerror="document.title=\'owned\'">\u001b[2J\u202egnp.exe'], 1200, [
      'info',
      `long ${'x'.repeat(1900)}`,
    ]);
    await until(async () => (await told()).at(-1)?.startsWith('long'), { what: 'the long line' });
    const texts = await told();
    expect(texts.at(-2)).toBe('<img src=x onerror="document.title=\'owned\'">\\x1b[2J\\u202egnp.exe');
    expect(texts.at(-1)!.length).toBeLessThan(700);
    await log().getByRole('button', { name: 'all 1,905 characters' }).click();
    expect((await told()).at(-1)!.length).toBeGreaterThan(1900);
    expect(await log().innerText()).toContain('1,200 lines were dropped here');
    expect(await page.title()).not.toBe('owned');
  });

  it('is filtered by level, search and number, and need not follow', async () => {
    const sees = (what: string, ...wanted: string[]) =>
      until(async () => JSON.stringify(await told()) === JSON.stringify(wanted), { what });
    await page.getByLabel('Level').selectOption('warn');
    await sees('warnings and errors', 'page 30 failed', 'another');
    await page.getByLabel('Level').selectOption('debug');
    await page.getByLabel('Search the log').fill('PAGE 2');
    const found = ['page 2 done', ...Array.from({ length: 10 }, (_, i) => `page ${20 + i} done`)];
    await sees('what is searched', ...found);
    expect(await log().locator('mark').first().innerText()).toBe('page 2');
    await page.getByLabel('Lines', { exact: true }).selectOption('10');
    await sees('the last ten', ...found.slice(1));
    await log().getByRole('button', { name: 'Show the last 50' }).click();
    await sees('all eleven again', ...found);

    await page.getByRole('button', { name: 'Following' }).click();
    await say(['info', 'page 2 again']);
    await page.getByLabel('Search the log').fill('page 2 a');
    await sees('the lines of a manual request', 'page 2 again');
    await page.getByRole('button', { name: 'Follow', exact: true }).click();
    await page.getByLabel('Search the log').fill('nothing like it');
    await page.getByText('No stored line matches.').waitFor();
    await page.getByLabel('Search the log').fill('');
    await until(async () => (await told()).length > 20, { what: 'all of it' });
  });

  it('comes as a file, in which no message can imitate another line', async () => {
    await say(['warn', 'first\n2026-11-22T00:00:00.000Z ERROR not said\u001b[2J']);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download', exact: true }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('crawl-eu-1-home.log.txt');
    const text = await readFile(await download.path(), 'utf8');
    const lines = text.split('\n');
    expect(lines[0]).toMatch(/^\d{4}-.*Z INFO {2}page 0 done$/);
    expect(lines).toContain('(1200 lines were dropped here)');
    expect(lines.at(-2)).toBe('    2026-11-22T00:00:00.000Z ERROR not said\\x1b[2J');
    expect(await (await get(logs('?format=txt&level=error'))).text()).toMatch(/^\S+ ERROR page 30 failed\n$/);
  });

  it('is for members, and rejects an invalid level', async () => {
    expect((await fetch(dashboard.url + logs())).status).toBe(401);
    expect((await fetch(dashboard.url + logs('?format=txt'))).status).toBe(401);
    const mallory = await visit(browser, dashboard);
    await signIn(mallory.page, 'mallory');
    await mallory.page.getByText('not a member').first().waitFor();
    for (const query of ['', '?format=txt'])
      expect((await get(logs(query), mallory.page)).status()).toBe(403);
    await mallory.close();
    expect((await get(logs('?level=fatal'))).status()).toBe(400);
    const few = (await (await get(logs('?limit=3'))).json()) as { lines: unknown[]; more: boolean };
    expect([few.lines.length, few.more]).toEqual([10, true]);
  });
});

describe('history and log', () => {
  it('fit on a phone, are accessible, and keep to the page’s policy', async () => {
    const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 360],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await open('?range=1h');
      await chart('Throughput').locator('canvas').waitFor();
      await log().scrollIntoViewIfNeeded();
      await log().locator('[data-line]').last().waitFor();
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const { axe } = globalThis as never as {
          axe: {
            run(
              what: object,
            ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
          };
        };
        const { violations } = await axe.run({ include: ['#history', '#log'] });
        const wide = document.documentElement.scrollWidth > innerWidth;
        return [
          ...violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`),
          ...(wide ? ['too wide'] : []),
        ];
      });
      expect({ colorScheme, width, found }).toEqual({ colorScheme, width, found: [] });
    }
    // Where the policy of the page were broken, the browser would say so.
    expect(carol.complaints.filter((text) => !text.includes('503'))).toEqual([]);
  });
});
