import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beat, Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import type { PersonName } from '../support/people.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

interface Line {
  id: number;
  at: string;
  level: string;
  message: string;
  instance_id: string;
  line: number;
  dropped?: number;
}

interface Wish {
  most?: number;
  level?: string;
  search?: string;
  before?: number;
}

const log = async (name: string, wish: Wish = {}, who: PersonName = 'carol') => {
  const { most = 100, level = 'debug', search = null, before = null } = wish;
  const [row] = await db.asPerson(
    who,
    (sql) => sql`select hp_worker_logs(${name}, ${most}, ${level}, ${search}, ${before}) as log`,
  );
  return row!.log as { lines: Line[]; more: boolean };
};
const said = async (name: string, wish: Wish = {}) =>
  (await log(name, wish)).lines.map(({ message }) => message);
const later = (seconds: number) => new Date(Date.now() + seconds * 1000);
/** Lines from one number to another. */
const lines = (from: number, to: number, level = 'info') =>
  Array.from({ length: to - from + 1 }, (_, n) => [from + n, 0, level, `line ${from + n}`]);

describe('a log', () => {
  it('is kept with its times, and the answer says how far it has come', async () => {
    const worker = new Process(db.sql, 'talker');
    const answer = await worker.send({
      logs: [
        [1, 1500, 'info', 'up'],
        [2, 0, 'error', 'down'],
      ],
    });
    expect(answer).toMatchObject({ ok: true, logs_to: 2 });
    expect(answer).not.toHaveProperty('ignored');
    const { lines, more } = await log('talker');
    expect(more).toBe(false);
    expect(lines).toMatchObject([
      { line: 1, level: 'info', message: 'up', instance_id: worker.instance },
      { line: 2, level: 'error', message: 'down' },
    ]);
    expect(Date.parse(lines[1]!.at) - Date.parse(lines[0]!.at)).toBe(1500);
    expect(await worker.send()).not.toHaveProperty('logs_to');
  });

  it('has each line once, however often it is sent, and whatever overtakes what', async () => {
    const worker = new Process(db.sql, 'stutterer');
    const first = worker.next({ logs: lines(1, 3) });
    await worker.deliver(first);
    expect(await worker.deliver({ ...first, sequence: ++worker.sequence, logs: lines(2, 5) })).toMatchObject({
      logs_to: 5,
    });
    expect(await worker.deliver(first)).toMatchObject({ ok: true, logs_to: 5 });
    expect(await said('stutterer')).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5']);
  });

  it('shows what was dropped between its lines, also where the lines around are hidden', async () => {
    const worker = new Process(db.sql, 'leaky');
    await worker.send({
      logs: [
        [3, 0, 'info', 'a'],
        [4, 0, 'debug', 'b'],
      ],
      logs_dropped: 2,
    });
    await worker.send({
      logs: [
        [8, 0, 'debug', 'c'],
        [9, 0, 'warn', 'd'],
        [11, 0, 'warn', 'e'],
      ],
      logs_dropped: 6,
    });
    const shown = async (wish: Wish) =>
      (await log('leaky', wish)).lines.map(({ message, dropped }) => [message, dropped]);
    expect(await shown({})).toEqual([
      ['a', 2],
      ['b', undefined],
      ['c', 3],
      ['d', undefined],
      ['e', 1],
    ]);
    expect(await shown({ level: 'info' })).toEqual([
      ['a', 2],
      ['d', 3],
      ['e', 1],
    ]);
    expect(
      (await db.sql`select logs_dropped from hp_worker_instance where instance_id = ${worker.instance}`)[0]!
        .logs_dropped,
    ).toBe('6');
  });

  it('is read by level, by search and page by page', async () => {
    const worker = new Process(db.sql, 'searched');
    await worker.send({
      logs: [
        [1, 0, 'debug', 'Fetching 100%'],
        [2, 0, 'info', 'fetched'],
        [3, 0, 'warn', 'slow'],
        [4, 0, 'error', 'FETCH failed'],
      ],
    });
    expect(await said('searched', { level: 'warn' })).toEqual(['slow', 'FETCH failed']);
    expect(await said('searched', { search: 'fetch' })).toEqual(['Fetching 100%', 'fetched', 'FETCH failed']);
    expect(await said('searched', { search: '%' })).toEqual(['Fetching 100%']);
    const newest = await log('searched', { most: 2 });
    expect([newest.lines.map((l) => l.line), newest.more]).toEqual([[3, 4], true]);
    const rest = await log('searched', { most: 2, before: newest.lines[0]!.id });
    expect([rest.lines.map((l) => l.line), rest.more]).toEqual([[1, 2], false]);
    await expect(log('searched', { level: 'loud' })).rejects.toMatchObject({ code: 'PT400' });
  });

  it('of a superseded process is kept as well, as its own', async () => {
    const old = new Process(db.sql, 'two');
    await old.send({ logs: [[1, 0, 'info', 'old 1']] });
    const young = new Process(db.sql, 'two');
    await young.send({ logs: [[1, 0, 'info', 'young 1']] });
    await young.send();
    expect(await old.send({ logs: [[2, 0, 'info', 'old 2']] })).toMatchObject({ current: false, logs_to: 2 });
    expect((await log('two')).lines.map(({ message, instance_id }) => [message, instance_id])).toEqual([
      ['old 1', old.instance],
      ['young 1', young.instance],
      ['old 2', old.instance],
    ]);
  });

  it('comes with a batch for each worker', async () => {
    const workers = Array.from({ length: 5 }, (_, n) => new Process(db.sql, `batch-${n}`));
    await beat(
      db.sql,
      workers.map((worker) => worker.next()),
    );
    const answers = await beat(
      db.sql,
      workers.map((worker, n) => worker.next(n % 2 ? {} : { logs: lines(1, n + 1) })).reverse(),
    );
    expect(answers.map(({ logs_to }) => logs_to)).toEqual([5, undefined, 3, undefined, 1]);
    expect(await said('batch-2')).toHaveLength(3);
  });

  it('is not written with a worker token that is not for the name, nor read by who is no member', async () => {
    const [token] = await db.sql`select hp_create_worker_token('logs', 'mine-%') as made`;
    const send = (name: string) =>
      db.as('anon', {}, async (sql) => {
        await sql`select set_config('request.headers', ${JSON.stringify({ 'x-worker-token': token!.made.token })}, true)`;
        return new Process(sql, name).send({ logs: lines(1, 1) });
      });
    expect(await send('mine-1')).toMatchObject({ ok: true, logs_to: 1 });
    // Refused by an answer that is none to a beat.
    await expect(send('theirs')).rejects.toThrow('not iterable');
    expect(await said('theirs')).toEqual([]);
    await expect(log('mine-1', {}, 'mallory')).rejects.toMatchObject({ code: 'PT403' });
    expect(await db.asPerson('mallory', (sql) => sql`select * from hp_worker_log`)).toEqual([]);
    await expect(db.asPerson('alice', (sql) => sql`delete from hp_worker_log`)).rejects.toMatchObject({
      code: '42501',
    });
  });
});

