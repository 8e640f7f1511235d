import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen, type Listening } from '../support/listen.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
let carol: Listening;

beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
  carol = await listen(await stack.as('carol'), 'hp:fleet', { private: true });
});
afterAll(() => stack?.stop());

/** Carol, who was there before, hears as if nothing were; and newcomers are let in. */
async function expectNobodyHarmed(): Promise<void> {
  const before = carol.broadcasts.length;
  await stack.database.sql`select realtime.send('{}', 'digest', 'hp:fleet', true)`;
  await until(() => carol.broadcasts.length > before, {
    timeout: 2_000,
    what: 'a message while others misbehave',
  });
  expect(carol.states).toEqual(['SUBSCRIBED']);
  const bob = await listen(await stack.as('bob'), 'hp:fleet', { private: true });
  expect(bob.states).toEqual(['SUBSCRIBED']);
}

const push = (topic: string, lengths: number[], body = '{}') =>
  Buffer.concat([Buffer.from([3, ...lengths, 1]), Buffer.from(`${topic}e${body}`)]);

describe('a hostile client', () => {
  it.each([
    ['no JSON', '{'],
    ['JSON that is no frame', '42'],
    ['nothing', ''],
    ['an array that is no frame', '[1,2,3,4,5]'],
    ['depth', '['.repeat(200_000)],
    ['an unknown kind of bytes', Buffer.from([9, 0, 0, 0, 0, 0, 0])],
    ['too few bytes', Buffer.from([3, 1])],
    ['lengths that lie', push('realtime:room', [255, 255, 255, 255, 255])],
    ['a broadcast that is no JSON', push('realtime:room', [0, 0, 13, 1, 0], '{')],
  ])('that sends %s is disconnected', async (_, frame) => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    socket.send(['1', '1', 'realtime:room', 'phx_join', {}]);
    await socket.reply('1');
    socket.send(frame);
    expect(await socket.closed()).toBe(1007);
    await expectNobodyHarmed();
  });

  it('that sends a frame of more than 5 MB is disconnected', async () => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    socket.send('x'.repeat(5_100_000));
    expect(await socket.closed()).toBe(1009);
    await expectNobodyHarmed();
  });

  it.each([
    ['a topic that nobody joined', ['1', '1', 'realtime:nowhere', 'broadcast', { event: 'a', payload: {} }]],
    ['a topic of no kind', ['1', '1', 'elsewhere', 'phx_join', {}]],
    ['a topic without a name', ['1', '1', 'realtime:', 'phx_join', {}]],
    ['a system topic', ['1', '1', 'phoenix', 'phx_join', {}]],
  ])('that names %s is told so', async (_, frame) => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    socket.send(frame);
    expect((await socket.reply('1')).status).toBe('error');
    socket.ws.terminate();
  });

  it.each([
    ['no payload', undefined],
    ['a payload of another type', 'text'],
    ['a configuration of another type', { config: 'text' }],
    ['wishes of other types', { config: { broadcast: 1, presence: [], postgres_changes: 'x' } }],
    ['a token of another type', { access_token: { a: 1 } }],
    ['a topic with a NUL', {}, 'realtime:a\0b'],
  ])('that joins with %s gets an answer', async (_, payload, topic = 'realtime:room') => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    socket.send(['1', '1', topic, 'phx_join', payload]);
    expect((await socket.reply('1')).status).toBe('ok');
    socket.ws.terminate();
  });

  it('that joins a private topic with a NUL in its name is refused', async () => {
    const socket = await rawSocket(stack.url, stack.secretKey);
    socket.send(['1', '1', 'realtime:a\0b', 'phx_join', { config: { private: true } }]);
    expect((await socket.reply('1')).status).toBe('error');
    await expectNobodyHarmed();
    socket.ws.terminate();
  });

  it('that joins a thousand channels gets a hundred', async () => {
    const socket = await rawSocket(stack.url, stack.secretKey);
    const refs = Array.from({ length: 1000 }, (_, index) => String(index));
    for (const ref of refs)
      socket.send([ref, ref, `realtime:topic ${ref}`, 'phx_join', { config: { private: true } }]);
    await expectNobodyHarmed();
    const answers = await Promise.all(refs.map((ref) => socket.reply(ref)));
    expect(answers.filter(({ status }) => status === 'ok')).toHaveLength(100);
    expect(answers.at(-1)!.response).toEqual({ reason: 'ChannelRateLimitReached: Too many channels' });
    socket.ws.terminate();
  });

  it('that joins one channel a thousand times waits for itself', async () => {
    const socket = await rawSocket(stack.url, stack.secretKey);
    for (let ref = 0; ref < 1000; ref++)
      socket.send([String(ref), String(ref), 'realtime:room', 'phx_join', { config: { private: true } }]);
    await expectNobodyHarmed();
    expect((await socket.reply('999')).status).toBe('ok');
    socket.ws.terminate();
  });

  it('that does not read what it is sent is given up', async () => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    socket.send(['1', '1', 'realtime:flood', 'phx_join', {}]);
    await socket.reply('1');
    socket.ws.pause();
    const { sql } = stack.database;
    for (let round = 0; round < 10; round++)
      await sql`
        select realtime.send(jsonb_build_object('x', repeat('x', 200000)), 'flood', 'flood', false)
        from generate_series(1, 20)`;
    await expectNobodyHarmed();
    socket.ws.resume();
    expect(await socket.closed()).toBe(1006); // cut off, without a goodbye that it would not have read
  });

  it('that goes away in the middle of everything harms nobody', async () => {
    const { port } = new URL(stack.url);
    for (const words of [
      'GET /realtime/v1/websocket',
      'GET /x HTTP/1.1\r\nupgrade: websocket\r\n\r\n',
      '\0\0\0',
    ]) {
      const raw = connect(Number(port), '127.0.0.1');
      raw.on('error', () => {});
      raw.end(words);
    }
    for (let times = 0; times < 50; times++) {
      const socket = await rawSocket(stack.url, stack.secretKey);
      socket.send(['1', '1', 'realtime:hp:fleet', 'phx_join', { config: { private: true } }]);
      socket.ws.terminate();
    }
    await expectNobodyHarmed();
  });
});
