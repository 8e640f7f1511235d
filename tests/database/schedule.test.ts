import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDataDir } from '../../supabase/local/data-dir.ts';
import { migrate } from '../../supabase/local/migrate.ts';
import { startCluster, type Cluster } from '../../supabase/local/postgres/cluster.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { debianPostgres } from '../support/installed-postgres.ts';
import { until } from '../support/until.ts';

const folder = join(import.meta.dirname, '../../supabase/migrations');
const file = readdirSync(folder).find((name) => name.endsWith('_tick.sql'))!;
const migration = readFileSync(join(folder, file), 'utf8');

const period = async (sql: Sql) =>
  (await sql`select value from hp_setting where key = 'tick_every_s'`)[0]!.value as number;
const jobs = async (sql: Sql) =>
  (await sql`select jobname, schedule from cron.job order by jobname desc`).map((job) => [
    job.jobname as string,
    job.schedule as string,
  ]);
const schedule = async (sql: Sql) =>
  (await sql`select hp_private.schedule_tick() as words`)[0]!.words as string;

describe('the schedule of the tick', () => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await createDatabase();
  });
  afterEach(() => db.drop());

  /** What pg_cron has, as far as we use it; the real one must be preloaded into the server. */
  const standIn = (seconds: boolean) =>
    db.sql.unsafe(`
      create schema cron;
      create table cron.job (jobid bigint generated always as identity, jobname text unique, schedule text, command text);
      create table cron.job_run_details (jobid bigint, runid bigint generated always as identity, end_time timestamptz);
      create function cron.schedule(job_name text, schedule text, command text) returns bigint language plpgsql as $$
      begin
        if schedule like '%seconds' and not ${seconds} then
          raise exception 'invalid schedule: %', schedule;
        end if;
        insert into cron.job (jobname, schedule, command) values (job_name, schedule, command);
        return 1;
      end $$;`);

  it('is every 5 seconds where pg_cron takes seconds, however often the migration runs', async () => {
    await standIn(true);
    await db.sql.unsafe(migration);
    await db.sql.unsafe(migration);
    expect(await jobs(db.sql)).toEqual([
      ['lastseen-tick-history', '17 3 * * *'],
      ['lastseen-tick', '5 seconds'],
    ]);
    expect(await period(db.sql)).toBe(5);
    expect(await schedule(db.sql)).toBe('scheduled already: 5 seconds');
    const [job] = await db.sql`select command from cron.job where jobname = 'lastseen-tick'`;
    const [row] = await db.sql.unsafe(job!.command);
    expect(row!.hp_tick).toMatchObject({ ran: true });
  });

  it('clears what pg_cron writes of these jobs after a day, and nothing of other jobs', async () => {
    await standIn(true);
    await schedule(db.sql);
    await db.sql`insert into cron.job (jobname) values ('somebody''s own')`;
    await db.sql`insert into cron.job_run_details (jobid, end_time)
      select j.jobid, now() - make_interval(hours => h) from cron.job j, unnest(array[1, 25]) h`;
    const [job] = await db.sql`select command from cron.job where jobname = 'lastseen-tick-history'`;
    await db.sql.unsafe(job!.command);
    const left = await db.sql`
      select j.jobname, count(*)::int as runs from cron.job_run_details d join cron.job j using (jobid)
      group by 1 order by 1`;
    expect(left.map(({ jobname, runs }) => [jobname, runs])).toEqual([
      ['lastseen-tick', 1],
      ['lastseen-tick-history', 1],
      ["somebody's own", 2],
    ]);
  });

  it('is each minute where it takes none, and the tick knows', async () => {
    await standIn(false);
    expect(await schedule(db.sql)).toBe('scheduled: * * * * *');
    expect(await jobs(db.sql)).toContainEqual(['lastseen-tick', '* * * * *']);
    expect(await period(db.sql)).toBe(60);
  });

  it.each([
    [true, 2, 2],
    [true, 300, 5],
    [false, 1, 1],
    [false, 300, 60],
  ])(
    'with seconds %s leaves a shorter period of somebody else as it is: %i, then %i',
    async (seconds, set, then) => {
      await standIn(seconds);
      await db.sql`update hp_setting set value = ${db.sql.json(set)} where key = 'tick_every_s'`;
      await schedule(db.sql);
      expect(await period(db.sql)).toBe(then);
    },
  );

  it('leaves a job at the pace that somebody has set', async () => {
    await standIn(true);
    await schedule(db.sql);
    await db.sql`update cron.job set schedule = '10 seconds' where jobname = 'lastseen-tick'`;
    await db.sql`update hp_setting set value = '10' where key = 'tick_every_s'`;
    await db.sql.unsafe(migration);
    expect(await jobs(db.sql)).toContainEqual(['lastseen-tick', '10 seconds']);
    expect(await period(db.sql)).toBe(10);
  });

  it("is nobody's where there is no pg_cron, or none that we may use, and that is no error", async () => {
    await db.sql.unsafe(migration);
    expect(await schedule(db.sql)).toMatch(/^not scheduled: /);
    await standIn(true);
    await db.sql`revoke all on schema cron from public`;
    await db.sql.begin(async (sql) => {
      await sql`grant usage on schema hp_private to anon`;
      await sql`grant execute on function hp_private.schedule_tick() to anon`;
      await sql`set local role anon`;
      const [row] = await sql`select hp_private.schedule_tick() as words`;
      expect(row!.words).toMatch(/^not scheduled: permission denied/);
      await sql`reset role`;
    });
    expect(await period(db.sql)).toBe(5);
  });
});

