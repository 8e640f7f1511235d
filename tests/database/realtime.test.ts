import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../support/listen.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
const member = { private: true };
const send = (payload: object, { topic = 'hp:fleet', event = 'digest', isPrivate = true } = {}) =>
  stack.database.sql`
    select realtime.send(${stack.database.sql.json(payload as never)}, ${event}, ${topic}, ${isPrivate})`;

beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
});
afterAll(() => stack?.stop());

describe('a private channel', () => {
  it.each(['alice', 'bob', 'carol'] as const)('lets %s in, as the policy does', async (name) => {
    expect((await listen(await stack.as(name), 'hp:fleet', member)).states).toEqual(['SUBSCRIBED']);
  });

  it('refuses a stranger, in words', async () => {
    const { states, errors } = await listen(await stack.as('mallory'), 'hp:fleet', member);
    expect([states[0], errors[0]]).toEqual([
      'CHANNEL_ERROR',
      'Unauthorized: You do not have permissions to read from this Channel topic: hp:fleet',
    ]);
  });

  it('refuses someone who has not signed in', async () => {
    expect((await listen(stack.client(), 'hp:fleet', member)).states[0]).toBe('CHANNEL_ERROR');
  });

  it('refuses a member on a topic that no policy names', async () => {
    expect((await listen(await stack.as('alice'), 'hp:other', member)).states[0]).toBe('CHANNEL_ERROR');
  });

  it('lets the secret key in everywhere', async () => {
    expect((await listen(stack.asService(), 'hp:other', member)).states).toEqual(['SUBSCRIBED']);
  });

  it('leaves no probe behind', async () => {
    await listen(await stack.as('alice'), 'hp:fleet', member);
    const probes = await stack.database.sql`select from realtime.messages where payload is null`;
    expect(probes).toHaveLength(0);
  });

  it('refuses everybody while the policy fails, and says why to who runs the stack', async () => {
    const lines: string[] = [];
    const other = await startTestStack({ tickEvery: 0, log: (line) => lines.push(line) });
    try {
      await other.database.sql`
        create policy "broken" on realtime.messages as restrictive for select to authenticated using (1 / 0 = 1)`;
      expect((await listen(await other.as('alice'), 'hp:fleet', member)).states[0]).toBe('CHANNEL_ERROR');
      expect(lines.join()).toContain('division by zero');
    } finally {
      await other.stop();
    }
  });
});

describe.each(['1.0.0', '2.0.0'])('a broadcast of the database, to a client of version %s', (vsn) => {
  it('arrives with its payload and the id of its row', async () => {
    const heard = await listen(await stack.as('carol', { vsn }), 'hp:fleet', member);
    await send({ text: 'quote " and ü and \\ and \u2028' });
    await until(() => heard.broadcasts.length);
    const [row] = await stack.database
      .sql`select id from realtime.messages order by inserted_at desc limit 1`;
    expect(heard.broadcasts).toEqual([
      {
        type: 'broadcast',
        event: 'digest',
        payload: { text: 'quote " and ü and \\ and \u2028', id: row!.id },
        meta: { id: row!.id },
      },
    ]);
  });

  it('does not arrive when its transaction is rolled back', async () => {
    const heard = await listen(await stack.as('carol', { vsn }), 'hp:fleet', member);
    await stack.database.sql
      .begin(async (sql) => {
        await sql`select realtime.send('{"n": "rolled back"}', 'digest', 'hp:fleet', true)`;
        throw new Error('no');
      })
      .catch(() => {});
    await send({ n: 'committed' });
    await until(() => heard.broadcasts.length);
    expect(heard.broadcasts.map(({ payload }) => payload.n)).toEqual(['committed']);
  });

  it('comes in the order of commits, hundreds at once', async () => {
    const heard = await listen(await stack.as('carol', { vsn }), 'hp:fleet', member);
    await stack.database.sql`
      select realtime.send(jsonb_build_object('n', n), 'digest', 'hp:fleet', true) from generate_series(1, 300) n`;
    await until(() => heard.broadcasts.length === 300);
    expect(heard.broadcasts.map(({ payload }) => payload.n)).toEqual(
      Array.from({ length: 300 }, (_, index) => index + 1),
    );
  });

  it('comes even with an event name longer than a binary frame can say', async () => {
    const heard = await listen(await stack.as('carol', { vsn }), 'hp:fleet', member);
    const event = 'é'.repeat(200);
    await send({}, { event });
    await until(() => heard.broadcasts.length);
    expect(heard.broadcasts[0]!.event).toBe(event);
  });
});