describe('what is wrong in a log', () => {
  it('costs that line and nothing else, and is said', async () => {
    const worker = new Process(db.sql, 'sloppy');
    const bad = [
      [0, 0, 'info', 'x'],
      ['2', 0, 'info', 'x'],
      [2.5, 0, 'info', 'x'],
      [1e300, 0, 'info', 'x'],
      [2, -1, 'info', 'x'],
      [2, 'now', 'info', 'x'],
      [2, 1e15, 'info', 'x'],
      [2, 0, 'loud', 'x'],
      [2, 0, 7, 'x'],
      [2, 0, 'info', { a: 1 }],
      [2, 0, 'info'],
      [2],
      [],
      null,
      'x',
      {},
      [2, 0, 'info', 'x'.repeat(2001)],
      [2, null, 'info', 'x'],
      [2, 0, null, 'x'],
      [2, 0, 'info', null],
    ];
    let line = 0;
    for (const entry of bad) {
      // The bad one has the number that is its turn, where it has one at all.
      const numbered = Array.isArray(entry) && entry[0] === 2;
      const logs: unknown[] = [[++line, 0, 'info', 'before']];
      logs.push(numbered ? [++line, ...entry.slice(1)] : entry, [++line, 0, 'info', 'after']);
      const answer = await worker.send({ logs });
      expect(answer, JSON.stringify(entry).slice(0, 50)).toMatchObject({
        ok: true,
        logs_to: line,
        ignored: { field: 'logs[1]', message: expect.stringMatching(/^logs\[1\] \S/) },
      });
    }
    const stored = (await log('sloppy', { most: 500 })).lines;
    expect(stored.map(({ message }) => message)).toEqual(bad.flatMap(() => ['before', 'after']));
    for (const logs of ['x', 7, {}, true])
      expect(await worker.send({ logs })).toMatchObject({ ok: true, ignored: { field: 'logs' } });
    expect(await worker.send({ logs_dropped: -1 })).toMatchObject({
      ok: false,
      error: { field: 'logs_dropped' },
    });
  });

  it('is a text as any other where it is hostile', async () => {
    const texts = [
      '<script>alert(1)</script>',
      '\u202e reversed',
      '\u0007\u001b[31m',
      "'; drop table x; --",
      'é'.repeat(2000),
      '😀'.repeat(2000),
    ];
    const worker = new Process(db.sql, 'hostile');
    expect(await worker.send({ logs: texts.map((text, n) => [n + 1, 0, 'info', text]) })).not.toHaveProperty(
      'ignored',
    );
    expect(await said('hostile')).toEqual(texts);
    await expect(worker.send({ logs: [[9, 0, 'info', '\u0000']] })).rejects.toThrow();
    expect(await worker.send()).toMatchObject({ ok: true });
  });

  it('beyond 100 lines or 64 KB waits for the next beat', async () => {
    const worker = new Process(db.sql, 'gushing');
    expect(await worker.send({ logs: lines(1, 150) })).toMatchObject({
      ok: true,
      logs_to: 100,
      ignored: { field: 'logs' },
    });
    expect(await worker.send({ logs: lines(101, 150) })).toMatchObject({ logs_to: 150 });
    const heavy = Array.from({ length: 50 }, (_, n) => [151 + n, 0, 'info', 'x'.repeat(2000)]);
    expect((await worker.send({ logs: heavy })).logs_to).toBe(150 + 32);
    expect(await said('gushing', { most: 500 })).toHaveLength(182);
  });
});

