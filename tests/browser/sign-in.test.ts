import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { buildDashboard, startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { connection, signIn, visit, visitAs } from '../support/visitor.ts';

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

describe('signing in', () => {
  it('is required of everybody first, and leads to the requested page', async () => {
    const { page, close } = await visit(browser, dashboard);
    expect(new URL(page.url()).pathname).toBe('/login');
    await page.goto(`${dashboard.url}/?sort=name`);
    await signIn(page, 'carol');
    await connection(page, 'Live');
    expect(page.url()).toBe(`${dashboard.url}/?sort=name`);
    await close();
  });

  it('works without JavaScript', async () => {
    const { page, close } = await visit(browser, dashboard, { javaScriptEnabled: false });
    await signIn(page, 'carol');
    await page.locator('[data-worker]').first().waitFor();
    await close();
  });

  it('shows progress while the fleet loads', async () => {
    const { page, close } = await visit(browser, dashboard);
    await page.waitForLoadState('networkidle'); // without its scripts the form is sent by the browser, and nothing loads
    const gate = Promise.withResolvers<void>();
    await page.route('**/__data.json*', async (route) => {
      await gate.promise;
      await route.continue();
    });
    await signIn(page, 'carol');
    await page.getByRole('progressbar', { name: 'Loading' }).waitFor();
    gate.resolve();
    await connection(page, 'Live');
    expect(await page.getByRole('progressbar').count()).toBe(0);
    await close();
  });

  it('keeps text typed before the scripts were loaded', async () => {
    const { page, close } = await visit(browser, dashboard);
    const gate = Promise.withResolvers<void>();
    await page.route('**/_app/**/*.js', async (route) => {
      await gate.promise;
      await route.continue();
    });
    await page.reload({ waitUntil: 'commit' });
    await page.getByLabel('Email').fill('early@example.com');
    gate.resolve();
    await page.waitForLoadState('networkidle');
    await page.getByLabel('Password').fill('not it');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Wrong email address or password.').waitFor();
    expect(await page.getByLabel('Email').inputValue()).toBe('early@example.com');
    await close();
  });

  it('rejects a wrong password with a message, and keeps the address', async () => {
    const { page, close } = await visit(browser, dashboard);
    await signIn(page, 'alice', 'not it');
    expect(await page.getByRole('alert').innerText()).toBe('Wrong email address or password.');
    expect(await page.getByLabel('Email').inputValue()).toBe('alice@example.com');
    await close();
  });

  it('keeps the session out of reach of scripts', async () => {
    const { page, close } = await visitAs('alice', browser, dashboard);
    expect(await page.evaluate(() => document.cookie)).toBe('');
    await close();
  });

  it('never leads to another site', async () => {
    const { page, close } = await visit(browser, dashboard);
    await page.goto(`${dashboard.url}/login?next=//evil.example/`);
    await signIn(page, 'alice');
    await connection(page, 'Live');
    expect(page.url()).toBe(`${dashboard.url}/`);
    await close();
  });

  it('ends with signing out', async () => {
    const { page, close } = await visitAs('alice', browser, dashboard);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password').waitFor();
    await page.goto(dashboard.url);
    expect(new URL(page.url()).pathname).toBe('/login');
    await close();
  });
});

describe('a stranger who is signed in', () => {
  it('sees that they are not a member, and no worker', async () => {
    const { page, close } = await visit(browser, dashboard);
    await signIn(page, 'mallory');
    await page.getByRole('heading', { name: 'You are not a member' }).waitFor();
    expect(await page.content()).not.toContain('crawl-worker');
    for (const path of ['/api/fleet', '/api/watch']) {
      const method = path === '/api/watch' ? 'post' : 'get';
      expect((await page.request[method](dashboard.url + path)).status()).toBe(403);
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password').waitFor();
    await close();
  });
});

describe('signing the local owner in by itself', () => {
  const owner = () => ({ DEV_OWNER_EMAIL: stack.owner.email, DEV_OWNER_PASSWORD: stack.owner.password });

  it('happens in development on loopback, for any page, but not under another host name', async () => {
    const development = await startDashboard(stack, { mode: 'development', env: owner() });
    try {
      const { page, close } = await visit(browser, development);
      await connection(page, 'Live', 30_000);
      await close();

      const other = await visit(browser, { ...development, url: `${development.url}/settings/members` });
      await other.page.getByRole('heading', { name: 'Invite somebody' }).waitFor();
      await other.close();

      // Not fetch: it would not let us lie about the host.
      const request = get(development.url, { headers: { host: 'evil.example' } });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      expect(response.headers['set-cookie']).toBeUndefined();
      expect(response.headers.location).toBe('/login');
    } finally {
      await development.stop();
    }
  });

  it('is not in a production build, whatever its environment contains', async () => {
    const cwd = await buildDashboard();
    const built = ['.vercel/output', '.svelte-kit/output']
      .flatMap((folder) => globSync(`${folder}/**/*.{js,json,map,html}`, { cwd }))
      .filter((file) => !file.includes('node_modules'))
      .map((file) => join(cwd, file))
      .filter((file) => statSync(file).isFile()); // api/fleet.json is a folder
    expect(built.length).toBeGreaterThan(20);
    const suspicious = built.filter((file) =>
      /DEV_OWNER|signInAsLocalOwner|dev-sign-in/.test(readFileSync(file, 'utf8')),
    );
    expect(suspicious).toEqual([]);

    const tempted = await startDashboard(stack, { env: owner() });
    const { page, close } = await visit(browser, tempted);
    expect(new URL(page.url()).pathname).toBe('/login');
    await close();
    await tempted.stop();
  });
});
