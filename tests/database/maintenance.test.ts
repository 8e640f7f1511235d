import type { Sql, TransactionSql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import type { PersonName } from '../support/people.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const later = (seconds: number) => new Date(Date.now() + seconds * 1000);

type Call = (
  sql: TransactionSql,
) => ReturnType<Sql['unsafe']> | PromiseLike<{ answer: Record<string, unknown> }[]>;

/** Calls as one of the cast, and tells the HTTP status with the answer. */
const as = (who: PersonName, call: Call) =>
  db.asPerson(who, async (sql) => {
    const [row] = await call(sql);
    const [response] = await sql`select current_setting('response.status', true) as status`;
    return { ...row!.answer, status: response!.status || '200' } as Record<string, unknown>;
  });

const pause = (who: PersonName, name: string, until: Date | null, reason: string | null = 'a move') =>
  as(who, (sql) => sql`select hp_pause(${name}, null, ${until}, ${reason}) as answer`);
const pauseGroup = (who: PersonName, type: string, until: Date | null) =>
  as(
    who,
    (sql) => sql`select hp_pause(worker_type => ${type}, until => ${until}, reason => 'a move') as answer`,
  );
const unpause = (who: PersonName, name: string) =>
  as(who, (sql) => sql`select hp_unpause(${name}) as answer`);
const seen = (who: PersonName, name: string) => as(who, (sql) => sql`select hp_mark_seen(${name}) as answer`);

const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;
const health = async (name: string, at = new Date()) =>
  (
    await db.sql`select h.level, h.rule, h.reason from hp_worker_status w, hp_worker_health(w, ${at}) h where worker_name = ${name}`
  )[0]!;
const records = (name: string) =>
  db.sql`select command, state, args, reason, requested_as from hp_worker_command where worker_name = ${name} order by id`;
const messages = (topic: string) =>
  db.sql`select event, payload from realtime.messages where topic = ${topic} order by inserted_at`;

describe('a pause', () => {
  it('makes a worker inactive until its time, is told to open pages and written down, and ends by itself', async () => {
    const worker = new Process(db.sql, 'moved');
    await worker.send({ status: 'error' });
    await db.asPerson('carol', (sql) => sql`select hp_watch()`);
    const until = later(600);
    const before = (await row('moved')).revision;
    expect(await pause('bob', 'moved', until, '  the disk is full ')).toMatchObject({
      status: '200',
      command: 'pause',
      state: 'done',
      worker_name: 'moved',
      requested_by: 'you',
      reason: 'the disk is full',
    });
    expect(await row('moved')).toMatchObject({
      paused_until: until,
      paused_reason: 'the disk is full',
      status: 'error',
    });
    expect(await health('moved')).toEqual({ level: 'inactive', rule: 'paused', reason: 'the disk is full' });
    expect(await health('moved', later(601))).toMatchObject({ rule: 'silent' });
    const told = (await messages('hp:fleet')).flatMap(({ payload }) => payload.workers ?? []);
    expect(told.findLast((w) => w.worker_name === 'moved')).toMatchObject({
      paused_reason: 'the disk is full',
    });
    expect(Number((await row('moved')).revision)).toBeGreaterThan(Number(before));
    expect(await records('moved')).toMatchObject([
      { command: 'pause', state: 'done', requested_as: 'operator', args: { until: expect.any(String) } },
    ]);
  });

  it('of a group takes all its workers out of the count, whether or not the group had settings', async () => {
    for (const name of ['mover-1', 'mover-2']) await new Process(db.sql, name).send({ worker_type: 'mover' });
    const group = async () =>
      (await db.sql`select alive, expected, rule from hp_worker_group_health where worker_type = 'mover'`)[0];
    expect(await group()).toMatchObject({ alive: '2', expected: '2' });
    expect(await pauseGroup('alice', 'mover', later(60))).toMatchObject({
      state: 'done',
      worker_type: 'mover',
    });
    expect(await group()).toMatchObject({ alive: '0', expected: '0', rule: 'paused' });
    expect(await health('mover-1')).toMatchObject({ level: 'inactive', reason: 'a move' });
    await as('bob', (sql) => sql`select hp_unpause(worker_type => 'mover') as answer`);
    expect(await group()).toMatchObject({ alive: '2', expected: '2', rule: 'fine' });
    const [log] = await db.asPerson('carol', (sql) => sql`select hp_worker_commands('mover-1') as log`);
    expect(log!.log.commands.map((c: { command: string }) => c.command)).toEqual(['unpause', 'pause']);
  });

  it('marks the transitions that come in it, so that nobody is told of them as trouble', async () => {
    const alone = new Process(db.sql, 'quiet');
    const grouped = new Process(db.sql, 'quiet-2', { worker_type: 'quieted' });
    for (const worker of [alone, grouped]) await worker.send();
    await pause('bob', 'quiet', later(60));
    await pauseGroup('bob', 'quieted', later(60));
    for (const worker of [alone, grouped])
      await worker.send({ status: 'crashed', status_reason: 'oh', circuit_breaker_state: 'open' });
    for (const name of ['quiet', 'quiet-2']) {
      const events =
        await db.sql`select type, details from hp_worker_event where worker_name = ${name} and (to_value = 'crashed' or type = 'breaker')`;
      expect(events.map(({ details }) => details.paused)).toEqual([true, true]);
    }
    await unpause('bob', 'quiet');
    await new Process(db.sql, 'quiet').send();
    const [last] =
      await db.sql`select details from hp_worker_event where worker_name = 'quiet' and type = 'status' order by id desc limit 1`;
    expect(last!.details).not.toHaveProperty('paused');
  });

  it('ends by hand too, once', async () => {
    await new Process(db.sql, 'resumed').send();
    await as('bob', (sql) => sql`select hp_pause('resumed', null, 'infinity', 'for good') as answer`);
    expect(await health('resumed', later(1e8))).toMatchObject({ rule: 'paused' });
    expect(await unpause('alice', 'resumed')).toMatchObject({ command: 'unpause', state: 'done' });
    expect(await row('resumed')).toMatchObject({ paused_until: null, paused_reason: null });
    expect(await unpause('alice', 'resumed')).toMatchObject({ status: '409', message: 'it is not paused' });
  });

  it('is refused to who is no operator, without a reason, for the past and for nobody, and that is written down', async () => {
    await new Process(db.sql, 'held').send();
    expect(await pause('carol', 'held', later(60))).toMatchObject({ status: '403' });
    expect(await pause('mallory', 'held', later(60))).toMatchObject({ status: '403' });
    expect(await unpause('carol', 'held')).toMatchObject({ status: '403' });
    expect(await pause('bob', 'held', later(-1))).toMatchObject({ status: '400' });
    expect(await pause('bob', 'held', null)).toMatchObject({ status: '400' });
    expect(await pause('bob', 'held', later(60), ' ')).toMatchObject({ status: '400' });
    expect(await pause('bob', 'nobody', later(60))).toMatchObject({
      status: '404',
      message: 'there is no worker named nobody',
    });
    await new Process(db.sql, 'ungrouped').send({ worker_type: '' });
    for (const type of ['no-such-group', ''])
      expect(await pauseGroup('bob', type, later(60))).toMatchObject({ status: '404' });
    expect(
      await as('bob', (sql) => sql`select hp_pause('held', 'group', now() + interval '1 h', 'x') as answer`),
    ).toMatchObject({ status: '400' });
    expect(await row('held')).toMatchObject({ paused_until: null });
    // Nor past the record.
    await db.sql`insert into hp_worker_group (worker_type) values ('held-group')`;
    const unrecorded = db.asPerson('bob', (sql) => sql`update hp_worker_group set paused_until = 'infinity'`);
    await expect(unrecorded).rejects.toMatchObject({ code: '42501' });
    expect((await records('held')).map((r) => [r.command, r.state, r.requested_as])).toEqual([
      ['pause', 'refused', 'viewer'],
      ['unpause', 'refused', 'viewer'],
      ['pause', 'refused', 'operator'],
      ['pause', 'refused', 'operator'],
      ['pause', 'refused', 'operator'],
      ['pause', 'refused', 'operator'],
    ]);
  });
});

describe('a mark of having seen a trouble', () => {
  it('holds until the next transition, with a revision of its own', async () => {
    const worker = new Process(db.sql, 'sick');
    await worker.send({ status: 'error' });
    const before = (await row('sick')).revision;
    expect(await seen('bob', 'sick')).toMatchObject({ command: 'seen', state: 'done' });
    const marked = await row('sick');
    expect(marked.seen_at).toBeInstanceOf(Date);
    expect(Number(marked.revision)).toBeGreaterThan(Number(before));
    const [fleet] = await db.asPerson('carol', (sql) => sql`select hp_fleet() as fleet`);
    const shown = fleet!.fleet.workers.find((w: { worker_name: string }) => w.worker_name === 'sick');
    expect(shown).toHaveProperty('seen_at');
    expect(shown).not.toHaveProperty('seen_by');

    await worker.send({ status: 'error', jobs_total: 3 });
    expect((await row('sick')).seen_at).toBeInstanceOf(Date);
    await worker.send({ status: 'idle' });
    expect(await row('sick')).toMatchObject({ seen_at: null, seen_by: null });
  });

  it('is forgotten once the worker is well, where its trouble was no transition', async () => {
    const worker = new Process(db.sql, 'hiccup');
    await worker.send({ last_run_errors: 2 });
    expect(await seen('bob', 'hiccup')).toMatchObject({ state: 'done' });
    await db.sql`select hp_tick()`;
    expect((await row('hiccup')).seen_at).toBeInstanceOf(Date);
    await worker.send({ last_run_errors: 0 });
    await db.sql`select hp_tick()`;
    expect(await row('hiccup')).toMatchObject({ seen_at: null, seen_by: null });
  });

  it('is refused where there is no trouble, and to a viewer', async () => {
    await new Process(db.sql, 'well').send();
    expect(await seen('bob', 'well')).toMatchObject({ status: '409' });
    expect(await seen('carol', 'well')).toMatchObject({ status: '403' });
    expect(await seen('bob', 'nobody')).toMatchObject({ status: '404' });
    expect((await records('well')).map((r) => r.state)).toEqual(['refused', 'refused']);
  });
});
