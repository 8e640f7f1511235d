import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beat, Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;
const events = (name: string, type: string) =>
  db.sql`select * from hp_worker_event where worker_name = ${name} and type = ${type} order by id`;

describe('a beat', () => {
  it('makes a worker that nobody declared, and gives its first process the row at once', async () => {
    const answer = await new Process(db.sql, 'fresh').send({ hostname: 'vps-1', pid: 42, uptime_ms: 5000 });
    expect(answer).toMatchObject({ ok: true, current: true, sequence: 1, interval_s: 10 });
    expect(await row('fresh')).toMatchObject({ status: 'idle', hostname: 'vps-1', pid: '42' });
  });

  it("is stamped with the server's clock, whatever the worker's clock says", async () => {
    const hourOff = Date.now() + 3_600_000;
    await new Process(db.sql, 'skewed').send({ sent_at_ms: hourOff });
    const worker = await row('skewed');
    expect(Math.abs(worker.last_heartbeat - Date.now())).toBeLessThan(60_000);
    expect(Number(worker.clock_skew_ms)).toBeGreaterThan(3_500_000);
  });

  it('leases the worker for five of its intervals', async () => {
    await new Process(db.sql, 'leased', { heartbeat_interval_s: 2 }).send();
    const worker = await row('leased');
    expect(worker.lease_expires_at - worker.last_heartbeat).toBe(10_000);
  });

  it('reads active as processing', async () => {
    await new Process(db.sql, 'active').send({ status: 'active' });
    expect((await row('active')).status).toBe('processing');
  });

  it('keeps what later beats leave out, but not the activity', async () => {
    const worker = new Process(db.sql, 'sparse');
    await worker.send({ version: '1.2', poll_interval_s: 30, current_status: 'busy', current_job_id: 'j1' });
    await worker.send();
    expect(await row('sparse')).toMatchObject({
      version: '1.2',
      poll_interval_s: 30,
      current_status: null,
      current_job_id: null,
    });
  });

  it('names the parts of the module that the worker carries, until another process has the row', async () => {
    const first = new Process(db.sql, 'parted');
    await first.send({ parts: ['logs', 'commands'] });
    await first.send();
    expect((await row('parted')).parts).toEqual(['logs', 'commands']);
    await first.send({ parts: [], status: 'stopped' });
    expect((await row('parted')).parts).toEqual([]);

    const second = new Process(db.sql, 'parted');
    await second.send({ parts: ['guard'] });
    expect((await row('parted')).parts).toEqual(['guard']);
    const pages = await db.sql`select hp_worker_page('parted') as page, hp_fleet() as fleet`;
    const { page, fleet } = pages[0]!;
    expect(page.workers[0].parts).toEqual(['guard']);
    expect(page.details.instances.map(({ parts }: { parts: string[] }) => parts)).toEqual([
      ['guard'],
      ['logs', 'commands'],
    ]);
    const shown = fleet.workers.find((one: { worker_name: string }) => one.worker_name === 'parted');
    expect(shown.parts).toEqual(['guard']);

    // An older module names none: what its worker can do is unknown.
    await second.send({ status: 'stopped' });
    await new Process(db.sql, 'parted').send();
    expect((await row('parted')).parts).toBe(null);
  });

  it('that was overtaken by a later one changes nothing but the counts', async () => {
    const worker = new Process(db.sql, 'overtaken');
    await worker.send();
    const late = worker.next({ status: 'processing', current_status: 'old news', jobs_total: 3 });
    await worker.send({ jobs_total: 2, current_status: 'news' });
    await worker.deliver(late);
    expect(await row('overtaken')).toMatchObject({
      status: 'idle',
      current_status: 'news',
      jobs_processed: '3',
    });
  });

  it('that says goodbye ends the lease and clears what the worker was doing; the event keeps it', async () => {
    const worker = new Process(db.sql, 'leaver');
    await worker.send({
      status: 'processing',
      current_status: 'halfway',
      current_job_id: 'j9',
      jobs_active: 1,
    });
    await worker.send({
      status: 'stopped',
      status_reason: 'SIGTERM',
      last_exit: { code: 0, signal: 'SIGTERM' },
    });
    expect(await row('leaver')).toMatchObject({
      status: 'stopped',
      lease_expires_at: null,
      jobs_active: 0,
      current_status: null,
      current_job_id: null,
      last_exit: { code: 0, signal: 'SIGTERM' },
    });
    expect((await events('leaver', 'status')).at(-1)).toMatchObject({
      from_value: 'processing',
      to_value: 'stopped',
      reason: 'SIGTERM',
      details: { current_status: 'halfway', current_job_id: 'j9', last_exit: { signal: 'SIGTERM' } },
    });
  });

  it('opens and closes the circuit breaker, leaves status alone, and writes an event of each', async () => {
    const worker = new Process(db.sql, 'fused');
    await worker.send();
    await worker.send({
      circuit_breaker_state: 'open',
      circuit_breaker_failures: 10,
      circuit_breaker_reason: 'upstream 503',
      circuit_breaker_retry_in_ms: 60_000,
    });
    expect(await row('fused')).toMatchObject({ status: 'idle', circuit_breaker_open: true });
    await worker.send({ circuit_breaker_state: 'closed', circuit_breaker_failures: 0 });
    expect(await row('fused')).toMatchObject({ circuit_breaker_open: false, circuit_breaker_retry_at: null });
    expect((await events('fused', 'breaker')).map((e) => e.to_value)).toEqual(['open', 'closed']);
  });

  it('between idle and processing is no event and no new revision', async () => {
    const worker = new Process(db.sql, 'flicker');
    await worker.send();
    const before = await row('flicker');
    for (const status of ['processing', 'idle', 'processing', 'running']) await worker.send({ status });
    expect((await row('flicker')).revision).toBe(before.revision);
    expect(await events('flicker', 'status')).toHaveLength(1);
  });

  it('writes at most one error event a minute, however often runs fail', async () => {
    const worker = new Process(db.sql, 'flaky');
    for (let n = 0; n < 5; n++) {
      await worker.send({ status: 'error', last_error: `run ${n} failed` });
      await worker.send({ status: 'idle' });
    }
    const seen = (await events('flaky', 'status')).map((e) => `${e.from_value} → ${e.to_value}`);
    expect(seen.filter((change) => change.endsWith('→ error'))).toHaveLength(1);
    expect(seen.filter((change) => change === 'error → idle')).toHaveLength(1);
    expect(await row('flaky')).toMatchObject({ status: 'idle', last_error: 'run 4 failed' });
  });

  it('writes metadata when it changed, and a large one at most once a minute', async () => {
    const worker = new Process(db.sql, 'chatty');
    const at = new Date('2026-01-01T00:00:00Z');
    await worker.send({ metadata: { queue: 1 } }, at);
    await worker.send({ metadata: { queue: 2 } }, new Date(+at + 1000));
    expect((await row('chatty')).metadata).toEqual({ queue: 2 });
    await worker.send({ metadata: { blob: 'a'.repeat(3000) } }, new Date(+at + 2000));
    expect((await row('chatty')).metadata).toEqual({ queue: 2 });
    await worker.send({ metadata: { blob: 'b'.repeat(3000) } }, new Date(+at + 62_000));
    expect((await row('chatty')).metadata.blob).toHaveLength(3000);
  });

  it('is a HOT update', async () => {
    // A database of its own and one connection: another's statistics may be flushed at any time.
    const own = await createDatabase();
    const connection = await own.sql.reserve();
    const updates = async () => {
      await connection`select pg_stat_force_next_flush()`;
      await connection`select pg_stat_clear_snapshot()`;
      const [stat] = await connection`
        select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables
        where relid = 'public.hp_worker_status'::regclass`;
      return stat!;
    };
    const worker = new Process(connection, 'hot');
    await worker.send();
    const before = await updates();
    for (let n = 0; n < 200; n++) {
      await worker.send({ jobs_total: n, current_status: `job ${n}`, metadata: { n } });
    }
    const after = await updates();
    connection.release();
    await own.drop();
    expect(after.all - before.all).toBeGreaterThanOrEqual(200);
    // With an index on what a beat changes it would be none. A transaction of another test's database that lasts may keep
    // a page from being pruned for a moment.
    expect(after.hot - before.hot).toBeGreaterThanOrEqual(0.9 * (after.all - before.all));
  });
});