const debian15 = debianPostgres(15);
const installed = debian15 && existsSync('/usr/share/postgresql/15/extension/pg_cron.control');

// Where it isn't installed these are passed over; the stand-ins above say what we ask of it.
describe.runIf(installed)('the pg_cron of Debian, which takes no seconds', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const { cluster: folder, keys, throwAway } = freshDataDir();
    const options = { folder, password: keys.databasePassword, programs: debian15 };
    cluster = await startCluster(options);
    const root = postgres(cluster.url, { max: 1, onnotice: () => {} });
    await root`create database home`;
    await root`create database elsewhere`;
    await root.end();
    await cluster.stop();
    // note: not by alter system, which knows the extension's settings only once it is loaded.
    appendFileSync(
      join(folder, 'postgresql.auto.conf'),
      `shared_preload_libraries = 'pg_cron'\ncron.database_name = 'home'\ncron.use_background_workers = on\n`,
    );
    cluster = await startCluster({ ...options, throwAway });
  });
  afterAll(() => cluster?.stop());
  const connect = (name: string) => {
    const url = new URL(cluster.url);
    url.pathname = `/${name}`;
    return postgres(url.href, { max: 1, onnotice: () => {} });
  };

  it('runs the tick each minute, and is asked for no more by a second run', async () => {
    const sql = connect('home');
    try {
      await migrate(sql);
      expect(await jobs(sql)).toEqual([
        ['lastseen-tick-history', '17 3 * * *'],
        ['lastseen-tick', '* * * * *'],
      ]);
      expect(await period(sql)).toBe(60);
      await sql.unsafe(migration);
      expect(await jobs(sql)).toHaveLength(2);
      const runs = () =>
        sql`select from cron.job_run_details where command like '%hp_tick%' and status = 'succeeded'`;
      await until(async () => (await runs()).length, { timeout: 75_000, what: 'a run by pg_cron' });
      expect((await sql`select tick_at from hp_private.monitor`)[0]!.tick_at).not.toBeNull();
      await sql`update cron.job_run_details set end_time = end_time - interval '25 hours'`;
      const [job] = await sql`select command from cron.job where jobname = 'lastseen-tick-history'`;
      await sql.unsafe(job!.command);
      expect(await runs()).toHaveLength(0);
    } finally {
      await sql.end();
    }
  }, 90_000);

  it('is at home in one database, and the migrations pass in the others', async () => {
    const sql = connect('elsewhere');
    try {
      await migrate(sql);
      expect(await schedule(sql)).toMatch(/^not scheduled: can only create extension in database home/);
      expect(await period(sql)).toBe(5);
    } finally {
      await sql.end();
    }
  });
});
