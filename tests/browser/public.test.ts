import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FleetJson } from '../../src/lib/fleet-page/fleet-json.ts';
import type { Sparks, Throughput, WorkerHistory } from '../../src/lib/rules/history-wire.ts';
import type { PublicStatus } from '../../src/lib/public/status.ts';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { signIn, visit, visitAs, type Visitor } from '../support/visitor.ts';

const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** What a hostile or a broken worker may write, wherever it may write words. */
const HOSTILE = '<img src=x onerror="document.title=\'owned\'">\u202e\u0007\u2066"]]>&amp;';
const SECRET = 'hunter2';
const hostile = (length: number) => `${HOSTILE}${SECRET}${'W'.repeat(length)}`.slice(0, length);

/** The same as it is shown: nothing in it turns the reading order. */
const harmless = (length: number) => hostile(length).replace(/[\u202e\u2066]/g, '\ufffd');

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
let alice: Visitor;

beforeAll(async () => {
  stack = await startTestStack();
  [dashboard, browser] = await Promise.all([startDashboard(stack), launchBrowser()]);
  await report({ worker_name: 'Discovery', status: 'idle', poll_interval_s: 600, processed_count: 12 });
  await report({ worker_name: 'Profiling', status: 'idle', hostname: SECRET });
  await report({
    worker_name: 'Decay',
    status: 'error',
    status_reason: hostile(500),
    current_status: hostile(500),
    current_job_id: hostile(255),
    current_job_type: hostile(128),
    last_error: hostile(2000),
    description: hostile(500),
    version: hostile(128),
    worker_type: hostile(128),
    metadata: { [HOSTILE]: hostile(8000) },
  });
  alice = await visitAs('alice', browser, dashboard);
});
afterAll(async () => {
  await browser?.close();
  await dashboard?.stop();
  await stack?.stop();
});

async function report(row: Record<string, unknown>): Promise<void> {
  const { error } = await stack
    .asService()
    .from('hp_worker_status')
    .upsert(row, { onConflict: 'worker_name' });
  if (error) throw new Error(error.message);
}

const get = (path: string, init?: RequestInit) =>
  fetch(dashboard.url + path, { redirect: 'manual', ...init });
const settings = async () => {
  await alice.page.goto(`${dashboard.url}/settings/public`);
  return alice.page;
};

