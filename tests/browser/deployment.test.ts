import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { deploy, type Deployment } from '../support/vercel.ts';
import { connection, rowSays, signIn, visit, visitAs } from '../support/visitor.ts';

const CRON_SECRET = 'a-secret-of-enough-length';
let stack: TestStack;
let deployment: Deployment;
let browser: Browser;
const stackLog: string[] = [];
beforeAll(async () => {
  stack = await startTestStack({ log: (line) => stackLog.push(line) });
  deployment = await deploy(stack, {
    CRON_SECRET,
    SUPABASE_SECRET_KEY: stack.secretKey,
    PUBLIC_MAGIC_LINK: 'on',
  });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await deployment?.stop();
  await stack?.stop();
});

/** A request as it reaches the function behind Vercel's edge, over https. */
function ask(path: string, { headers, ...init }: RequestInit = {}) {
  return fetch(deployment.url + path, {
    redirect: 'manual',
    ...init,
    headers: { 'x-forwarded-proto': 'https', ...headers },
  });
}
const host = () => new URL(deployment.url).host;

/** The sign-in form, sent from a page of `origin`. */
function sendForm(
  name: 'carol' | 'mallory',
  origin: string,
  { password, from = '192.0.2.7' }: { password?: string; from?: string } = {},
) {
  const person = inject('cluster').people[name];
  return ask('/login', {
    method: 'POST',
    body: new URLSearchParams({ email: person.email, password: password ?? person.password }),
    headers: { origin, accept: 'text/html', 'x-forwarded-for': from },
  });
}

describe('the function of .vercel/output', () => {
  it('signs somebody in and shows the fleet live, under its own policy', async () => {
    const { page, complaints, hosts, close } = await visitAs('carol', browser, deployment);
    await stack
      .asService()
      .from('hp_worker_status')
      .upsert({ worker_name: 'crawl-worker', status: 'processing' });
    await rowSays(page, 'crawl-worker', 'Processing');
    // To another page and back, without loading: what SvelteKit adds for screen readers has styles of its own.
    await page.goto(`${deployment.url}/nowhere`);
    await page.getByRole('link', { name: 'To the fleet' }).click();
    await connection(page, 'Live');
    expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
    expect([...hosts]).toEqual(['127.0.0.1']);
    await close();
  });

  it('lets caches keep its scripts forever, and no page', async () => {
    const [script] = globSync('static/_app/immutable/entry/*.js', { cwd: deployment.folder });
    const kept = await ask(script!.replace('static', ''));
    expect([kept.status, kept.headers.get('cache-control')]).toEqual([
      200,
      'public, immutable, max-age=31536000',
    ]);
    expect((await ask('/login')).headers.get('cache-control')).toBe('private, no-store');
  });

  it('serves the files of the heartbeat module to anyone, as they are in the repository', async () => {
    for (const name of [
      'heartbeat.mjs',
      'heartbeat-logs.cjs',
      'heartbeat.d.mts',
      'heartbeat.ts',
      'vercel.mjs',
    ]) {
      const response = await ask(`/${name}`);
      expect(response.status, name).toBe(200);
      expect(response.headers.get('cache-control')).toBe('public, max-age=300');
      expect(await response.text()).toBe(readFileSync(join('workers-heartbeat', name), 'utf8'));
    }
    for (const name of ['heartbeat-nope.mjs', 'build.ts', 'README.md', 'heartbeat.test.ts'])
      expect((await ask(`/${name}`)).status, name).toBe(404);
  });

  it('runs the tick for Vercel’s cron', async () => {
    const answer = await ask('/api/tick', { headers: { authorization: `Bearer ${CRON_SECRET}` } });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ ran: expect.anything() as unknown }),
    ]);
  });
});