describe('of a log is kept', () => {
  it('the last 500 lines of a worker, and a few more', async () => {
    const worker = new Process(db.sql, 'chatty');
    for (let n = 0; n < 8; n++) await worker.send({ logs: lines(n * 100 + 1, n * 100 + 100) });
    for (let n = 801; n <= 830; n++) await worker.send({ logs: lines(n, n) });
    const [kept] =
      await db.sql`select count(*)::int as n, min(line)::int as first, max(line)::int as last from hp_worker_log where worker_name = 'chatty'`;
    expect(kept).toEqual({ n: 530, first: 301, last: 830 });
    await worker.send({ logs: lines(831, 870) });
    expect(
      (await db.sql`select count(*)::int as n from hp_worker_log where worker_name = 'chatty'`)[0]!.n,
    ).toBe(500);
  });

  it('no more where many processes of a worker say little each', async () => {
    for (let n = 0; n < 14; n++) {
      const run = new Process(db.sql, 'brief');
      await run.send({ logs: lines(1, 6) });
      await run.send({ logs: lines(7, 46) });
    }
    const [kept] = await db.sql`select count(*)::int as n from hp_worker_log where worker_name = 'brief'`;
    expect(kept!.n).toBeGreaterThanOrEqual(500);
    expect(kept!.n).toBeLessThan(550);
  });

  it('what is younger than 7 days, and no more than the room for all', async () => {
    const worker = new Process(db.sql, 'aged');
    await worker.send({ logs: lines(1, 100) });
    await worker.send({ logs: lines(101, 110) }, later(5 * 86400));
    const prune = async (at: Date) => {
      await db.sql`update hp_private.monitor set pruned_at = null`;
      await db.sql`select hp_private.tick(${at})`;
      return (await db.sql`select count(*)::int as n from hp_worker_log`)[0]!.n;
    };
    await prune(later(8 * 86400));
    expect(await said('aged', { most: 500 })).toEqual(lines(101, 110).map(([line]) => `line ${line}`));

    await db.sql`insert into hp_setting (key, value) values ('logs_mb', '0.01') on conflict (key) do update set value = '0.01'`;
    await worker.send(
      { logs: lines(111, 200).map(([line]) => [line!, 0, 'info', 'x'.repeat(150)]) },
      later(8 * 86400),
    );
    const left = await prune(later(8 * 86400 + 10));
    expect(left).toBeGreaterThan(20);
    expect(left).toBeLessThan(100);
    expect((await log('aged')).lines.at(-1)).toMatchObject({ line: 200 });
    await db.sql`update hp_setting set value = '50' where key = 'logs_mb'`;
  });
});