/** What axe finds of moment, in the light and in the dark, and whether the page needs to be moved sideways on a phone. */
async function findings(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe);
    const violations = await page.evaluate(async () => {
      const { axe } = globalThis as never as {
        axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
      };
      const { violations } = await axe.run();
      return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    });
    found.push(
      ...violations.map(
        ({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(' ')}`,
      ),
    );
  }
  const size = page.viewportSize()!;
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (wide) found.push('wider than a phone');
  await page.setViewportSize(size);
  return found;
}

describe('while the public page is off', () => {
  it('it does not exist, and a badge looks the same as for an unknown worker', async () => {
    expect((await get('/status')).status).toBe(404);
    expect((await get('/api/status.json')).status).toBe(404);
    const badge = await get('/api/badge/Discovery.svg');
    expect(badge.headers.get('content-type')).toMatch('image/svg+xml');
    const svg = await badge.text();
    expect(svg).toMatch(/worker: unknown/);
    expect(await (await get(`/api/badge/${encodeURIComponent(HOSTILE)}.svg`)).text()).toBe(svg);
    expect(await (await get('/api/badge/a/b%2Fc.svg')).text()).toBe(svg);
  });

  it('an owner sees where to turn it on, and caches do not keep that', async () => {
    const page = await alice.page.request.get(`${dashboard.url}/status`);
    expect(page.status()).toBe(404);
    expect(await page.text()).toMatch(/The public page is off[^]*Turn it on under Settings → Public page\./);
    expect(page.headers()['cache-control']).toBe('private, no-store');
    expect(await (await get('/status')).text()).not.toContain('Turn it on');
  });
});

it('a badge is grey while Supabase is down, and not cached', async () => {
  const lonely = await startDashboard({ url: 'http://127.0.0.1:9', publishableKey: stack.publishableKey });
  try {
    const badge = await fetch(`${lonely.url}/api/badge/Decay.svg`);
    expect(await badge.text()).toMatch(/worker: unknown/);
    expect(badge.headers.get('cache-control')).toBe('private, no-store');
    const kept = await get('/api/badge/Decay.svg');
    expect(kept.headers.get('cache-control')).toMatch(/^public.*s-maxage=10/);
    expect((await fetch(`${lonely.url}/status`)).status).toBe(503);
    // The public sees that it is down, but not what is down, and where.
    const key = `lsb_${'0'.repeat(64)}`;
    for (const path of ['/api/status.json', `/api/bar?key=${key}`, `/bar?key=${key}`]) {
      const answer = await fetch(lonely.url + path);
      expect([path, answer.status]).toEqual([path, 503]);
      expect(await answer.text()).not.toMatch(/127\.0\.0\.1|npm run|fetch failed/);
      if (path.startsWith('/api')) continue;
      // A frame that a browser refuses would stay broken for good.
      expect(answer.headers.get('content-security-policy')).toMatch(/frame-ancestors \*/);
    }
    // An invalid key causes no query.
    expect((await fetch(`${lonely.url}/api/bar?key=lsb_wrong`)).status).toBe(401);
  } finally {
    await lonely.stop();
  }
});

describe('an owner shows the public page', () => {
  it('in the settings, and chooses the workers that are on it', async () => {
    const page = await settings();
    await page.getByLabel('Show the public page').check();
    await page.getByLabel('Discovery').check();
    await page.getByLabel('Decay').check();
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Saved.').waitFor();
    await page.reload();
    expect(await page.getByLabel('Discovery').isChecked()).toBe(true);
    expect(await page.getByLabel('Profiling').isChecked()).toBe(false);
    expect(await findings(page)).toEqual([]);
    await until(async () => (await get('/api/status.json')).ok, { what: 'the page to be on' });
  });

  it('and everybody sees name, health and last seen, also without JavaScript; caches may keep it for seconds', async () => {
    const answer = await get('/status');
    expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=0, s-maxage=10/);
    expect(answer.headers.get('set-cookie')).toBeNull();
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${dashboard.url}/status`);
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toMatch('1 of 2 in trouble');
    const rows = await page.locator('[data-worker]').allInnerTexts();
    expect(rows.map((row) => row.split(/\s*\n\s*/).join(' '))).toEqual([
      expect.stringMatching(/^Decay failing last seen .*(ago|now)( up .*)?$/),
      expect.stringMatching(/^Discovery \w+ last seen .*(ago|now)( up .*)?$/),
    ]);
    expect(await page.getByAltText('Critical:').count()).toBe(1);
    expect(await page.content()).not.toMatch(/hunter2|Profiling/);
    expect(await page.locator('script').count()).toBe(0);
    await context.close();
  });

  it('which refreshes itself, is readable in both themes and on a phone, and ends when it is switched off', async () => {
    expect((await get('/status')).headers.get('refresh')).toBe('30');
    const { page, complaints, close } = await visit(browser, dashboard);
    await page.goto(`${dashboard.url}/status`);
    expect(await findings(page)).toEqual([]);
    await report({ worker_name: 'Decay', status: 'idle', status_reason: null, last_run_errors: 0 });
    await until(
      async () => {
        await page.reload();
        return (await page.locator('[data-worker=Decay]').innerText()).includes('running');
      },
      { every: 500, timeout: 20_000, what: 'the page to show that Decay has recovered' },
    );
    expect(complaints).toEqual([]);

    await stack.asService().rpc('hp_set_public_page', { shown: false, workers: ['Decay', 'Discovery'] });
    await until(async () => (await get('/status')).status === 404, { what: 'the page to end' });
    await stack.asService().rpc('hp_set_public_page', { shown: true, workers: ['Decay', 'Discovery'] });
    await until(async () => (await get('/api/status.json')).ok, { what: 'the page to be on again' });
    await close();
  });

  it('as data, with harmless texts, and as badges', async () => {
    const answer = await get('/api/status.json');
    const status = (await answer.json()) as PublicStatus;
    expect(answer.headers.get('cache-control')).toMatch(/s-maxage=10/);
    expect(status.workers.map(({ name }) => name)).toEqual(['Decay', 'Discovery']);
    expect(status.workers[0]).toEqual({
      name: 'Decay',
      level: 'healthy',
      words: 'running',
      last_seen: expect.stringMatching(/^\d{4}-.*Z$/),
      // From its first minute on.
      uptime: expect.toSatisfy((part) => part === null || part > 0) as number | null,
      uptime_days: expect.toSatisfy((days: unknown[]) => days.length === 90) as number[],
    });
    const svg = await (await get('/api/badge/Decay.svg')).text();
    expect(svg).toMatch(/Decay: running/);
    const picture = await browser.newPage();
    await picture.goto(`${dashboard.url}/api/badge/Decay.svg`); // as a document: a picture that is no XML would say so
    expect(await picture.evaluate(() => document.querySelectorAll('text').length)).toBe(2);
    await picture.close();
    expect(await (await get('/api/badge/Profiling.svg')).text()).toBe(
      await (await get('/api/badge/no-such-worker.svg')).text(),
    );
  });
});