describe('the headers of a page', () => {
  it('allow only the page’s own code and data, and no frames', async () => {
    const { headers } = await ask('/login');
    const policy = headers.get('content-security-policy')!;
    expect(policy).toMatch(/script-src 'self' 'nonce-[^']+'/);
    expect(policy).not.toMatch(/unsafe-(inline|eval)/);
    expect(policy).toContain(`connect-src 'self' ${stack.url} ${stack.url.replace('http', 'ws')};`);
    for (const directive of [
      "default-src 'none'",
      "form-action 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ])
      expect(policy).toContain(directive);
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(headers.get('permissions-policy')).toContain('geolocation=()');
    expect(headers.get('strict-transport-security')).toMatch(/max-age=\d{8}/);
  });

  it('are a new nonce each time', async () => {
    const nonce = async () =>
      /nonce-([^']+)/.exec((await ask('/login')).headers.get('content-security-policy')!)![1];
    expect(await nonce()).not.toBe(await nonce());
  });

  it('are also on other responses', async () => {
    for (const path of ['/api/fleet', '/', '/login/__data.json']) {
      const { headers } = await ask(path);
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('stop an injected script', async () => {
    const { page, close } = await visit(browser, deployment);
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'document.title = "slipped in"';
      document.body.append(script);
      document.body.insertAdjacentHTML(
        'beforeend',
        '<img src="data:," onerror="document.title = \'slipped in\'">',
      );
    });
    await page.waitForTimeout(200);
    expect(await page.title()).not.toBe('slipped in');
    const reached = await page.evaluate(() =>
      fetch('http://127.0.0.2:9/').then(
        () => 'reached',
        (error: Error) => error.message,
      ),
    );
    expect(reached).toMatch(/Failed to fetch/);
    await close();
  });
});

describe('a session', () => {
  it('uses a cookie for https only that no script can read and no other site can send', async () => {
    const answer = await sendForm('carol', `https://${host()}`);
    expect(answer.status).toBe(303);
    const cookies = answer.headers.getSetCookie();
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) {
      for (const mark of [/;\s*HttpOnly/i, /;\s*Secure/i, /;\s*SameSite=Lax/i, /;\s*Path=\//i])
        expect(cookie).toMatch(mark);
    }
  });

  it('can’t be started by a form of another site', async () => {
    for (const origin of ['https://evil.example', 'null', `http://${host()}`]) {
      const answer = await sendForm('carol', origin);
      expect([answer.status, answer.headers.getSetCookie()]).toEqual([403, []]);
    }
  });

  it('can’t be ended by one either', async () => {
    const answer = await ask('/logout', {
      method: 'POST',
      headers: { origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(answer.status).toBe(403);
    // Nor with what is no form at all.
    for (const path of ['/logout', '/api/watch']) {
      const bare = await ask(path, { method: 'POST', headers: { origin: 'https://evil.example' } });
      expect([path, bare.status]).toEqual([path, 403]);
      expect(bare.headers.get('x-content-type-options')).toBe('nosniff');
    }
    const script = await ask('/logout', { method: 'POST' });
    expect([script.status, script.headers.get('location')]).toEqual([303, '/login']);
  });
});

describe('guessing a password', () => {
  const origin = () => `https://${host()}`;
  const guess = async (from: string) =>
    (await sendForm('mallory', origin(), { password: 'guess', from })).status;

  it('is stopped after ten attempts from one network, with a message, and for nobody else', async () => {
    for (let n = 0; n < 10; n++) expect(await guess('198.51.100.1')).toBe(400);
    const refused = await sendForm('mallory', origin(), { from: '198.51.100.1' }); // even with the right password
    expect(refused.status).toBe(429);
    expect(await refused.text()).toMatch(/Too many attempts\. Wait (\d+|a) minutes? and try again\./);
    expect((await sendForm('carol', origin(), { from: '198.51.100.1' })).status).toBe(303);
    expect((await sendForm('mallory', origin(), { from: '198.51.100.2' })).status).toBe(303);
    // Ten minutes later.
    await stack.database.sql`update hp_private.sign_in_try set began_at = began_at - interval '10 minutes'`;
    expect((await sendForm('mallory', origin(), { from: '198.51.100.1' })).status).toBe(303);
  });

  it('resets its count after the right password', async () => {
    for (let n = 0; n < 9; n++) expect(await guess('198.51.100.3')).toBe(400);
    expect((await sendForm('mallory', origin(), { from: '198.51.100.3' })).status).toBe(303);
    for (let n = 0; n < 9; n++) expect(await guess('198.51.100.3')).toBe(400);
  });
});

describe('an account, a mail and a mailed link', () => {
  const post = (path: string, from: string, fields: Record<string, string>) =>
    ask(path, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { origin: `https://${host()}`, accept: 'text/html', 'x-forwarded-for': from },
    });

  it.each([
    ['asked for by mail, for one address', '/login/link', 3, (_n: number) => 'carol@example.com', 200],
    ['asked for by mail, in all', '/login/link', 30, (n: number) => `nobody-${n}@example.com`, 200],
    ['made under one address', '/signup', 5, (_n: number) => 'carol@example.com', 400],
  ])(
    '%s: only so often from one network, and words for what comes after',
    async (what, path, most, email, status) => {
      const from = `203.0.113.${what.length}`;
      const attempt = (n: number) => post(path, from, { email: email(n), password: 'long enough, this' });
      for (let n = 0; n < most; n++) expect((await attempt(n)).status).toBe(status);
      const refused = await attempt(most);
      expect(refused.status).toBe(429);
      expect(await refused.text()).toMatch(/Too many attempts\. Wait \d+ minutes and try again\./);
      // Signing in has a count of its own.
      expect((await sendForm('carol', `https://${host()}`, { from })).status).toBe(303);
    },
  );

  it('opened again and again is rejected, with the time to wait', async () => {
    const open = async () =>
      (await ask('/login/confirm?code=guess', { headers: { 'x-forwarded-for': '203.0.113.9' } })).headers.get(
        'location',
      );
    for (let n = 0; n < 10; n++) expect(await open()).toBe('/login?stale');
    const location = await open();
    expect(location).toMatch(/^\/login\?wait=\d+$/);
    expect(await (await ask(location!)).text()).toMatch(/Too many attempts\. Wait \d+ minutes/);
    expect(await (await ask('/login?wait=1e9')).text()).not.toContain('Too many');
  });
});

describe('a dashboard with a wrong configuration', () => {
  it('shows a line for each variable in its log and on its page, and sends no key', async () => {
    const wrong = await deploy({ url: 'http://db.example.com', publishableKey: stack.secretKey });
    const page = await (await fetch(wrong.url)).text();
    for (const text of [wrong.log(), page]) {
      expect(text).toContain('PUBLIC_SUPABASE_URL has no https');
      expect(text).toContain('PUBLIC_SUPABASE_PUBLISHABLE_KEY is a secret key');
      expect(text).not.toContain(stack.secretKey);
    }
    await wrong.stop();
  });
});

describe('no secret', () => {
  /** What workers write: one with the secret key, one with a token that is none, with a key of another project, with a token for others. */
  async function workersWords(token: string, good: string): Promise<string[]> {
    const idle = join(import.meta.dirname, '../process/fixtures/workers/idle.mjs');
    const { url: SUPABASE_URL, publishableKey: SUPABASE_PUBLISHABLE_KEY, secretKey } = stack;
    const credentials: Record<string, string>[] = [
      { SUPABASE_SECRET_KEY: secretKey },
      { SUPABASE_PUBLISHABLE_KEY, HEARTBEAT_TOKEN: token },
      { SUPABASE_SECRET_KEY: `${secretKey}x` },
      { SUPABASE_PUBLISHABLE_KEY, HEARTBEAT_TOKEN: good, WORKER_NAME: 'not-for-this-one' },
    ];
    const workers = credentials.map((env) => startProcess(idle, { env: { SUPABASE_URL, ...env } }));
    await Promise.all(workers.slice(1).map((worker) => worker.wrote(/40[13]|refus|key|token/i)));
    await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
    return workers.map((worker) => worker.output());
  }

  it('is in any deployed file, page, response or log', async () => {
    const token = 'hbt_a-token-that-nobody-made';
    const [made] = await stack.database.asPerson(
      'alice',
      (sql) => sql`select hp_create_worker_token('Crawler', 'crawl-%') ->> 'token' as token,
        hp_create_embed_key('Intranet') ->> 'key' as embed_key`,
    );
    const { page, close } = await visit(browser, deployment);
    const seen: string[] = [];
    page.on(
      'response',
      (response) =>
        void response.text().then(
          (text) => seen.push(text),
          () => {},
        ),
    );
    await signIn(page, 'alice', 'wrong');
    await page.getByRole('alert').waitFor();
    await signIn(page, 'alice');
    await connection(page, 'Live');
    seen.push(await page.content());
    for (const path of [
      ...[
        '/settings',
        '/settings/members',
        '/settings/tokens',
        '/settings/public',
        '/bar',
        '/status',
        '/nowhere',
      ],
      ...[
        '/api/fleet',
        '/api/fleet.json',
        '/api/bar',
        '/api/tick',
        '/__data.json',
        '/settings/tokens/__data.json',
      ],
    ]) {
      seen.push(await (await page.request.get(deployment.url + path)).text());
    }
    await close();
    expect(seen.length).toBeGreaterThan(20);
    // They are what was meant to be looked through.
    for (const known of ['bob@example.com', 'Crawler', 'Intranet', 'worker_name'])
      expect(seen.some((text) => text.includes(known))).toBe(true);

    const files = globSync('**/*.{js,json,css,map,html}', { cwd: deployment.folder })
      .map((file) => join(deployment.folder, file))
      .filter((file) => statSync(file).isFile()) // /api/status.json is a folder here
      .map((file) => readFileSync(file, 'utf8'));
    expect(files.length).toBeGreaterThan(20);
    const { people, keys } = inject('cluster');
    const secrets = [
      stack.secretKey,
      CRON_SECRET,
      token,
      made!.token as string,
      made!.embed_key as string,
      keys.jwtSecret,
      keys.databasePassword,
      ...Object.values(people).map(({ password }) => password),
    ];
    const words = await workersWords(token, made!.token as string);
    expect(words.filter((text) => /HTTP 40[13]/.test(text))).toHaveLength(3);
    const logs = [deployment.log(), ...stackLog, ...words];
    for (const text of [...seen, ...files, ...logs]) {
      for (const secret of secrets) expect(text.includes(secret)).toBe(false);
    }
    // The publishable key is for everybody who signs in, and is read when a page is made: no build holds it.
    for (const text of files) expect(text.includes(stack.publishableKey)).toBe(false);
  });
});
