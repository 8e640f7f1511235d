import { createHash, randomUUID } from 'node:crypto';
import type { Browser, Page, WebSocket } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, signIn, visit, visitAs } from '../support/visitor.ts';

let stack: TestStack;
let dashboard: Dashboard;
let browser: Browser;
const { people } = inject('cluster');

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

const invite = async (page: Page, email: string, role: string) => {
  await page.goto(`${dashboard.url}/settings`);
  await page.getByLabel('Email').fill(email);
  await page.locator('form[action="?/invite"] select').selectOption(role);
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await page.getByText(`${email} is invited.`).waitFor();
};

describe('an owner', () => {
  it('invites a person who creates an account and becomes a member; changes their role, and removes them', async () => {
    const owner = await visitAs('alice', browser, dashboard);
    await owner.page.getByRole('link', { name: 'Settings' }).click();
    await owner.page.getByRole('heading', { name: 'Invite somebody' }).waitFor();
    await invite(owner.page, 'dave@example.com', 'viewer');
    await owner.page.getByText('invited as viewer, has not signed in yet').waitFor();

    const dave = await visit(browser, dashboard);
    await dave.page.getByRole('link', { name: 'Create an account' }).click();
    await dave.page.getByRole('heading', { name: 'Create an account' }).waitFor();
    await dave.page.getByLabel('Email').fill('dave@example.com');
    await dave.page.getByLabel('Password').fill('long enough');
    await dave.page.getByRole('button', { name: 'Create the account' }).click();
    await connection(dave.page, 'Live');

    await owner.page.reload();
    expect(await owner.page.getByText('has not signed in yet').count()).toBe(0);
    await owner.page.getByLabel('Role of dave@example.com', { exact: true }).selectOption('operator');
    await owner.page.getByRole('button', { name: 'Change the role of dave@example.com' }).click();
    await owner.page.getByText('dave@example.com now has the role operator.').waitFor();
    await dave.page.goto(`${dashboard.url}/settings`);
    await dave.page.getByText('operator', { exact: true }).waitFor();

    await owner.page.getByText('Remove…').last().click();
    await owner.page.getByRole('button', { name: 'Really remove dave@example.com' }).click();
    await owner.page.getByText('dave@example.com is no longer a member.').waitFor();
    for (const path of ['', '/settings', '/settings/account']) {
      await dave.page.goto(dashboard.url + path);
      await dave.page.getByRole('heading', { name: 'You are not a member' }).waitFor();
    }
    await owner.close();
    await dave.close();
  });

  it('does all that without JavaScript, and cannot remove the last owner', async () => {
    const { page, close } = await visit(browser, dashboard, { javaScriptEnabled: false });
    await signIn(page, 'alice');
    await invite(page, 'erin@example.com', 'operator');
    await page.getByRole('button', { name: 'Withdraw the invitation of erin@example.com' }).click();
    await page.getByText('The invitation of erin@example.com is withdrawn.').waitFor();
    await page.getByLabel('Role of alice@example.com', { exact: true }).selectOption('viewer');
    await page.getByRole('button', { name: 'Change the role of alice@example.com' }).click();
    expect(await page.getByRole('alert').innerText()).toBe(
      'This is the last owner. Make somebody else an owner first.',
    );
    await page.getByText('Remove…').first().click();
    await page.getByRole('button', { name: 'Really remove alice@example.com' }).click();
    await page.getByRole('alert').getByText('This is the last owner.').waitFor();
    await close();
  });
});