describe('the channel of a worker', () => {
  const heard = async (name: string) =>
    (await db.sql`select event, payload from realtime.messages where topic = ${`hp:worker:${name}`} order by inserted_at, id`) as unknown as {
      event: string;
      payload: {
        after: number;
        to: number;
        lines?: Line[];
        command?: { state: string };
        event?: { type: string };
      };
    }[];
  const follow = (who: PersonName, name: string) =>
    db.asPerson(who, (sql) => sql`select hp_watch_worker(${name}) as answer`);

  it('is silent while nobody looks; then it tells lines, events and commands', async () => {
    const worker = new Process(db.sql, 'watched');
    expect(await worker.send({ logs: lines(1, 2) })).not.toHaveProperty('logs_every_s');
    expect(await heard('watched')).toEqual([]);
    await follow('carol', 'watched');
    expect(await worker.send({ logs: lines(3, 4) })).toMatchObject({ logs_every_s: 1 });
    await worker.send({ status: 'error' });
    const [row] = await db.sql`select hp_request_command('watched', 'beat', 'a look') as asked`;
    await worker.send();
    const told = await heard('watched');
    expect(told.map(({ event }) => event)).toEqual(expect.arrayContaining(['log', 'event', 'command']));
    const first = told.find(({ event }) => event === 'log')!.payload;
    expect(first.lines!.map(({ line }) => line)).toEqual([3, 4]);
    expect(first.after).toBeLessThan(first.lines![0]!.id);
    expect(first.to).toBe(first.lines![1]!.id);
    const commands = told.filter(({ event }) => event === 'command').map(({ payload }) => payload.command);
    expect(commands).toMatchObject([{ id: row!.asked.id, state: 'requested' }, { state: 'delivered' }]);
    expect(JSON.stringify(commands)).not.toMatch(/requested_by/);
    expect(told.filter(({ event }) => event === 'event').map(({ payload }) => payload.event!.type)).toEqual([
      'status',
      'status',
    ]);
  });

  it('tells of much that it is there, and not what it is', async () => {
    const worker = new Process(db.sql, 'loud');
    await worker.send();
    await follow('carol', 'loud');
    await worker.send({ logs: lines(1, 20).map(([line]) => [line!, 0, 'info', 'x'.repeat(1000)]) });
    const [message] = await heard('loud');
    expect(message!.payload).not.toHaveProperty('lines');
    expect(message!.payload.to).toBe((await log('loud')).lines.at(-1)!.id);
  });

  it('wakes the worker up when the first comes to look, and is for members', async () => {
    const worker = new Process(db.sql, 'looked-at');
    await worker.send();
    await follow('carol', 'looked-at');
    await follow('bob', 'looked-at');
    expect(
      await db.sql`select event from realtime.messages where topic = ${`hp:wake-up:${worker.instance}`}`,
    ).toHaveLength(1);
    await expect(follow('mallory', 'looked-at')).rejects.toMatchObject({ code: 'PT403' });
    await expect(follow('carol', 'nobody')).rejects.toMatchObject({ code: 'PT404' });
  });

  it('tells more rarely once the store of such messages is used up, and still all of it', async () => {
    const fresh = await createDatabase();
    const worker = new Process(fresh.sql, 'endless');
    await worker.send();
    await fresh.sql`update hp_setting set value = '3' where key = 'activity_store'`;
    await fresh.sql`select hp_watch_worker('endless')`;
    const start = Date.now();
    for (let n = 1; n <= 30; n++) await worker.send({ logs: lines(n, n) }, new Date(start + n * 1000));
    const told = await fresh.sql`
      select payload from realtime.messages where topic = 'hp:worker:endless' and event = 'log' order by inserted_at`;
    // Three at once, and one each ten seconds.
    expect(told.map(({ payload }) => payload.lines.length)).toEqual([1, 1, 1, 8, 10]);
    await fresh.drop();
  });

  // The last: its time runs ahead.
  it('tells lines once a second at most, and none is left out', async () => {
    const worker = new Process(db.sql, 'busy');
    await worker.send();
    await follow('carol', 'busy');
    const start = Date.now();
    for (let n = 1; n <= 20; n++) await worker.send({ logs: lines(n, n) }, new Date(start + n * 200));
    await db.sql`select hp_private.tick(${new Date(start + 10_000)})`;
    const told = (await heard('busy')).map(({ payload }) => payload);
    expect(told.length).toBeLessThanOrEqual(6);
    expect(told.flatMap((message) => message.lines!.map(({ line }) => line))).toEqual(
      lines(1, 20).map(([line]) => line),
    );
    for (const [place, message] of told.entries()) if (place) expect(message.after).toBe(told[place - 1]!.to);
  });
});
