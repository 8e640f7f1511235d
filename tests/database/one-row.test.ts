import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beat, Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
  await db.sql`update hp_private.monitor set viewed_until = 'infinity'`;
});
afterEach(() => db.drop());

const most = 9007199254740991n;
const start = Date.now() - 3_600_000;
const at = (seconds: number) => new Date(start + seconds * 1000);
const tick = async (seconds: number) =>
  (await db.sql`select hp_private.tick(${at(seconds)}) as done`)[0]!.done;
const failures = async () =>
  (
    await db.sql`select details ->> 'part' as part from hp_worker_event where to_value = 'failed' order by id`
  ).map(({ part }) => part as string);

/** Writes past all triggers, as a restored dump does. */
const writeAnyway = (column: string, value: string) =>
  db.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql.unsafe(`update hp_worker_status set ${column} = '${value}' where worker_name = 'odd'`);
  });

it.each([
  ['last_run_at', 'infinity'],
  ['next_run_at', '-infinity'],
  ['started_at', '20000-01-01 00:00Z'],
  ['last_error_at', 'infinity'],
])('a plain write of %s %s is refused, as an insert and as an update', async (column, value) => {
  const refused = {
    code: 'PT400',
    message: expect.stringMatching(`^${column} is .*; it must be a time in the years 1 to 9999$`) as string,
  };
  await db.sql`insert into hp_worker_status (worker_name, status) values ('odd', 'idle')`;
  const write = (name: string) =>
    db.sql.unsafe(`insert into hp_worker_status (worker_name, ${column}) values ('${name}', '${value}')
      on conflict (worker_name) do update set ${column} = excluded.${column}`);
  await expect(write('new')).rejects.toMatchObject(refused);
  await expect(write('odd')).rejects.toMatchObject(refused);
});

describe('a row that holds an impossible value', () => {
  it.each([
    ['last_run_at', 'infinity'],
    ['last_run_at', '-infinity'],
    ['next_run_at', '-infinity'],
    ['next_run_at', 'infinity'],
    ['started_at', '-infinity'],
    ['last_error_at', 'infinity'],
    ['circuit_breaker_retry_at', 'infinity'],
    ['status_since', 'infinity'],
  ])('%s %s stops no other worker, neither the tick nor the page', async (column, value) => {
    for (const kind of ['resident', 'scheduled'] as const) {
      await new Process(db.sql, 'odd', { kind }).send({ poll_interval_s: 5, last_run_age_ms: 10 }, at(0));
      await writeAnyway(column, value);
      const other = new Process(db.sql, `beside ${kind}`.replace(' ', '/'));
      for (let second = 1; second <= 71; second += 5) {
        expect(
          await other.send({ current_status: `${second}`, jobs_total: second }, at(second)),
        ).toMatchObject({ ok: true });
        await db.sql`insert into hp_worker_status (worker_name, status) values ('plain', 'idle')
          on conflict (worker_name) do update set status = excluded.status, last_heartbeat = now()`;
        expect(await tick(second)).toMatchObject({ ran: true });
      }
      expect(await failures()).toEqual([]);
      expect((await db.sql`select failure from hp_private.history`)[0]).toEqual({ failure: null });
      await db.sql`select hp_fleet(), hp_worker_page('odd')`;
      await db.sql`select * from hp_active_workers, hp_dead_workers, hp_worker_stats`;
      await db.sql`delete from hp_worker_status where worker_name = 'odd'`;
    }
  });
});

it.each(['10000000', '1e300', '-1', '"many"', '0.5'])(
  'a setting of %s stops neither the tick nor a beat',
  async (value) => {
    await db.sql`update hp_setting set value = ${value}::text::jsonb`;
    const worker = new Process(db.sql, 'steady');
    for (const second of [0, 1, 90, 4000]) {
      expect(
        await worker.send({ current_status: `${second}`, logs: [[second + 1, 0, 'info', 'a']] }, at(second)),
      ).toMatchObject({
        ok: true,
      });
      expect(await tick(second)).toMatchObject({ ran: true });
    }
    expect(await failures()).toEqual([]);
    expect((await db.sql`select failure from hp_private.history`)[0]).toEqual({ failure: null });
  },
);