describe('the fleet', () => {
  it('tells who watches at once when a worker begins to report', async () => {
    const carol = await stack.as('carol');
    const heard = await listen(carol, 'hp:fleet', member);
    expect((await carol.rpc('hp_watch')).error).toBeNull();
    const beat = {
      worker_name: 'crawl-worker',
      instance_id: crypto.randomUUID(),
      sequence: 1,
      status: 'processing',
      current_status: 'Crawling example.com',
    };
    const { error } = await stack.asService().rpc('hp_heartbeat', { beats: [beat] });
    expect(error).toBeNull();
    const transition = await until(() => heard.broadcasts.find(({ event }) => event === 'transition'));
    expect(transition.payload.workers).toMatchObject([
      { worker_name: 'crawl-worker', status: 'processing', current_status: 'Crawling example.com' },
    ]);
  });

  it('is told in digests while someone watches', async () => {
    const carol = await stack.as('carol');
    const heard = await listen(carol, 'hp:fleet', member);
    expect((await carol.rpc('hp_watch')).error).toBeNull();
    await stack.database
      .sql`update public.hp_setting set value = '1' where key in ('tick_every_s', 'digest_every_s')`;
    const digest = await until(async () => {
      await stack.database.sql`select public.hp_tick()`;
      return heard.broadcasts.find(({ event }) => event === 'digest');
    });
    expect(digest.payload.header).toMatchObject({ workers: 5 });
  });
});

describe('who hears what', () => {
  it('keeps a private and a public channel of the same name apart', async () => {
    const service = await listen(stack.asService(), 'room', member);
    const anyone = await listen(stack.client(), 'room');
    await send({ n: 'secret' }, { topic: 'room' });
    await send({ n: 'open' }, { topic: 'room', isPrivate: false });
    await until(() => service.broadcasts.length && anyone.broadcasts.length);
    expect(service.broadcasts.map(({ payload }) => payload.n)).toEqual(['secret']);
    expect(anyone.broadcasts.map(({ payload }) => payload.n)).toEqual(['open']);
  });

  it('drops a message that hosted would drop, and says so', async () => {
    const lines: string[] = [];
    const other = await startTestStack({ tickEvery: 0, log: (line) => lines.push(line) });
    try {
      const heard = await listen(await other.as('carol'), 'hp:fleet', member);
      const { sql } = other.database;
      await sql`select realtime.send(jsonb_build_object('x', repeat('x', 300000)), 'digest', 'hp:fleet', true)`;
      await sql`select realtime.send('{"n": 2}', 'digest', 'hp:fleet', true)`;
      await until(() => heard.broadcasts.length);
      expect(heard.broadcasts[0]!.payload.n).toBe(2);
      expect(lines.join()).toContain('dropped');
    } finally {
      await other.stop();
    }
  });

  it('ends with leaving', async () => {
    const carol = await stack.as('carol');
    const left = await listen(carol, 'hp:fleet', member);
    expect(await carol.removeChannel(left.channel)).toBe('ok');
    const again = await listen(carol, 'hp:fleet', member);
    await send({ n: 1 });
    await until(() => again.broadcasts.length);
    expect(left.broadcasts).toEqual([]);
    expect(left.states.at(-1)).toBe('CLOSED');
  });

  it('says when the messages of the database flow, to who asks', async () => {
    const carol = await stack.as('carol');
    const heard = await listen(carol, 'hp:fleet', { private: true, broadcast: { replication_ready: true } });
    await until(() => heard.system.length);
    expect(heard.system).toEqual([
      {
        extension: 'system',
        status: 'ok',
        message: 'Replication connection established',
        channel: 'hp:fleet',
      },
    ]);
  });

  it('joins a channel with Postgres Changes and Presence, and says that they are not here', async () => {
    const client = stack.client();
    const system: Record<string, unknown>[] = [];
    const states: string[] = [];
    const channel = client
      .channel('room', { config: { presence: { enabled: true } } })
      .on('postgres_changes', { event: '*', schema: 'public', table: 'note' }, () => {})
      .on('system', {}, (message: Record<string, unknown>) => system.push(message))
      .subscribe((state) => states.push(state));
    await until(() => system.length);
    expect(states).toEqual(['SUBSCRIBED']);
    expect(system[0]).toMatchObject({ extension: 'postgres_changes', status: 'error' });
    expect(await channel.track({ here: true })).toBe('error');
  });
});
