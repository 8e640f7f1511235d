import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const start = Date.parse('2026-03-01T12:00:00Z');
const at = (seconds: number) => new Date(start + seconds * 1000);
const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;
const lease = async (name: string) => (await row(name)).lease_expires_at;
const scheduled = { kind: 'scheduled', grace_s: 120, max_run_s: 1800 };
const due = (seconds: number) => ({ next_run_in_ms: seconds * 1000 });

describe('a scheduled worker', () => {
  it('need not beat between its runs: it is vouched for until its next run is overdue', async () => {
    const worker = new Process(db.sql, 'nightly', scheduled);
    await worker.send({ ...due(86_400) }, at(0));
    expect(await row('nightly')).toMatchObject({
      status: 'idle',
      next_run_at: at(86_400),
      lease_expires_at: at(86_400 + 120),
    });
  });

  it('is vouched for after its goodbye too', async () => {
    const worker = new Process(db.sql, 'one-shot', scheduled);
    await worker.send({ status: 'processing', ...due(3600) }, at(0));
    await worker.send({ status: 'stopped' }, at(5));
    expect(await row('one-shot')).toMatchObject({ next_run_at: at(3600), lease_expires_at: at(3720) });
  });

  it('that nobody scheduled is vouched for by nothing', async () => {
    await new Process(db.sql, 'adrift', scheduled).send({}, at(0));
    expect(await row('adrift')).toMatchObject({ next_run_at: null, lease_expires_at: null });
  });

  it('has five minutes of grace and an hour to run where it does not say', async () => {
    const worker = new Process(db.sql, 'terse', { kind: 'scheduled' });
    await worker.send({ ...due(600) }, at(0));
    expect(await lease('terse')).toEqual(at(900));
    await worker.send({ status: 'processing' }, at(600));
    expect(await lease('terse')).toEqual(at(600 + 3600));
  });

  it('is due since its time, however often it then says so', async () => {
    const worker = new Process(db.sql, 'tardy', scheduled);
    await worker.send({ ...due(60) }, at(0));
    for (const seconds of [61, 90, 120]) await worker.send({ next_run_in_ms: 0 }, at(seconds));
    expect(await row('tardy')).toMatchObject({ next_run_at: at(60), lease_expires_at: at(180) });
  });

  it('may run for as long as its longest run, counted from the start of it and not from its last beat', async () => {
    const worker = new Process(db.sql, 'runner', scheduled);
    await worker.send({ ...due(60) }, at(0));
    await worker.send({ status: 'starting' }, at(60));
    for (const seconds of [61, 120, 1500]) await worker.send({ status: 'processing' }, at(seconds));
    expect(await lease('runner')).toEqual(at(60 + 1800));
    await worker.send({ last_run_age_ms: 0, last_run_duration_ms: 1_540_000, ...due(3600) }, at(1600));
    expect(await lease('runner')).toEqual(at(1600 + 3600 + 120));
  });

  it('that began another run since its last beat has the whole time for that', async () => {
    const worker = new Process(db.sql, 'busy', scheduled);
    await worker.send({ status: 'processing' }, at(0));
    await worker.send({ status: 'processing', last_run_age_ms: 10_000 }, at(1000));
    expect(await lease('busy')).toEqual(at(1000 + 1800));
    await worker.send({ status: 'processing', last_run_age_ms: 40_300 }, at(1030));
    expect(await lease('busy')).toEqual(at(1000 + 1800));
  });

  it('whose longest run is short has the lease of any worker', async () => {
    const worker = new Process(db.sql, 'brief', { ...scheduled, max_run_s: 1 });
    await worker.send({ status: 'processing' }, at(0));
    expect(await lease('brief')).toEqual(at(50));
  });

  it('whose run failed waits for its next one like others', async () => {
    const worker = new Process(db.sql, 'failed', scheduled);
    await worker.send({ status: 'processing' }, at(0));
    await worker.send({ status: 'error', last_run_age_ms: 0, ...due(86_400) }, at(10));
    expect(await lease('failed')).toEqual(at(10 + 86_400 + 120));
    await worker.send({ status: 'processing', ...due(86_400) }, at(86_410));
    expect(await lease('failed')).toEqual(at(86_410 + 1800));
  });

  it('has its time anew when another process runs it', async () => {
    await new Process(db.sql, 'killed', scheduled).send({ status: 'processing' }, at(0));
    const next = new Process(db.sql, 'killed', scheduled);
    await next.send({ status: 'processing' }, at(600));
    await next.send({ status: 'processing' }, at(600.1));
    expect(await row('killed')).toMatchObject({
      instance_id: next.instance,
      lease_expires_at: at(600.1 + 1800),
    });
  });

  it('is the process that runs, where a platform keeps two warm and calls them in turn', async () => {
    const [one, two] = [1, 2].map(() => new Process(db.sql, 'warm', scheduled));
    for (const [turn, process] of [one!, two!, one!, two!, one!].entries()) {
      const now = turn * 60;
      if (turn === 1) await process.send({ status: 'processing' }, at(now)); // only registers
      expect(await process.send({ status: 'processing' }, at(now + 1))).toMatchObject({ current: true });
      await process.send({ last_run_age_ms: 0, jobs_total: turn + 1, ...due(58) }, at(now + 2));
      expect(await row('warm')).toMatchObject({ status: 'idle', next_run_at: at(now + 60) });
    }
    expect((await row('warm')).jobs_processed).toBe('9');
    // Between the runs it is the newer one, and the older does not take that from it by waiting as well.
    expect(await two!.send({}, at(250))).toMatchObject({ current: true });
    expect(await one!.send({}, at(251))).toMatchObject({ current: false });
  });

  it('has the run of a process kept warm though only its end was heard, after one that failed elsewhere', async () => {
    const [one, two] = [1, 2].map(() => new Process(db.sql, 'kept', scheduled));
    await one!.send({ last_run_age_ms: 0, processed_count: 1, ...due(60) }, at(0));
    await two!.send({ status: 'error' }, at(60));
    await two!.send({ status: 'error', last_run_age_ms: 0, processed_count: 0, ...due(60) }, at(60.1));
    expect(await row('kept')).toMatchObject({ instance_id: two!.instance, status: 'error' });
    // What ended before that says nothing new.
    expect(await one!.send({ last_run_age_ms: 80_000 }, at(80))).toMatchObject({ current: false });
    expect(await one!.send({ last_run_age_ms: 500, processed_count: 7, ...due(60) }, at(122))).toMatchObject({
      current: true,
    });
    expect(await row('kept')).toMatchObject({ status: 'idle', processed_count: '7', next_run_at: at(182) });
    const events = await db.sql`select from hp_worker_event where worker_name = 'kept' and type = 'conflict'`;
    expect(events).toHaveLength(0);
  });

  it('is not taken by a process that has heard no answer yet, while it waits', async () => {
    const ghost = new Process(db.sql, 'waiting', scheduled);
    const late = [ghost.next({ status: 'starting' }), ghost.next({ status: 'processing' })];
    const live = new Process(db.sql, 'waiting', scheduled);
    await live.send({ ...due(3600) }, at(0));
    for (const made of late) await ghost.deliver(made, at(30));
    expect(await row('waiting')).toMatchObject({ instance_id: live.instance, status: 'idle' });
  });

  it('whose other process still waits somewhere is no conflict for longer than that beats', async () => {
    const first = new Process(db.sql, 'moved', scheduled);
    await first.send({ ...due(86_400) }, at(0));
    const second = new Process(db.sql, 'moved', scheduled);
    await second.send({}, at(1));
    await second.send({}, at(1.1));
    const [old] = await db.sql`select * from hp_worker_instance where instance_id = ${first.instance}`;
    expect(old!.lease_expires_at).toEqual(at(50));
  });
});

