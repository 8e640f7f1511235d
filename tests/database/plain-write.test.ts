import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;

/** What `upsert()` of a client sends to the Data API, which writes only the columns that it names. */
const upsert = (fields: Record<string, unknown>) =>
  db.as('service_role', {}, (sql) => {
    const set = Object.keys(fields).filter((column) => column !== 'worker_name');
    return sql`
      insert into hp_worker_status ${sql(fields)}
      on conflict (worker_name) do update set ${set.map(
        (column, n) => sql`${n ? sql`,` : sql``} ${sql(column)} = excluded.${sql(column)}`,
      )}`;
  });

describe('an inline upsert with the secret key', () => {
  it('of the hand-made columns is a beat under the same rules', async () => {
    await upsert({
      worker_name: 'inline',
      status: 'active',
      last_heartbeat: '2001-01-01',
      jobs_processed: 5,
      error_count: 1,
      circuit_breaker_open: true,
      metadata: { queue: 3 },
    });
    const worker = await row('inline');
    expect(worker).toMatchObject({
      status: 'processing',
      jobs_processed: '5',
      circuit_breaker_state: 'open',
      metadata: { queue: 3 },
    });
    expect(Math.abs(worker.last_heartbeat - Date.now())).toBeLessThan(60_000);
    expect(worker.lease_expires_at - worker.last_heartbeat).toBe(150_000);
  });

  it('burns no worker_id, however often it comes', async () => {
    const next = async () => (await db.sql`select last_value::int as n from hp_private.worker_id_seq`)[0]!.n;
    await upsert({ worker_name: 'thrifty', status: 'idle' });
    const before = await next();
    for (let n = 0; n < 10; n++) await upsert({ worker_name: 'thrifty', status: 'idle' });
    expect(await next()).toBe(before);
  });

  it('counts on after a restart, and takes a higher total as written', async () => {
    for (const jobs_processed of [1, 3, 2, 4, 4, 20]) {
      await upsert({ worker_name: 'restarting', status: 'idle', jobs_processed });
    }
    // 1, 3, then a restart: 3 + 2, + 2 more, the same again, and a total above all that
    expect((await row('restarting')).jobs_processed).toBe('20');
    await upsert({ worker_name: 'restarting', status: 'idle', jobs_processed: 6 });
    expect((await row('restarting')).jobs_processed).toBe('26');
  });

  it('of last_heartbeat alone revives a worker, of stopped alone ends it', async () => {
    await upsert({ worker_name: 'monitor', status: 'idle', current_status: 'x' });
    await upsert({ worker_name: 'monitor', status: 'stopped' });
    expect(await row('monitor')).toMatchObject({
      status: 'stopped',
      lease_expires_at: null,
      current_status: null,
    });
    await upsert({ worker_name: 'monitor', last_heartbeat: '2001-01-01' });
    const worker = await row('monitor');
    expect(worker.status).toBe('running');
    expect(worker.lease_expires_at - worker.last_heartbeat).toBe(150_000);
    await upsert({ worker_name: 'monitor', status: 'stopped', last_heartbeat: '2001-01-01' });
    expect((await row('monitor')).status).toBe('stopped');
    const changes =
      await db.sql`select to_value from hp_worker_event where worker_name = 'monitor' and type = 'status' order by id`;
    expect(changes.map((e) => e.to_value)).toEqual(['idle', 'stopped', 'running', 'stopped']);
  });

  it('of anything else is an edit: it vouches for nothing', async () => {
    await upsert({ worker_name: 'edited', status: 'idle' });
    const before = await row('edited');
    await upsert({ worker_name: 'edited', description: 'Mends things', is_public: true });
    const after = await row('edited');
    expect(after).toMatchObject({ description: 'Mends things', last_heartbeat: before.last_heartbeat });
    expect(Number(after.revision)).toBeGreaterThan(Number(before.revision));
  });

  it('closes the breaker by the flag alone', async () => {
    await upsert({ worker_name: 'tripped', status: 'idle', circuit_breaker_open: true });
    expect((await row('tripped')).circuit_breaker_opened_at).toBeInstanceOf(Date);
    await upsert({ worker_name: 'tripped', circuit_breaker_open: false });
    expect(await row('tripped')).toMatchObject({
      circuit_breaker_state: 'closed',
      circuit_breaker_open: false,
    });
  });

  it.each([
    [{ status: 'healthy' }, 'status', 'idle, processing, running or another of docs/states.md'],
    [{ current_status: 'x'.repeat(612) }, 'current_status', 'at most 500 characters'],
    [{ jobs_processed: -1 }, 'jobs_processed', 'must be from 0 to 9007199254740991'],
    [{ error_count: '9223372036854775807' }, 'error_count', 'must be from 0 to 9007199254740991'],
    [{ processed_count: -1 }, 'processed_count', 'must not be negative'],
    [{ poll_interval_s: 1.7e308 }, 'poll_interval_s', 'must be above 0 and at most 31536000'],
    [{ memory_percent: -0.5 }, 'memory_percent', 'must be a finite number from 0 up'],
    [{ cpu_percent: 'NaN' }, 'cpu_percent', 'must be a finite number from 0 up'],
    [{ heartbeat_interval_s: 0 }, 'heartbeat_interval_s', 'must be from 1 to 3600'],
  ])(
    'that breaks a limit gets an error with the field and the limit, as an insert and as an update: %o',
    async (fields, field, limit) => {
      const refused = {
        code: '23514',
        message: `value for domain hp_private.${field} violates check constraint "${field}: ${limit}"`,
      };
      await expect(upsert({ worker_name: 'unlimited', ...fields })).rejects.toMatchObject(refused);
      await upsert({ worker_name: 'limited', status: 'idle' });
      await expect(
        db.as(
          'service_role',
          {},
          (sql) => sql`update hp_worker_status set ${sql({ last_heartbeat: '2001-01-01', ...fields })}
          where worker_name = 'limited'`,
        ),
      ).rejects.toMatchObject(refused);
      expect(await db.sql`select from hp_worker_status where worker_name = 'unlimited'`).toHaveLength(0);
    },
  );

  it.each([
    [
      { late_after_intervals: 3, lost_after_intervals: 2 },
      'lost_after_intervals must be at least late_after_intervals, 3',
    ],
    [{ metadata: 'text' }, 'metadata must be an object'],
    [
      { metadata: { blob: randomBytes(30_000).toString('hex') } },
      expect.stringMatching(/^metadata takes \d+ bytes; at most 32768$/) as string,
    ],
  ])('that breaks a limit of two fields or of metadata gets an error too: %o', async (fields, message) => {
    const refused = { code: 'PT400', message };
    await expect(upsert({ worker_name: 'hasty', ...fields })).rejects.toMatchObject(refused);
    await upsert({ worker_name: 'patient', status: 'idle' });
    await expect(upsert({ worker_name: 'patient', ...fields })).rejects.toMatchObject(refused);
  });

  it('under a name that no worker may have gets an error with the rule of names', async () => {
    await expect(upsert({ worker_name: 'ein name', status: 'idle' })).rejects.toMatchObject({
      code: '23514',
      message: expect.stringContaining('"worker_name: A-Za-z0-9 first, at most 128 of A-Za-z0-9@:._/-"'),
    });
  });

  it('with a limit for every field that a client may write, and none that PostgreSQL would cut short', async () => {
    const limits = await db.sql`
      select t.typname as field, c.conname as limit from pg_type t join pg_constraint c on c.contypid = t.oid
      where t.typnamespace = 'hp_private'::regnamespace and t.typtype = 'd'`;
    for (const { field, limit } of limits) {
      expect(limit).toMatch(new RegExp(`^${field}: `));
      expect(Buffer.byteLength(limit as string)).toBeLessThan(63);
    }
    const without = await db.sql`
      select a.attname from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = 'hp_worker_status'::regclass and t.typtype <> 'd' and t.typname not in ('timestamptz', 'bool', 'jsonb')
        and has_column_privilege('service_role', a.attrelid, a.attnum, 'update')`;
    expect(without).toEqual([]);
  });

  it('may not write what the rules of truth decide', async () => {
    for (const column of ['worker_id', 'epoch', 'revision', 'sequence', 'counted_jobs']) {
      await expect(upsert({ worker_name: 'forger', [column]: 1 })).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('gives its row to the module when the worker moves over', async () => {
    await upsert({ worker_name: 'moving', status: 'idle', jobs_processed: 7 });
    const answer = await new Process(db.sql, 'moving').send({ jobs_total: 2 });
    expect(answer.current).toBe(true);
    expect((await row('moving')).jobs_processed).toBe('9');
  });
});

describe('hp_stop_worker', () => {
  const stop = (name: string, reason?: string) =>
    db.as('service_role', {}, (sql) => sql`select hp_stop_worker(${name}, ${reason ?? null}) as done`);

  it('marks a worker as stopped with the reason, and its next beat takes that back', async () => {
    const worker = new Process(db.sql, 'taken-down');
    await worker.send({ status: 'processing', current_status: 'x' });
    await stop('taken-down', 'host retired');
    expect(await row('taken-down')).toMatchObject({
      status: 'stopped',
      status_reason: 'host retired',
      current_status: null,
      lease_expires_at: null,
    });
    await worker.send();
    expect((await row('taken-down')).status).toBe('idle');
  });

  it('does not repeat the last words of an earlier end, nor does a plain write', async () => {
    const worker = new Process(db.sql, 'quoted');
    const last_exit = { code: 1, error: 'old boom' };
    await worker.send();
    await worker.send({ status: 'crashed', last_exit });
    await stop('quoted');
    expect((await row('quoted')).last_exit).toBeNull();
    await worker.send();
    await worker.send({ status: 'crashed', last_exit });
    await upsert({ worker_name: 'quoted', status: 'stopped' });
    expect((await row('quoted')).last_exit).toBeNull();
  });

  it('is refused to a session that names nobody', async () => {
    await new Process(db.sql, 'nameless').send();
    const call = db.as('authenticated', {}, (sql) => sql`select hp_stop_worker('nameless')`);
    await expect(call).rejects.toMatchObject({ code: 'PT403' });
    await expect(db.as('authenticated', {}, (sql) => sql`select hp_watch()`)).rejects.toMatchObject({
      code: 'PT403',
    });
  });

  it('says which worker does not exist', async () => {
    await expect(stop('nobody')).rejects.toMatchObject({
      code: 'PT404',
      message: 'there is no worker named nobody',
    });
  });

  it('is for operators and owners', async () => {
    await new Process(db.sql, 'guarded').send();
    const as = (person: 'alice' | 'bob' | 'carol' | 'mallory') =>
      db.asPerson(person, (sql) => sql`select hp_stop_worker('guarded')`);
    await expect(as('carol')).rejects.toMatchObject({ code: 'PT403' });
    await expect(as('mallory')).rejects.toMatchObject({ code: 'PT403' });
    await expect(as('bob')).resolves.toBeDefined();
    await expect(as('alice')).resolves.toBeDefined();
  });
});
