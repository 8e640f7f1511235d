import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { inject } from 'vitest';
import type { Dashboard } from './dashboard.ts';
import type { PersonName } from './people.ts';
import { until } from './until.ts';

export interface Visitor {
  page: Page;
  /** What the page complained about in the console, exceptions included. */
  complaints: string[];
  /** Every host that the page asked for something, sockets included. */
  hosts: Set<string>;
  close(): Promise<void>;
}

/** A person with a browser of their own, on the dashboard's first page and not signed in. */
export async function visit(
  browser: Browser,
  dashboard: Dashboard,
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith('http')) hosts.add(hostname);
  });
  page.on('websocket', (socket) => hosts.add(new URL(socket.url()).hostname));
  await page.goto(dashboard.url);
  return { page, complaints, hosts, close: () => context.close() };
}

/** Fills in the sign-in form that is shown. */
export async function signIn(page: Page, name: PersonName, password?: string): Promise<void> {
  const person = inject('cluster').people[name];
  await page.getByLabel('Email').fill(person.email);
  await page.getByLabel('Password').fill(password ?? person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** One of the cast, signed in, on the fleet page, once it is live. */
export async function visitAs(
  name: PersonName,
  browser: Browser,
  dashboard: Dashboard,
  options?: BrowserContextOptions,
): Promise<Visitor> {
  const visitor = await visit(browser, dashboard, options);
  await signIn(visitor.page, name);
  await connection(visitor.page, 'Live');
  return visitor;
}

/** Waits until the page's sign says so. */
export async function connection(page: Page, word: string | RegExp, timeout = 15_000): Promise<void> {
  const sign = page.locator('[data-connection]');
  await until(async () => matches(await sign.innerText({ timeout: 1_000 }), word), {
    timeout,
    what: `the sign to say ${word}`,
  });
}

/** Waits until a worker's row says so. Text is compared as it is read, white space joined. */
export async function rowSays(
  page: Page,
  name: string,
  words: string | RegExp,
  timeout = 10_000,
): Promise<string> {
  const row = page.locator(`[data-worker="${name}"]`);
  let text = '';
  await until(
    async () => {
      text = ((await row.textContent({ timeout: 1_000 })) ?? '').replace(/\s+/g, ' ');
      return matches(text, words);
    },
    { timeout, what: `the row of ${name} to say ${words}` },
  ).catch((error: Error) => {
    throw new Error(`${error.message} It says: ${text}`);
  });
  return text;
}

/** Waits until the header says so many of so many are running. */
export async function running(page: Page, tally: string, timeout = 10_000): Promise<void> {
  const heading = page.getByRole('heading', { level: 1 });
  await until(async () => (await heading.innerText({ timeout: 1_000 })) === `${tally} running`, {
    timeout,
    what: `${tally} running`,
  });
}

function matches(text: string, words: string | RegExp): boolean {
  return typeof words === 'string' ? text.includes(words) : words.test(text);
}