describe('/api/fleet.json', () => {
  it('is for members', async () => {
    expect((await get('/api/fleet.json')).status).toBe(401);
    const mallory = await visit(browser, dashboard);
    await mallory.page.goto(`${dashboard.url}/login`);
    await signIn(mallory.page, 'mallory');
    await mallory.page.getByText('not a member').first().waitFor();
    expect((await mallory.page.request.get(`${dashboard.url}/api/fleet.json`)).status()).toBe(403);
    await mallory.close();
  });

  it('takes the access token of a member from a script that has no session', async () => {
    const ask = (authorization: string) => get('/api/fleet.json', { headers: { authorization } });
    const tokenOf = async (name: 'carol' | 'mallory') => {
      const { data } = await (await stack.as(name)).auth.getSession();
      return data.session!.access_token;
    };
    const token = await tokenOf('carol');
    const answer = await ask(`Bearer ${token}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(((await answer.json()) as FleetJson).workers.map(({ worker_name }) => worker_name)).toContain(
      'Decay',
    );
    expect((await ask(`Bearer ${await tokenOf('mallory')}`)).status).toBe(403);
    const forged = token.replace(/.{8}$/, 'AAAAAAAA');
    for (const wrong of [
      `Bearer ${forged}`,
      'Bearer ',
      'Basic YTpi',
      `Bearer ${stack.publishableKey}`,
      token,
    ])
      expect([wrong, (await ask(wrong)).status]).toEqual([wrong, 401]);
    // What it says wins over the session of the browser.
    const both = await alice.page.request.get(`${dashboard.url}/api/fleet.json`, {
      headers: { authorization: `Bearer ${forged}` },
    });
    expect(both.status()).toBe(401);
  });

  it('contains each worker’s activity, counts and health, and is safe to view', async () => {
    await report({
      worker_name: 'Decay',
      status: 'error',
      status_reason: hostile(500),
      jobs_processed: 7,
      error_count: 2,
    });
    const answer = await alice.page.request.get(`${dashboard.url}/api/fleet.json`);
    expect(answer.headers()['cache-control']).toBe('private, no-store');
    const written = await answer.text();
    expect(written).not.toMatch(/[<>&\p{Cc}\p{Cf}]/u);
    const fleet = JSON.parse(written) as FleetJson;
    expect(fleet).toMatchObject({ running: expect.any(Number), expected: expect.any(Number) });
    const decay = fleet.workers.find(({ worker_name }) => worker_name === 'Decay');
    expect(decay).toMatchObject({
      running: true,
      status: 'error',
      health: { level: 'critical', rule: 'error', reason: harmless(500) },
      words: 'error (see logs)',
      jobs_processed: 7,
      error_count: 2,
      last_error: harmless(2000),
    });
  });
});

describe('the history of a worker', () => {
  const asked = (path: string) => alice.page.request.get(dashboard.url + path);
  const Discovery = '/api/workers/Discovery/history';

  beforeAll(async () => {
    // The last minute that is over, as the tick would have written it.
    await stack.database.sql`
      insert into hp_worker_bucket
      select 86400, date_bin('1 day', now(), 'epoch') - interval '24 hours', w.worker_id / 128, f.up, f.up, f.one, f.one, f.small, f.small, f.small, f.small, f.small, 7
      from hp_worker_status w, lateral (select
        array_fill(null::int, array[(w.worker_id % 128)::int]) || 43200 as up,
        array_fill(null::int, array[(w.worker_id % 128)::int]) || 7 as one,
        array_fill(null::smallint, array[(w.worker_id % 128)::int]) || 125::smallint as small) f
      where w.worker_name = 'Discovery'`;
  });

  it('is for members, and rejects unknown workers and ranges', async () => {
    for (const path of [Discovery, '/api/sparks?ids=1', '/api/throughput'])
      expect((await get(path)).status, path).toBe(401);
    expect((await asked('/api/workers/no-such-worker/history')).status()).toBe(404);
    for (const what of ['history', 'logs', 'logs?format=txt', 'commands', 'events'])
      for (const name of ['no-such-worker', 'Disc%00very'])
        expect((await asked(`/api/workers/${name}/${what}`)).status(), `${name} ${what}`).toBe(404);
    for (const what of ['logs', 'commands', 'events'])
      expect((await asked(`/api/workers/Discovery/${what}`)).status(), what).toBe(200);
    for (const name of ['no-such-worker', '%00'])
      expect((await asked(`/workers/${name}`)).status(), name).toBe(404);
    for (const what of ['commands?before=1.5', 'commands?before=x', 'events?before=1~5', 'logs?search=%00']) {
      const refused = await asked(`/api/workers/Discovery/${what}`);
      expect(refused.status(), what).toBe(400);
      expect(await refused.text(), what).not.toMatch(/syntax|unicode|bigint/i);
    }
    expect((await asked(`${Discovery}?range=1y`)).status()).toBe(400);
    expect((await asked('/api/sparks?ids=1,x')).status()).toBe(400);
    expect((await asked(`/api/sparks?ids=${'1,'.repeat(200)}1`)).status()).toBe(400);
  });

  it('comes in columns by step, and in days; the browser may keep it for seconds', async () => {
    for (const [range, steps, length] of [
      ['1h', 60, 60],
      ['24h', 288, 300],
      ['7d', 168, 3600],
      ['90d', 360, 21_600],
    ] as const) {
      const answer = await asked(`${Discovery}?range=${range}`);
      expect(answer.headers()['cache-control']).toBe('private, max-age=15');
      const { from, to, step_s, points, days } = (await answer.json()) as WorkerHistory;
      expect(step_s).toBe(length);
      expect(Date.parse(to) - Date.parse(from)).toBe(steps * length * 1000);
      expect(points.at[0]! * 1000).toBe(Date.parse(from));
      for (const column of Object.values(points)) expect(column).toHaveLength(steps);
      expect(days).toHaveLength(90);
      expect(days[88]).toMatchObject({ up_s: 43_200, known_s: 43_200 });
      expect(days[0]).toMatchObject({ day: expect.stringMatching(/^\d{4}-\d\d-\d\d$/), up_s: null });
    }
    const sparks = (await (await asked('/api/sparks?ids=1,2')).json()) as Sparks;
    expect(Object.keys(sparks.jobs)).toEqual(['1', '2']);
    expect(sparks.jobs['1']).toHaveLength(60);
    expect(((await (await asked('/api/throughput')).json()) as Throughput).jobs).toHaveLength(60);
  });

  it('is on the public page as uptime by day, and readable there', async () => {
    const { page, close } = await visit(browser, dashboard);
    const row = page.locator('[data-worker=Discovery]');
    await until(
      async () => {
        await page.goto(`${dashboard.url}/status`);
        return /up 100 % of [12] days?/.test(await row.innerText());
      },
      { every: 500, timeout: 20_000, what: 'the uptime on the page' },
    );
    expect(await row.locator('svg').getAttribute('aria-label')).toMatch(/^Up 100 % of [12] days?$/);
    expect(await row.locator('rect').count()).toBe(90);
    const title = await row.locator('rect.up title').first().textContent();
    expect(title).toMatch(/^\d{4}-\d\d-\d\d: 100 %$/);
    expect(await findings(page)).toEqual([]);
    await close();
  });

  it('is downloaded as a table', async () => {
    const answer = await asked(`${Discovery}?range=7d&format=csv`);
    expect(answer.headers()).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="Discovery-7d.csv"',
      'cache-control': 'private, no-store',
    });
    const lines = (await answer.text()).split('\r\n');
    expect(lines).toHaveLength(170);
    expect(lines[0]).toBe(
      'start (UTC),length (s),up (s),known (s),jobs,errors,CPU mean (% of one core),CPU max (% of one core),' +
        'memory mean (%),memory max (%),event loop delay max (ms)',
    );
    expect(lines[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z,3600,,,,,,,,,$/);
  });
});

describe('the status line', () => {
  it('is shown to a member, has a short form, opens, and is accessible', async () => {
    const { page } = alice;
    await page.goto(`${dashboard.url}/bar`);
    const line = page.locator('.whole');
    const shown = () =>
      page.evaluate(() => {
        const { top, left } = document.querySelector('summary')!.getBoundingClientRect();
        return document
          .elementFromPoint(left + 60, top + 15)!
          .closest('.whole, .fold')
          ?.className.split(' ')[0];
      });
    await page.setViewportSize({ width: 1600, height: 400 });
    expect(await line.innerText()).toMatch(/Decay: error \(see logs\) · .*Profiling: idle/);
    // Drawn: a machine without a font for 🔴 shows it all the same. In the text there it stands.
    expect(await line.locator('.critical').count()).toBe(1);
    const text = await (await page.request.get(`${dashboard.url}/api/bar`)).json();
    expect(text.entries).toContainEqual({ dot: '🔴', name: 'Decay', words: 'error (see logs)' });
    expect(await shown()).toBe('whole');
    await page.setViewportSize({ width: 360, height: 400 });
    expect(await shown()).toBe('fold');
    expect(await page.locator('.fold').innerText()).toMatch(/Workers \d+\/\d+ running/);
    await page.locator('summary').press('Enter');
    expect((await page.locator('[data-worker=Profiling]').innerText()).trim()).toBe('Profiling: idle');
    expect(await findings(page)).toEqual([]);
    expect(await page.content()).not.toMatch(/hunter2/);
    expect(await page.title()).toMatch(/^Workers/);
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  it('can be embedded with a key by the owner’s sites only; revoking the key ends it', async () => {
    const page = await settings();
    await page.getByLabel('Where it will be used').fill('Intranet <b>\u202e');
    await page.getByRole('button', { name: 'Make a key' }).click();
    const snippet = await page.locator('.fresh code').innerText();
    const key = /key=(lsb_\w+)/.exec(snippet)![1]!;
    await page.reload();
    expect(await page.content()).not.toContain(key);

    const app = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><title>app</title>${snippet}`);
    });
    await new Promise<void>((done) => app.listen(0, '127.0.0.1', done));
    const origin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
    const { page: reader, close } = await visit(browser, dashboard);
    const framed = async () => {
      await reader.goto(origin);
      const frame = reader.frames()[1];
      return frame
        ?.locator('.fold')
        .innerText({ timeout: 2_000 })
        .catch(() => null);
    };
    expect(await framed()).toBeNull();

    await page.getByLabel('Sites').fill(`'self' ${origin}`);
    await page.getByRole('button', { name: 'Save sites' }).click();
    await page.getByText('Saved.').waitFor();
    expect(await until(framed, { timeout: 20_000, every: 500, what: 'the line in the frame' })).toMatch(
      /Workers/,
    );

    const answer = await get(`/bar?key=${key}`);
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    // The page has a nonce for one load of it; what it asks for afterwards may be kept.
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect((await get(`/api/bar?key=${key}`)).headers.get('cache-control')).toMatch(/^public.*s-maxage=5/);
    expect(answer.headers.get('content-security-policy')).toMatch(origin);
    for (const path of ['/', '/api/fleet', '/api/fleet.json', '/settings/public'])
      expect((await get(`${path}?key=${key}`)).status, path).toBeGreaterThanOrEqual(300);

    await page.getByRole('button', { name: /^Revoke Intranet/ }).click();
    await page.getByText('Revoked.').waitFor();
    await until(async () => (await get(`/api/bar?key=${key}`)).status === 401, { what: 'the key to end' });
    // A frame that stands there says so, and a new one too: neither is a browser's broken page.
    await reader.frames()[1]!.getByText('Workers: no access').waitFor({ timeout: 20_000 });
    const refused = await get(`/bar?key=${key}`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('content-security-policy')).toMatch(origin);
    await close();
    app.close();
  });

  it('refreshes itself, and shows the age of old data', async () => {
    const { page } = alice;
    await page.clock.install();
    await page.goto(`${dashboard.url}/bar`);
    await report({ worker_name: 'Profiling', status: 'processing' });
    const said = (words: RegExp) =>
      until(
        async () => {
          await page.clock.fastForward(12_000);
          return words.test((await page.locator('.whole').textContent()) ?? '');
        },
        { every: 400, timeout: 20_000, what: String(words) },
      );
    await said(/Profiling: running…/);
    await page.route('**/api/bar', (route) => route.abort());
    await said(/\(as of \d\d:\d\d:\d\d UTC\)/);
    await page.unroute('**/api/bar');
  });

  it('rejects people with neither a session nor a key', async () => {
    expect((await get('/bar')).headers.get('location')).toBe('/login?next=%2Fbar');
    expect((await get('/api/bar')).status).toBe(401);
    const mallory = await visit(browser, dashboard);
    await mallory.page.goto(`${dashboard.url}/login`);
    await signIn(mallory.page, 'mallory');
    await mallory.page.getByText('not a member').first().waitFor();
    for (const path of ['/bar', '/workers/Decay']) {
      await mallory.page.goto(dashboard.url + path);
      await mallory.page.getByText('You are signed in as mallory@example.com, but').waitFor();
      expect(await mallory.page.locator('pre').innerText()).toMatch("'mallory@example.com'");
    }
    await mallory.close();
    expect((await get('/api/bar?key=')).status).toBe(401);
    expect((await get(`/bar?key=${'x'.repeat(8000)}`)).status).toBe(401);
  });
});