describe('a viewer', () => {
  it('finds their own account under Settings, and no address of anybody else anywhere', async () => {
    const { page, close } = await visit(browser, dashboard);
    const heard: string[] = [];
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => heard.push(String(payload))),
    );
    await signIn(page, 'carol');
    await connection(page, 'Live');
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByText('You can see every worker.').waitFor();
    expect(await page.getByRole('heading', { level: 1 }).allInnerTexts()).toEqual(['Settings']);
    expect(
      await page.getByRole('navigation', { name: 'Settings' }).getByRole('link').allInnerTexts(),
    ).toEqual(['Account']);
    // What an owner has done stands in the audit log, which viewers read, too.
    const owner = await stack.asOwner();
    const paused = await owner.rpc('hp_pause', {
      worker_name: 'crawl-worker',
      worker_type: null,
      until: new Date(Date.now() + 60_000).toISOString(),
      reason: 'Moving house',
    });
    expect(paused.error).toBeNull();
    const log = await (await stack.as('carol')).rpc('hp_worker_commands', { worker_name: 'crawl-worker' });
    expect(JSON.stringify(log.data)).toContain('Moving house');
    heard.push(JSON.stringify(log.data));
    for (const path of [
      '/',
      '/workers/crawl-worker',
      '/settings/account',
      '/api/fleet',
      '/api/fleet.json',
      '/api/session',
    ])
      heard.push(await (await page.request.get(dashboard.url + path)).text());
    await page.goto(`${dashboard.url}/settings/members`);
    await page.getByRole('heading', { name: 'This is for owners' }).waitFor();
    heard.push(await page.content());
    // A page's data can be requested without the layout's check.
    const data = await page.request.get(
      `${dashboard.url}/settings/members/__data.json?x-sveltekit-invalidated=001`,
    );
    heard.push(await data.text());
    const forced = await page.request.post(`${dashboard.url}/settings/members?/role`, {
      form: { user: people.carol.id, email: 'carol@example.com', role: 'owner' },
      headers: { origin: dashboard.url, accept: 'application/json' },
    });
    heard.push(await forced.text());
    expect(await forced.json()).toMatchObject({ type: 'failure', status: 403 });

    const addresses = new Set(heard.join().match(/\w+@example\.com/g));
    expect([...addresses]).toEqual(['carol@example.com']);
    await close();
  });
});

/** On the fleet page, with a clock of our own. */
async function onTheFleet(name: 'alice' | 'bob' | 'carol') {
  const visitor = await visit(browser, dashboard);
  const sockets: WebSocket[] = [];
  visitor.page.on('websocket', (socket) => sockets.push(socket));
  await visitor.page.clock.install();
  await signIn(visitor.page, name);
  await connection(visitor.page, 'Live');
  return { ...visitor, sockets };
}

describe('an open page', () => {
  it('of a member who was removed stops within a minute', async () => {
    const { page, sockets, close } = await onTheFleet('bob');
    const settings = await page.context().newPage();
    await settings.clock.install();
    await settings.goto(`${dashboard.url}/settings/groups`);
    const worker = await page.context().newPage();
    await worker.clock.install();
    await worker.goto(`${dashboard.url}/workers/crawl-worker`);
    await connection(worker, 'Live');
    await stack.database.sql`delete from hp_member where user_id = ${people.bob.id}`;
    for (const one of [page, settings, worker]) await one.clock.fastForward(56_000);
    for (const one of [page, worker]) {
      await one.getByText('You are no longer a member.').first().waitFor();
      expect(await one.getByText('Your session has ended').count()).toBe(0);
    }
    await settings.getByRole('heading', { name: 'You are not a member' }).waitFor();
    await until(() => sockets.every((socket) => socket.isClosed()), { what: 'the socket to be closed' });
    expect((await page.request.get(`${dashboard.url}/api/fleet`)).status()).toBe(403);
    await page.reload();
    await page.getByRole('heading', { name: 'You are not a member' }).waitFor();
    await stack.database.sql`select hp_add_member('bob@example.com', 'operator')`;
    await close();
  });

  it('stops within a minute after signing out everywhere on another device, and not after signing out there alone', async () => {
    const { page, sockets, close } = await onTheFleet('carol');
    const elsewhere = await visitAs('carol', browser, dashboard);
    await elsewhere.page.goto(`${dashboard.url}/settings/account`);
    await elsewhere.page.getByRole('button', { name: 'Sign out here' }).click();
    await elsewhere.page.getByLabel('Password').waitFor();
    const watched = page.waitForResponse(/api\/watch/);
    await page.clock.fastForward(55_000);
    expect((await watched).status()).toBe(200);

    await signIn(elsewhere.page, 'carol');
    await connection(elsewhere.page, 'Live');
    await elsewhere.page.goto(`${dashboard.url}/settings/account`);
    await elsewhere.page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await elsewhere.page.getByLabel('Password').waitFor();
    // At once for whoever has the cookie of before, whose access token is good for an hour.
    expect((await page.request.get(`${dashboard.url}/api/fleet`)).status()).toBe(403);
    const settings = await page.request.get(`${dashboard.url}/settings/account`, { maxRedirects: 0 });
    expect([settings.status(), settings.headers().location]).toEqual([
      303,
      `/login?next=${encodeURIComponent('/settings/account')}`,
    ]);
    await page.clock.fastForward(55_000);
    await page.getByText('Your session has ended.').waitFor();
    await until(() => sockets.every((socket) => socket.isClosed()), { what: 'the socket to be closed' });
    await page.getByRole('link', { name: 'Sign in again' }).click();
    await page.getByLabel('Password').waitFor();
    await elsewhere.close();
    await close();
  });
});