describe('a total at the largest number', () => {
  beforeEach(async () => {
    await new Process(db.sql, 'counts').send({ jobs_total: 1 }, at(0));
    await db.sql.begin(async (sql) => {
      await sql`set local application_name = 'lastseen own write'`;
      await sql`update hp_worker_status set jobs_processed = ${most.toString()}, error_count = ${most.toString()}
        where worker_name = 'counts'`;
    });
  });
  const total = async () =>
    (await db.sql`select jobs_processed, error_count from hp_worker_status where worker_name = 'counts'`)[0]!;
  const full = { jobs_processed: most.toString(), error_count: most.toString() };

  it('stays there, and costs the others of its call nothing', async () => {
    const [{ instance_id: instance }] = (await db.sql`
      select instance_id from hp_worker_status where worker_name = 'counts'`) as unknown as [
      { instance_id: string },
    ];
    const others = [new Process(db.sql, 'one'), new Process(db.sql, 'two')];
    for (const [sequence, more] of [
      [2, {}],
      [3, { current_status: 'changed' }],
    ] as const) {
      const own = {
        worker_name: 'counts',
        instance_id: instance,
        sequence,
        status: 'idle',
        heartbeat_interval_s: 10,
      };
      const answers = await beat(
        db.sql,
        [others[0]!.next(), { ...own, ...more, jobs_total: 1e15, errors_total: 1e15 }, others[1]!.next()],
        at(sequence),
      );
      expect(answers.map(({ ok }) => ok)).toEqual([true, true, true]);
      expect(await total()).toEqual(full);
    }
    for (const second of [5, 65, 70]) await tick(second);
    expect(await failures()).toEqual([]);
    expect((await db.sql`select failure from hp_private.history`)[0]).toEqual({ failure: null });
  });

  it('stays there when other processes are credited', async () => {
    for (const second of [1, 100, 200]) {
      const process = new Process(db.sql, 'counts');
      for (const more of [0, 1])
        expect(await process.send({ jobs_total: 1e15, errors_total: 1e15 }, at(second + more))).toMatchObject(
          { ok: true },
        );
    }
    expect(await total()).toEqual(full);
  });

  it('stays there when a plain write restarts the count', async () => {
    await db.sql`update hp_worker_status set jobs_processed = 5, error_count = ${(most - 1n).toString()}, last_heartbeat = now()
      where worker_name = 'counts'`;
    expect(await total()).toEqual(full);
  });
});

describe('a part that fails', () => {
  const broken = (signature: string, returns: string) =>
    db.sql
      .unsafe(`create or replace function hp_private.${signature} returns ${returns} language plpgsql set search_path = ''
      as $$ begin raise exception 'on purpose'; end $$`);

  it('of the tick is an event an hour, and the others run', async () => {
    await broken('release_leases(at timestamptz)', 'integer');
    await broken('forget_seen(at timestamptz)', 'void');
    await tick(0);
    await new Process(db.sql, 'silent').send({}, at(1));
    for (let second = 5; second <= 65; second += 5) expect(await tick(second)).toMatchObject({ ran: true });
    expect((await db.sql`select status from hp_worker_status where worker_name = 'silent'`)[0]).toEqual({
      status: 'crashed',
    });
    expect(await failures()).toEqual(['release_leases', 'forget_seen']);
    await tick(3700);
    expect(await failures()).toEqual(['release_leases', 'forget_seen', 'release_leases', 'forget_seen']);
  });

  it('in judging silence leaves the rest of the tick', async () => {
    await broken(
      'mark_crashed(names text[], leases timestamptz[], deadlines timestamptz[], reasons text[])',
      'text[]',
    );
    await tick(0);
    await new Process(db.sql, 'silent').send({}, at(1));
    for (let second = 5; second <= 65; second += 5) expect(await tick(second)).toMatchObject({ ran: true });
    expect(await failures()).toEqual(['judge_silence']);
    expect((await db.sql`select tick_at from hp_private.monitor`)[0]).toEqual({ tick_at: at(65) });
  });

  it('in sending costs no beat, and a failed part is no outage of the monitor in the history', async () => {
    await broken('send_transition(names text[])', 'void');
    await tick(0);
    const worker = new Process(db.sql, 'reports');
    for (const second of [1, 6, 11]) {
      expect(await worker.send({ status: second > 5 ? 'error' : 'idle' }, at(second))).toMatchObject({
        ok: true,
      });
      await tick(second);
    }
    expect(await failures()).toEqual(['heartbeat']);
    expect(
      (await db.sql`select hp_private.seconds_of(hp_private.monitored(${at(0)}, ${at(11)})) as seconds`)[0],
    ).toEqual({ seconds: 11 });
  });
});
