import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../support/listen.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
  await stack.database.sql.unsafe(`
    create policy "all may listen to room" on realtime.messages for select to authenticated
      using (realtime.topic() = 'room');
    create policy "members may speak in room" on realtime.messages for insert to authenticated
      with check (realtime.topic() = 'room' and (select hp_private.is_member()));
  `);
});
afterAll(() => stack?.stop());

const broadcast = (event: string, payload: object) => ({ type: 'broadcast' as const, event, payload });

describe.each(['1.0.0', '2.0.0'])('a broadcast of a client of version %s', (vsn) => {
  it('reaches the others in a public channel, of either version, and is acknowledged', async () => {
    const topic = `open-${vsn}`;
    const others = [
      await listen(stack.client(undefined, { vsn: '1.0.0' }), topic),
      await listen(stack.client(undefined, { vsn: '2.0.0' }), topic),
    ];
    const sender = await listen(stack.client(undefined, { vsn }), topic, { broadcast: { ack: true } });
    expect(await sender.channel.send(broadcast('move', { x: 1, text: 'ü' }))).toBe('ok');
    for (const other of others) {
      await until(() => other.broadcasts.length);
      expect(other.broadcasts).toEqual([broadcast('move', { x: 1, text: 'ü' })]);
    }
    expect(sender.broadcasts).toEqual([]);
  });

  it('comes back to the sender who asks for it', async () => {
    const sender = await listen(stack.client(undefined, { vsn }), 'mirror', { broadcast: { self: true } });
    await sender.channel.send(broadcast('move', { x: 2 }));
    await until(() => sender.broadcasts.length);
    expect(sender.broadcasts).toEqual([broadcast('move', { x: 2 })]);
  });

  it('is heard in a private channel where the policy lets the sender speak', async () => {
    const other = await listen(await stack.as('bob'), 'room', { private: true });
    const alice = await listen(await stack.as('alice', { vsn }), 'room', {
      private: true,
      broadcast: { ack: true },
    });
    expect(await alice.channel.send(broadcast('move', { x: 3 }))).toBe('ok');
    await until(() => other.broadcasts.length);
    expect(other.broadcasts).toEqual([broadcast('move', { x: 3 })]);
  });

  it('is passed over in silence where the policy only lets the sender listen', async () => {
    const other = await listen(await stack.as('bob'), 'room', { private: true });
    const mallory = await listen(await stack.as('mallory', { vsn }), 'room', {
      private: true,
      broadcast: { ack: true },
    });
    expect(mallory.states).toEqual(['SUBSCRIBED']);
    expect(await mallory.channel.send(broadcast('move', { x: 4 }), { timeout: 300 })).toBe('timed out');
    expect(other.broadcasts).toEqual([]);
  });

  it('cannot be forged on a topic that only the database speaks on', async () => {
    const other = await listen(await stack.as('bob'), 'hp:fleet', { private: true });
    const alice = await listen(await stack.as('alice', { vsn }), 'hp:fleet', {
      private: true,
      broadcast: { ack: true },
    });
    expect(await alice.channel.send(broadcast('digest', {}), { timeout: 300 })).toBe('timed out');
    expect(other.broadcasts).toEqual([]);
  });
});

describe('bytes', () => {
  it('reach clients of version 2.0.0 as they are, and the others not at all', async () => {
    const bytes = createHash('sha256').update('any').digest();
    const old = await listen(stack.client(undefined, { vsn: '1.0.0' }), 'bytes');
    const other = await listen(stack.client(), 'bytes');
    const sender = await listen(stack.client(), 'bytes', { broadcast: { ack: true } });
    const payload = new Uint8Array(bytes).buffer;
    expect(await sender.channel.send({ type: 'broadcast', event: 'blob', payload })).toBe('ok');
    expect(await sender.channel.send(broadcast('end', {}))).toBe('ok');
    await until(() => old.broadcasts.length && other.broadcasts.length === 2);
    expect(Buffer.from(other.broadcasts[0]!.payload as unknown as ArrayBuffer)).toEqual(bytes);
    expect(old.broadcasts.map(({ event }) => event)).toEqual(['end']);
  });
});

describe('bytes that the database sends', () => {
  it('reach who listens', async () => {
    const heard = await listen(stack.client(), 'bytes');
    await stack.database.sql`
      insert into realtime.messages (topic, extension, event, private, binary_payload)
      values ('bytes', 'broadcast', 'blob', false, '\\x0001ff')`;
    await until(() => heard.broadcasts.length);
    expect(Buffer.from(heard.broadcasts[0]!.payload as unknown as ArrayBuffer)).toEqual(
      Buffer.from([0, 1, 255]),
    );
  });
});

describe('a broadcast by HTTP', () => {
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${stack.url}/realtime/v1/api/broadcast${path}`, {
      method: 'POST',
      headers: { apikey: stack.secretKey, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  it('is sent with httpSend, publicly by anyone, privately by whom the policy lets', async () => {
    const open = await listen(stack.client(), 'http open');
    const room = await listen(await stack.as('bob'), 'room', { private: true });
    await stack.client().channel('http open').httpSend('hello', { x: 5 });
    const alice = (await stack.as('alice')).channel('room', { config: { private: true } });
    expect(await alice.httpSend('hello', { x: 6 })).toEqual({ success: true });
    const mallory = (await stack.as('mallory')).channel('room', { config: { private: true } });
    await expect(mallory.httpSend('hello', { x: 7 })).rejects.toThrow('Unauthorized');
    await until(() => open.broadcasts.length && room.broadcasts.length);
    expect(open.broadcasts).toEqual([broadcast('hello', { x: 5 })]);
    expect(room.broadcasts).toEqual([broadcast('hello', { x: 6 })]);
  });

  it('is sent in a batch; what is not allowed in it is passed over', async () => {
    const room = await listen(await stack.as('bob'), 'room', { private: true });
    const mallory = await stack.as('mallory');
    const token = (await mallory.auth.getSession()).data.session!.access_token;
    const message = { topic: 'room', event: 'batch', private: true };
    const asMallory = { apikey: stack.publishableKey, authorization: `Bearer ${token}` };
    const refused = await post('', { messages: [{ ...message, payload: { n: 1 } }] }, asMallory);
    const sent = await post('', {
      messages: [
        { ...message, payload: { n: 2 } },
        { ...message, payload: { n: 3 } },
      ],
    });
    expect([refused.status, sent.status, await sent.text()]).toEqual([202, 202, '']);
    await until(() => room.broadcasts.length === 2);
    expect(room.broadcasts.map(({ payload }) => payload.n)).toEqual([2, 3]);
  });

  it.each([
    ['no key', 401, '', { messages: [] }, { apikey: '' }],
    ['a forged token', 401, '', { messages: [] }, { authorization: 'Bearer e30.e30.e30' }],
    ['no messages', 422, '', {}, {}],
    ['a message without a topic', 422, '', { messages: [{ event: 'a', payload: {} }] }, {}],
    ['a broken body', 422, '', '{', {}],
    ['a broken payload', 400, '/room/events/a', '{', {}],
    ['another type', 415, '/room/events/a', 'x', { 'content-type': 'text/plain' }],
    ['too much', 422, '/room/events/a', { x: 'x'.repeat(300_000) }, {}],
    ['far too much', 413, '/room/events/a', { x: 'x'.repeat(5_000_000) }, {}],
    ['another path', 404, '/room', {}, {}],
  ])('is refused with %s: HTTP %i', async (_, status, path, body, headers) => {
    expect((await post(path, body, headers as Record<string, string>)).status).toBe(status);
  });
});