/**
 * What Auth does when the link of a mail is opened: it hands out a code for the challenge that came with the request for
 * the mail. The stack's Auth keeps no challenge with a mail, only with a sign-in elsewhere; so the test makes it out of the
 * secret that the browser keeps, and the stack's Auth then does the rest.
 */
async function openMail(user: string, cookies: { name: string; value: string }[]): Promise<string> {
  const kept = cookies.find(({ name }) => name.endsWith('-code-verifier'))!.value;
  const verifier = JSON.parse(
    Buffer.from(decodeURIComponent(kept).replace(/^base64-/, ''), 'base64url').toString(),
  ) as string;
  const code = randomUUID();
  await stack.database.sql`
    insert into auth.flow_state (id, user_id, auth_code, authentication_method, code_challenge_method, code_challenge, provider_type)
    values (${randomUUID()}, ${user}, ${code}, 'magiclink', 's256',
      ${createHash('sha256').update(verifier.split('/')[0]!).digest('base64url')}, 'magiclink')`;
  return code;
}

describe('a link by mail', () => {
  it('is not offered if the project sends no mail', async () => {
    const { page, close } = await visit(browser, dashboard);
    expect(await page.getByText('Sign in by mail instead').count()).toBe(0);
    expect((await page.request.get(`${dashboard.url}/login/link`)).status()).toBe(404);
    await close();
  });

  it('signs in with one click, once', async () => {
    const mailing = await startDashboard(stack, { env: { PUBLIC_MAGIC_LINK: 'on' } });
    try {
      const { page, close } = await visit(browser, mailing, { javaScriptEnabled: false });
      await page.getByRole('link', { name: 'Sign in by mail instead' }).click();
      await page.getByLabel('Email').fill('carol@example.com');
      await page.getByRole('button', { name: 'Mail me a link' }).click();
      await page.getByRole('heading', { name: 'Check your mail' }).waitFor();
      // The stack mails nothing; what the mail would carry is with the account.
      const [account] = await stack.database.sql`
        select recovery_token as hash from auth.users where id = ${people.carol.id}`;
      const link = `${mailing.url}/login/confirm?token_hash=${account!.hash}&type=magiclink&next=%2Fsettings`;
      await page.goto(link);
      await page.goto(link); // opened by a filter of mails before
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('carol@example.com').first().waitFor();
      expect(page.url()).toBe(`${mailing.url}/settings/account`);
      await close();

      // Supabase's own mail leads to Auth, which sends the browser on with a code. That is of use only with the secret that the
      // browser which asked has kept; both ways back are tried, the one asked for and the project's "Site URL".
      for (const way of ['/login/confirm?next=%2Fsettings&code=', '/?code=']) {
        const asking = await visit(browser, mailing, { javaScriptEnabled: false });
        await asking.page.goto(`${mailing.url}/login/link`);
        await asking.page.getByLabel('Email').fill('carol@example.com');
        await asking.page.getByRole('button', { name: 'Mail me a link' }).click();
        await asking.page.getByRole('heading', { name: 'Check your mail' }).waitFor();
        const code = await openMail(people.carol.id, await asking.page.context().cookies());
        const filter = await visit(browser, mailing, { javaScriptEnabled: false });
        await filter.page.goto(mailing.url + way + code);
        await filter.page.getByText('was requested in another browser').waitFor();
        await filter.close();
        await asking.page.goto(mailing.url); // looked in meanwhile
        await asking.page.goto(mailing.url + way + code);
        await asking.page.goto(`${mailing.url}/settings`);
        expect(await asking.page.locator('main').innerText()).toContain('carol@example.com');
        await asking.close();
      }

      const other = await visit(browser, mailing, { javaScriptEnabled: false });
      await other.page.goto(link);
      await other.page.getByRole('button', { name: 'Sign in' }).click();
      await other.page.getByText('This link was already used').waitFor();
      await other.page.goto(`${mailing.url}/?code=of-another-browser`);
      await other.page.getByText('This link was already used').waitFor();
      await other.close();
    } finally {
      await mailing.stop();
    }
  });
});
