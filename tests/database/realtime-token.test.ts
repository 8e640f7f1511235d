import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { listen } from '../support/listen.ts';
import type { PersonName } from '../support/people.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
const { keys, people } = inject('cluster');
const member = { private: true };

beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
});
afterAll(() => stack?.stop());

/** @param seconds until it expires. */
const token = (
  name: PersonName,
  seconds: number,
  claims: Record<string, unknown> = {},
  secret = keys.jwtSecret,
) =>
  new SignJWT({ sub: people[name].id, role: 'authenticated', ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(secret));

/** A client whose token is set by hand, and never refreshed. */
async function withToken(jwt: string) {
  const client = stack.client();
  await client.realtime.setAuth(jwt);
  return client;
}

const send = () => stack.database.sql`select realtime.send('{"n": 1}', 'digest', 'hp:fleet', true)`;

describe('the end of a token', () => {
  it('ends the channel, in words', async () => {
    const heard = await listen(await withToken(await token('carol', 2)), 'hp:fleet', member);
    expect(heard.states).toEqual(['SUBSCRIBED']);
    await until(() => heard.states.includes('CLOSED'));
    expect(heard.system).toEqual([
      {
        extension: 'system',
        status: 'error',
        message: expect.stringMatching(/^Token has expired \d seconds ago$/),
        channel: 'hp:fleet',
      },
    ]);
  });

  it('is put off by a newer one, without a gap', async () => {
    const client = await withToken(await token('carol', 2));
    const heard = await listen(client, 'hp:fleet', member);
    const expires = Date.now() + 2_000;
    await client.realtime.setAuth(await token('carol', 600));
    await until(() => Date.now() > expires + 500, { what: 'the old token to expire' });
    await send();
    await until(() => heard.broadcasts.length);
    expect(heard.states).toEqual(['SUBSCRIBED']);
  });

  it('does not come while supabase-js refreshes the session at each heartbeat', async () => {
    const brief = await startTestStack({ tickEvery: 0, tokenLifetime: 2 });
    try {
      const alice = await brief.as('alice', { heartbeatIntervalMs: 300 });
      const heard = await listen(alice, 'hp:fleet', member);
      const first = (await alice.auth.getSession()).data.session!.expires_at!;
      await until(() => Date.now() / 1000 > first + 2, { what: 'the second token to expire' });
      await brief.database.sql`select realtime.send('{"n": 1}', 'digest', 'hp:fleet', true)`;
      await until(() => heard.broadcasts.length);
      expect(heard.states).toEqual(['SUBSCRIBED']);
    } finally {
      await brief.stop();
    }
  });
});

describe('a newer token', () => {
  it('of someone who may not listen ends the channel', async () => {
    const client = await withToken(await token('carol', 600));
    const heard = await listen(client, 'hp:fleet', member);
    await client.realtime.setAuth(await token('mallory', 600));
    await until(() => heard.states.includes('CLOSED'));
    expect(heard.system[0]!.message).toBe(
      'You do not have permissions to read from this Channel topic: hp:fleet',
    );
    await send();
    expect(heard.broadcasts).toEqual([]);
  });

  it('that is forged ends the channel', async () => {
    const client = await withToken(await token('carol', 600));
    const heard = await listen(client, 'hp:fleet', member);
    await client.realtime.setAuth(await token('carol', 600, {}, 'another secret of thirty-two bytes'));
    await until(() => heard.states.includes('CLOSED'));
    expect(heard.system[0]!.message).toBe('Failed to validate JWT signature');
  });

  it('asks the policies anew whether its owner may speak', async () => {
    const { sql } = stack.database;
    await sql.unsafe(`
      create policy "all may listen to room" on realtime.messages for select to authenticated
        using (realtime.topic() = 'room');
      create policy "trusted people may speak in room" on realtime.messages for insert to authenticated
        with check (realtime.topic() = 'room' and (select auth.jwt()) ->> 'trusted' = 'yes')`);
    const client = await withToken(await token('carol', 600, { trusted: 'yes' }));
    const { channel } = await listen(client, 'room', { private: true, broadcast: { ack: true } });
    const say = () => channel.send({ type: 'broadcast', event: 'a', payload: {} }, { timeout: 300 });
    expect(await say()).toBe('ok');
    await client.realtime.setAuth(await token('carol', 600, { trusted: 'no' }));
    expect(await say()).toBe('timed out');
  });
});

describe('a join', () => {
  it.each([
    ['an expired token', () => token('carol', -5), /^InvalidJWTToken: Token has expired \d+ seconds ago$/],
    [
      'a forged token',
      () => token('carol', 9, {}, 'x'.repeat(32)),
      /^JwtSignatureError: Failed to validate JWT/,
    ],
    ['no token but words', () => 'words', /^MalformedJWT: The token provided is not a valid JWT$/],
    [
      'a token without a role',
      () => token('carol', 9, { role: undefined }),
      /^InvalidJWTToken: Fields `role`/,
    ],
    ['a token with a role that is none', () => token('carol', 9, { role: 'nobody' }), /^Unauthorized: /],
  ])('with %s is refused, and why', async (_, make, reason) => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    const payload = { config: { private: true }, access_token: await make() };
    socket.send(['1', '1', 'realtime:hp:fleet', 'phx_join', payload]);
    expect(await socket.reply('1')).toEqual({
      status: 'error',
      response: { reason: expect.stringMatching(reason) },
    });
    socket.ws.terminate();
  });

  it('lets a policy see the headers of the request', async () => {
    await stack.database.sql.unsafe(`
      create policy "who knows the word" on realtime.messages for select to anon using (
        realtime.topic() = 'word' and current_setting('request.headers', true)::json ->> 'x-word' = 'please')`);
    const knowing = await rawSocket(stack.url, stack.publishableKey, { 'x-word': 'please' });
    const others = await rawSocket(stack.url, stack.publishableKey);
    for (const socket of [knowing, others])
      socket.send(['1', '1', 'realtime:word', 'phx_join', { config: { private: true } }]);
    expect((await knowing.reply('1')).status).toBe('ok');
    expect((await others.reply('1')).status).toBe('error');
    for (const socket of [knowing, others]) socket.ws.terminate();
  });
});