describe('a batch', () => {
  it('answers every beat in its place, and loses none for a bad one', async () => {
    const first = new Process(db.sql, 'batch/a').next();
    const last = new Process(db.sql, 'batch/b').next({ jobs_total: 7 });
    const answers = await beat(db.sql, [
      last,
      { ...first, current_status: 'x'.repeat(501) },
      null,
      { ...first, jobs_total: -1 },
      { ...first, jobs_total: 'many' },
      first,
    ]);
    expect(answers.map((a) => [a.ok, a.error?.field])).toEqual([
      [true, undefined],
      [false, 'current_status'],
      [false, 'beat'],
      [false, 'jobs_total'],
      [false, 'jobs_total'],
      [true, undefined],
    ]);
    expect(answers[1]!.error!.message).toBe('current_status is 501 characters long; at most 500');
    expect((await row('batch/b')).jobs_processed).toBe('7');
  });

  it('applies two beats of one worker one after the other', async () => {
    const worker = new Process(db.sql, 'twice');
    const answers = await beat(db.sql, [
      worker.next({ jobs_total: 1 }),
      worker.next({ jobs_total: 2, status: 'processing' }),
    ]);
    expect(answers.map((a) => a.counted_jobs)).toEqual([1, 2]);
    expect(await row('twice')).toMatchObject({ status: 'processing', jobs_processed: '2' });
  });

  it.each([
    ['an object', {}],
    ['a number', 5],
    ['null', null],
    ['nothing', []],
    ['1,001 beats', Array.from({ length: 1001 }, () => ({}))],
  ])('refuses %s with PT400', async (_, body) => {
    await expect(beat(db.sql, body)).rejects.toMatchObject({ code: 'PT400', message: /beats/ });
  });

  it('of overlapping workers in any order never deadlocks', async () => {
    const workers = Array.from({ length: 20 }, (_, n) => new Process(db.sql, `crowd/${n}`));
    const shuffled = () => [...workers].sort(() => Math.random() - 0.5);
    const client = async () => {
      for (let n = 0; n < 15; n++)
        await beat(
          db.sql,
          shuffled().map((worker) => worker.next()),
        );
    };
    await expect(Promise.all([client(), client(), client(), client()])).resolves.toBeDefined();
  });
});