describe('a scheduled worker by plain upserts', () => {
  const plain = (name: string, fields: Record<string, unknown>) =>
    db.as(
      'service_role',
      {},
      (sql) => sql`update hp_worker_status set ${sql(fields)} where worker_name = ${name}`,
    );
  /** Seconds from now until its lease ends. */
  const left = async (name: string) => {
    const [found] = await db.sql`
      select extract(epoch from lease_expires_at - now())::float8 as n from hp_worker_status where worker_name = ${name}`;
    return found!.n as number | null;
  };

  it('is vouched for until its next run is overdue, and during a run for the longest one', async () => {
    const next_run_at = new Date(Date.now() + 7_200_000);
    await db.as('service_role', {}, (sql) => {
      const fields = {
        worker_name: 'plain-cron',
        kind: 'scheduled',
        status: 'idle',
        next_run_at,
        grace_s: 60,
      };
      return sql`insert into hp_worker_status ${sql(fields)}`;
    });
    expect(await lease('plain-cron')).toEqual(new Date(next_run_at.getTime() + 60_000));
    await plain('plain-cron', { status: 'running' });
    const running = await lease('plain-cron');
    expect(await left('plain-cron')).toBeGreaterThan(3590);
    await plain('plain-cron', { last_heartbeat: new Date() });
    expect(await lease('plain-cron')).toEqual(running);
    await plain('plain-cron', { status: 'stopped' });
    expect(await lease('plain-cron')).toEqual(new Date(next_run_at.getTime() + 60_000));
  });

  it('follows an edit of its schedule, which is no beat', async () => {
    await db.as(
      'service_role',
      {},
      (sql) =>
        sql`insert into hp_worker_status (worker_name, kind, status) values ('edited-cron', 'scheduled', 'idle')`,
    );
    const before = await row('edited-cron');
    expect(before.lease_expires_at).toBeNull();
    const next_run_at = new Date(Date.now() + 3_600_000);
    await plain('edited-cron', { next_run_at });
    expect(await row('edited-cron')).toMatchObject({
      last_heartbeat: before.last_heartbeat,
      lease_expires_at: new Date(next_run_at.getTime() + 300_000),
    });
  });
});

it('a name that is new is expected, unless its first beat says otherwise; later ones have no say', async () => {
  await new Process(db.sql, 'service').send();
  await new Process(db.sql, 'service@host:1').send({ expected: false });
  await new Process(db.sql, 'service').send({ expected: false });
  expect(await row('service')).toMatchObject({ expected: true });
  expect(await row('service@host:1')).toMatchObject({ expected: false });
});
