import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createDatabase } from '../support/database.ts';
import { listen } from '../support/listen.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { wireTo } from '../support/wire.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
});
afterAll(() => stack?.stop());

const soon = { reconnectAfterMs: () => 50 };

describe('a connection', () => {
  it('answers heartbeats', async () => {
    const beats: string[] = [];
    const client = stack.client(undefined, {
      heartbeatIntervalMs: 50,
      heartbeatCallback: (status) => beats.push(status),
    });
    await listen(client, 'room');
    await until(() => beats.filter((beat) => beat === 'ok').length >= 3);
    expect(new Set(beats)).toEqual(new Set(['sent', 'ok']));
  });

  it.each([
    ['a wrong key', 401, '/realtime/v1/websocket?apikey=sb_publishable_wrong&vsn=2.0.0'],
    ['no key', 401, '/realtime/v1/websocket?vsn=2.0.0'],
    ['a version that there is not', 403, '/realtime/v1/websocket?apikey=KEY&vsn=3.0.0'],
    ['another path', 404, '/realtime/v1/other?apikey=KEY'],
    ['a path that is none', 404, '//'],
  ])('is refused with %s: HTTP %i', async (_, status, path) => {
    const ws = new WebSocket(stack.url.replace('http', 'ws'), {
      // as it is written: the constructor would tidy it up
      finishRequest: (request) => {
        request.path = path.replace('KEY', stack.publishableKey);
        request.end();
      },
    });
    const answer = await new Promise((resolve) =>
      ws.once('unexpected-response', (_request, response) => resolve(response.statusCode)),
    );
    expect(answer).toBe(status);
    ws.on('error', () => {});
    ws.terminate();
  });

  it('may be made with the key in a header', async () => {
    const ws = new WebSocket(`${stack.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0`, {
      headers: { 'x-api-key': stack.publishableKey },
    });
    await until(() => ws.readyState === ws.OPEN);
    ws.terminate();
  });
});

describe('a dropped connection', () => {
  it('is made again by the client, which joins again and hears again', async () => {
    const heard = await listen(await stack.as('carol', soon), 'hp:fleet', { private: true });
    stack.realtime.cut();
    await until(() => heard.states.includes('CHANNEL_ERROR'));
    await stack.database.sql`select realtime.send('{"n": "lost"}', 'digest', 'hp:fleet', true)`;
    await expect(fetch(`${stack.url}/realtime/v1/api/broadcast`, { method: 'POST' })).resolves.toMatchObject({
      status: 503,
    });
    stack.realtime.restore();
    await until(() => heard.states.at(-1) === 'SUBSCRIBED');
    await stack.database.sql`select realtime.send('{"n": "heard"}', 'digest', 'hp:fleet', true)`;
    await until(() => heard.broadcasts.length);
    expect(heard.broadcasts.map(({ payload }) => payload.n)).toEqual(['heard']);
  });

  it('cannot be made while the network is cut', async () => {
    stack.realtime.cut();
    const ws = new WebSocket(
      `${stack.url.replace('http', 'ws')}/realtime/v1/websocket?apikey=${stack.publishableKey}`,
    );
    const error = await new Promise<Error>((resolve) => ws.once('error', resolve));
    expect(error.message).toBe('socket hang up');
    stack.realtime.restore();
  });

  it('of the database is made again, and messages flow on', async () => {
    const heard = await listen(await stack.as('carol'), 'hp:fleet', { private: true });
    const { sql } = stack.database;
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'lastseen-realtime%'`;
    await until(async () => {
      await sql`select realtime.send('{}', 'digest', 'hp:fleet', true)`;
      return heard.broadcasts.length;
    });
    expect(heard.states).toEqual(['SUBSCRIBED']);
    expect((await listen(await stack.as('bob'), 'hp:fleet', { private: true })).states).toEqual([
      'SUBSCRIBED',
    ]);
  });
});

describe('a database that is away for a while', () => {
  it('is found again, by those who listen and those who join', async () => {
    const database = await createDatabase();
    const wire = await wireTo(database.url);
    const other = await startTestStack({ tickEvery: 0, database: { ...database, url: wire.url } });
    try {
      const heard = await listen(await other.as('carol'), 'hp:fleet', { private: true });
      const lasting = await other.as('bob');
      wire.cut();
      const refused = await listen(lasting, 'hp:fleet', { private: true });
      expect(refused.errors[0]).toBe('UnknownErrorOnChannel: Unknown Error on Channel');
      await until(() => wire.refused >= 8, { what: 'it to be looked for again and again' });
      wire.restore();
      const send = () => database.sql`select realtime.send('{}', 'digest', 'hp:fleet', true)`;
      await until(async () => (await send()) && heard.broadcasts.length);
      await until(() => refused.states.at(-1) === 'SUBSCRIBED');
      heard.broadcasts.length = 0;
      await send();
      await until(() => refused.broadcasts.length);
      expect(heard.broadcasts).toHaveLength(1); // not once for each time that it was found
      expect(heard.states).toEqual(['SUBSCRIBED']);
    } finally {
      await other.stop();
      wire.close();
      await database.drop();
    }
  });
});

describe('frames', () => {
  it('of an earlier life of a channel do nothing to the present one', async () => {
    const socket = await rawSocket(stack.url, stack.publishableKey);
    const topic = 'realtime:room';
    socket.send(['1', '1', topic, 'phx_join', {}]);
    socket.send(['2', '2', topic, 'phx_join', {}]);
    expect((await socket.reply('2')).status).toBe('ok');
    expect(socket.frames).toContainEqual(['1', '1', topic, 'phx_close', {}]);
    socket.send(['1', '3', topic, 'phx_leave', {}]);
    expect((await socket.reply('3')).status).toBe('ok');
    await stack.database.sql`select realtime.send('{}', 'still here', 'room', false)`;
    let bytes = 0;
    socket.ws.on('message', (data: Buffer, isBinary) => (bytes += isBinary ? data.length : 0));
    await stack.database.sql`select realtime.send('{}', 'still here', 'room', false)`;
    await until(() => bytes);
    socket.ws.terminate();
  });

  it('are answered in order: a leave does not overtake its join', async () => {
    const socket = await rawSocket(stack.url, stack.secretKey);
    const topic = 'realtime:hp:fleet';
    socket.send(['1', '1', topic, 'phx_join', { config: { private: true } }]);
    socket.send(['1', '2', topic, 'phx_leave', {}]);
    await until(() => socket.frames.length === 3);
    expect(socket.frames.map((frame) => [frame[1], frame[3]])).toEqual([
      ['1', 'phx_reply'],
      ['2', 'phx_reply'],
      ['1', 'phx_close'],
    ]);
    socket.ws.terminate();
  });
});