describe('a bad beat', () => {
  const bad: [string, Record<string, unknown>, string][] = [
    ['a name with a space', { worker_name: 'two words' }, 'worker_name'],
    ['a name of 129 characters', { worker_name: 'n'.repeat(129) }, 'worker_name'],
    ['no name', { worker_name: null }, 'worker_name'],
    ['no instance', { instance_id: null }, 'instance_id'],
    ['an instance that is no uuid', { instance_id: 'me' }, 'instance_id'],
    ['sequence 0', { sequence: 0 }, 'sequence'],
    ['a fractional sequence', { sequence: 1.5 }, 'sequence'],
    ['an unknown status', { status: 'fine' }, 'status'],
    ['the status that only the table has', { status: 'unknown' }, 'status'],
    ['an interval of 0', { heartbeat_interval_s: 0 }, 'heartbeat_interval_s'],
    ['an interval of two hours', { heartbeat_interval_s: 7200 }, 'heartbeat_interval_s'],
    ['a negative age', { last_run_age_ms: -1 }, 'last_run_age_ms'],
    ['an age of a century', { uptime_ms: 3.2e12 }, 'uptime_ms'],
    ['a number beyond all', { jobs_total: 1e300 }, 'jobs_total'],
    ['more jobs than can be', { jobs_total: 1e16 }, 'jobs_total'],
    ['negative CPU', { cpu_percent: -0.5 }, 'cpu_percent'],
    ['CPU that is no number', { cpu_percent: 'NaN' }, 'cpu_percent'],
    ['an endless event loop lag', { event_loop_lag_ms: 'Infinity' }, 'event_loop_lag_ms'],
    ['an endless poll interval', { poll_interval_s: 'Infinity' }, 'poll_interval_s'],
    ['an interval that is no number', { heartbeat_interval_s: 'NaN' }, 'heartbeat_interval_s'],
    ['metadata that is a list', { metadata: [1] }, 'metadata'],
    ['metadata of 9 KB', { metadata: { a: 'é'.repeat(4500) } }, 'metadata'],
    ['last words of 5 KB', { last_exit: { error: 'x'.repeat(5000) } }, 'last_exit'],
    ['an error text of 2,001 characters', { last_error: 'x'.repeat(2001) }, 'last_error'],
    ['parts that are no list', { parts: 'logs' }, 'parts'],
    ['17 parts', { parts: Array.from({ length: 17 }, (_, n) => `part-${n}`) }, 'parts'],
    ['a part with a name of 33 characters', { parts: ['logs', 'p'.repeat(33)] }, 'parts'],
    ['a part with a name in capitals', { parts: ['Logs'] }, 'parts'],
    ['a part with a comma in its name', { parts: ['logs,commands'] }, 'parts'],
    ['a part without a name', { parts: ['logs', null] }, 'parts'],
    ['a breaker that is ajar', { circuit_breaker_state: 'ajar' }, 'circuit_breaker_state'],
  ];
  it.each(bad)(
    'with %s is refused by the name of the field, and leaves no worker behind',
    async (_, fields, field) => {
      const [count] = await db.sql`select count(*)::int as workers from hp_worker_status`;
      const [answer] = await beat(db.sql, [{ ...new Process(db.sql, 'never/made').next(), ...fields }]);
      expect(answer).toMatchObject({ ok: false, error: { field } });
      expect(answer!.error!.message).toContain(field);
      expect((await db.sql`select count(*)::int as workers from hp_worker_status`)[0]).toEqual(count);
    },
  );
});