describe('hostile texts on the fleet page', () => {
  it('do no harm with a key __proto__, on the fleet page and the worker page', async () => {
    await report({ worker_name: 'Polluter', status: 'idle' });
    await stack.database.sql`
      update hp_worker_status set status = 'crashed', last_exit = '{"__proto__": {"a": 1}, "code": 1}',
        metadata = jsonb_build_object('__proto__', '{"b": "\\"__proto__\\": 2"}'::jsonb)
      where worker_name = 'Polluter'`;
    const { page } = alice;
    for (const path of ['/', '/wall', '/workers/Polluter']) {
      const answer = await page.goto(dashboard.url + path);
      expect(answer!.status(), path).toBe(200);
    }
    await page.getByText('"__proto__": 2').first().waitFor();
  });

  it('are texts: no markup runs, no direction turns, no row grows out of the page', async () => {
    const { page } = alice;
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${dashboard.url}/`);
      await page.locator('[data-worker=Decay]').waitFor();
      expect(await page.title()).not.toBe('owned');
      expect(await page.locator('img').count()).toBe(0);
      const shown = (await page.locator('[data-worker=Decay]').textContent())!;
      expect(shown).toContain('\ufffd');
      expect(shown).not.toMatch(/[\u202e\u2066]/);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        `${width} px`,
      ).toBe(true);
    }
    await page.setViewportSize({ width: 1280, height: 720 });
  });
});
