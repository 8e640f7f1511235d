import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beat, Process, type Beat } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

const start = Date.now() - 3_600_000;
const at = (seconds: number) => new Date(start + seconds * 1000);
const tick = (seconds: number) => db.sql`select hp_private.tick(${at(seconds)})`;

describe('1,000 names of one call', () => {
  it.each([
    [
      'runs that last a year',
      { kind: 'scheduled', status: 'processing', max_run_s: 31_536_000, requested_interval_s: 1 },
      1,
    ],
    [
      'failed runs whose next one is a year off',
      { kind: 'scheduled', status: 'error', next_run_in_ms: 31_536_000_000, requested_interval_s: 1 },
      1,
    ],
    [
      'residents that wish for a second and state an hour',
      { status: 'processing', requested_interval_s: 1 },
      3600,
    ],
  ] as const)('that are %s slow nobody down once they beat no more', async (_, fields, interval) => {
    const honest = new Process(db.sql, 'honest', { requested_interval_s: 30, heartbeat_interval_s: 30 });
    await tick(0);
    await honest.send({}, at(0));
    const many: Beat[] = Array.from({ length: 1000 }, (_unused, n) =>
      new Process(db.sql, `many/${n}`, { heartbeat_interval_s: interval }).next(fields),
    );
    for (const answer of await beat(db.sql, many, at(1))) expect(answer.ok).toBe(true);
    for (let second = 5; second <= 60; second += 5) await tick(second);
    expect(await honest.send({}, at(61))).toMatchObject({ interval_s: 30 });
  });

  it('that do beat are slowed down, with everybody', async () => {
    await tick(0);
    const many = Array.from({ length: 1000 }, (_, n) =>
      new Process(db.sql, `many/${n}`, { heartbeat_interval_s: 1 }).next(),
    );
    await beat(db.sql, many, at(1));
    await tick(2);
    expect((await db.sql`select stretch from hp_private.monitor`)[0]!.stretch).toBeGreaterThan(4);
  });
});

describe('a beat that races the clean-up', () => {
  it.each([1, 3])('makes its worker anew, in a call of %i', async (count) => {
    await new Process(db.sql, 'b', { expected: false }).send({ status: 'stopped' });
    const beats = ['b', 'a', 'c'].slice(0, count).map((name) => new Process(db.sql, name).next());
    let sent: Promise<unknown> | undefined;
    await db.sql.begin(async (cleanUp) => {
      await cleanUp`select from hp_worker_status where worker_name = 'b' for update`;
      sent = beat(db.sql, beats);
      await sleep(300);
      await cleanUp`delete from hp_worker_status where worker_name = 'b'`;
    });
    expect(await sent).toMatchObject(beats.map(() => ({ ok: true, current: true })));
  });
});

it.each([
  ['last_exit', 2000],
  ['last_exit', 3500],
  ['metadata', 2000],
] as const)('%s of %i levels fails only its beat', async (field, levels) => {
  const deep = `{"a": ${'['.repeat(levels)}${']'.repeat(levels)}}`;
  const [before, bad, after] = ['a', 'b', 'c'].map((name) =>
    JSON.stringify(new Process(db.sql, name).next()),
  );
  const body = `[${before}, ${bad!.slice(0, -1)}, "status": "crashed", "${field}": ${deep}}, ${after}]`;
  const [row] = await db.sql`select hp_heartbeat(${body}::text::jsonb) as answers`;
  expect(row!.answers).toMatchObject([
    { ok: true },
    { ok: false, error: { field, message: `${field} is nested too deeply; at most 63 levels` } },
    { ok: true },
  ]);
});
