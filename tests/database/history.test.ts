import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
  await db.sql`truncate hp_worker_status, hp_worker_group cascade`;
});
afterEach(() => db.drop());

/** The first second of a day of UTC, so that minutes, hours and days begin where they seem to. */
const start = Date.UTC(2026, 9, 25);
const at = (seconds: number) => new Date(start + seconds * 1000);
const tick = async (seconds: number) => db.sql`select hp_private.tick(${at(seconds)})`;
/** The watch runs without a gap, as pg_cron has it. */
const watch = async (from: number, to: number, every = 5) => {
  for (let second = from; second <= to; second += every) await tick(second);
};

interface Step {
  up_s: number | null;
  known_s: number | null;
  jobs: number | null;
  errors: number | null;
  cpu_mean: number | null;
  cpu_max: number | null;
  memory_mean: number | null;
  memory_max: number | null;
  lag_max: number | null;
}
interface History {
  from: string;
  to: string;
  step_s: number;
  points: { at: number[] } & { [K in keyof Step]: Step[K][] };
  days: { day: string; up_s: number | null; known_s: number | null }[];
  failure: string | null;
}
const history = async (name: string, range: string, seconds: number) =>
  (await db.sql`select hp_private.worker_history(${name}, ${range}, ${at(seconds)}) as it`)[0]!.it as History;
/** A column of the steps from one second to another. */
const column = async <K extends keyof Step>(
  name: string,
  what: K,
  [from, to]: [number, number],
  range = '1h',
  now = to + 5,
) => {
  const { points } = await history(name, range, now);
  return points[what].filter((_, i) => {
    const second = points.at[i]! - start / 1000;
    return second >= from && second < to;
  });
};

describe('the roll-up', () => {
  it('counts the seconds that a worker was up from its transitions, not from how it is when looked at', async () => {
    const worker = new Process(db.sql, 'mortal', { heartbeat_interval_s: 20 });
    await watch(0, 10);
    await worker.send({}, at(10));
    await watch(15, 80);
    await worker.send({}, at(80));
    await watch(85, 140);
    await worker.send({ status: 'crashed', status_reason: 'exit code 1' }, at(140));
    await watch(145, 190);
    await new Process(db.sql, 'mortal', { heartbeat_interval_s: 20 }).send({}, at(190));
    await watch(195, 240);
    expect(await column('mortal', 'up_s', [0, 240])).toEqual([50, 60, 20, 50]);
    expect(await column('mortal', 'known_s', [0, 240])).toEqual([50, 60, 60, 60]);
  });

  it('takes a minute without a watch for a gap, and what was done in it for nobody’s', async () => {
    const worker = new Process(db.sql, 'steady', { heartbeat_interval_s: 60 });
    await watch(0, 60);
    await worker.send({ jobs_total: 0 }, at(60));
    await watch(65, 120);
    await worker.send({ jobs_total: 6 }, at(120));
    await watch(125, 150); // …and then nobody looks for five minutes
    await worker.send({ jobs_total: 66 }, at(445));
    await watch(450, 540);
    expect(await column('steady', 'known_s', [0, 540])).toEqual([
      null,
      60,
      30,
      ...Array(4).fill(null),
      35,
      60,
    ]);
    expect(await column('steady', 'up_s', [60, 180])).toEqual([60, 30]);
    const jobs = await column('steady', 'jobs', [60, 540]);
    // Five minutes' work, as it was heard of in one lump: those that were watched have their share.
    expect(jobs).toEqual([0, 13, null, null, null, null, 11, 0]);
  });

  it('takes mean and maximum over the beats of a minute, not from the last of them', async () => {
    const worker = new Process(db.sql, 'busy');
    await watch(0, 60);
    for (const [second, cpu] of [
      [61, 10],
      [71, 90],
      [81, 20],
    ] as const) {
      await watch(second - 1, second);
      await worker.send(
        { cpu_percent: cpu, memory_percent: cpu / 2, event_loop_lag_ms: cpu * 3 },
        at(second),
      );
    }
    await watch(85, 120);
    await worker.send({ cpu_percent: 30, memory_percent: 30, event_loop_lag_ms: 1 }, at(121));
    await watch(125, 180);
    expect(await column('busy', 'cpu_mean', [60, 180])).toEqual([40, 30]);
    expect(await column('busy', 'cpu_max', [60, 180])).toEqual([90, 30]);
    expect(await column('busy', 'memory_mean', [60, 180])).toEqual([20, 30]);
    expect(await column('busy', 'memory_max', [60, 180])).toEqual([45, 30]);
    expect(await column('busy', 'lag_max', [60, 180])).toEqual([270, 1]);
  });

  it('makes right minutes also where the tick comes once a minute, or late', async () => {
    await db.sql`update hp_setting set value = '60' where key = 'tick_every_s'`;
    const worker = new Process(db.sql, 'steady', { heartbeat_interval_s: 600 });
    await tick(1);
    await worker.send({}, at(30));
    await tick(61);
    await worker.send({ jobs_total: 5 }, at(90));
    await tick(122);
    await worker.send({ jobs_total: 35 }, at(230));
    await worker.send({ status: 'stopped' }, at(240));
    await tick(301); // three minutes later: late, and no gap yet
    expect(await column('steady', 'up_s', [0, 300])).toEqual([30, 60, 60, 60, 0]);
    expect(await column('steady', 'jobs', [0, 300])).toEqual([0, 5, 10, 10, 10]);
  });

  it('writes a minute once, however often and from wherever the tick is called', async () => {
    await new Process(db.sql, 'steady', { heartbeat_interval_s: 60 }).send({}, at(0));
    await watch(0, 55);
    await Promise.all([tick(60), tick(60), tick(60), tick(61)]);
    await tick(30);
    const rows = await db.sql`select at from hp_worker_bucket`;
    expect(rows.map((row) => row.at)).toEqual([at(0)]);
  });

  it('takes no total that was put back, and none that a removed worker left, for work', async () => {
    // It runs for an hour already: nobody knows when it did what it has done.
    const traits = { heartbeat_interval_s: 60, uptime_ms: 3_600_000 };
    const first = new Process(db.sql, 'renewed', traits);
    await watch(0, 5);
    await first.send({ jobs_total: 1000, errors_total: 100 }, at(6));
    await watch(10, 60);
    await first.send({ jobs_total: 1010, errors_total: 101 }, at(61));
    await watch(65, 120);
    await db.sql`update hp_worker_status set jobs_processed = 3, error_count = 0 where worker_name = 'renewed'`;
    await watch(125, 180);
    await first.send({ jobs_total: 1012, errors_total: 101 }, at(181));
    await watch(185, 240);
    expect(await column('renewed', 'jobs', [0, 240])).toEqual([null, 10, null, 2]);
    expect(await column('renewed', 'errors', [0, 240])).toEqual([null, 1, null, 0]);

    await db.sql`delete from hp_worker_status where worker_name = 'renewed'`;
    await new Process(db.sql, 'renewed', traits).send({ jobs_total: 500 }, at(241));
    await watch(245, 300);
    expect(await column('renewed', 'jobs', [0, 300])).toEqual([null, null, null, null, null]);
    expect(await column('renewed', 'up_s', [180, 300])).toEqual([null, 59]);
  });

  it('counts the first work of a worker that is new, however short it runs', async () => {
    await watch(0, 60);
    const brief = new Process(db.sql, 'brief', { heartbeat_interval_s: 60 });
    await brief.send({ jobs_total: 0, uptime_ms: 2000 }, at(61));
    await brief.send({ jobs_total: 65, errors_total: 2, status: 'stopped', uptime_ms: 31_000 }, at(90));
    await new Process(db.sql, 'slow', { heartbeat_interval_s: 60 }).send(
      { jobs_total: 3, uptime_ms: 240_000 },
      at(100),
    );
    await watch(65, 120);
    expect(await column('brief', 'jobs', [0, 120])).toEqual([null, 65]);
    expect(await column('brief', 'errors', [0, 120])).toEqual([null, 2]);
    expect(await column('slow', 'jobs', [0, 120])).toEqual([null, 3]);
    await watch(125, 180);
    expect(await column('slow', 'jobs', [120, 180])).toEqual([0]);
  });

  it('counts no downtime that is meant: a pause, a replica that ended, a worker that never reported', async () => {
    await db.sql`insert into hp_worker_status (worker_name) values ('declared')`;
    await db.sql`insert into hp_worker_group (worker_type, paused_until) values ('night', 'infinity')`;
    await watch(0, 5);
    const traits = { heartbeat_interval_s: 60 };
    for (const [name, more] of [
      ['paused', {}],
      ['grouped', { worker_type: 'night' }],
      ['replica', { expected: false }],
      ['expected', {}],
    ] as const) {
      const worker = new Process(db.sql, name, { ...traits, ...more });
      await worker.send({}, at(6));
      await worker.send({ status: 'stopped' }, at(16));
    }
    await db.sql`update hp_worker_status set paused_until = ${at(90)} where worker_name = 'paused'`;
    await watch(20, 180);
    for (const name of ['paused', 'grouped', 'replica', 'expected'])
      expect(await column(name, 'up_s', [0, 60]), name).toEqual([10]);
    expect(await column('paused', 'known_s', [0, 180])).toEqual([10, null, 60]);
    expect(await column('grouped', 'known_s', [0, 180])).toEqual([10, null, null]);
    expect(await column('replica', 'known_s', [0, 180])).toEqual([10, null, null]);
    expect(await column('expected', 'known_s', [0, 180])).toEqual([54, 60, 60]);
    expect(await column('declared', 'known_s', [0, 180])).toEqual([null, null, null]);
  });

  it('counts a scheduled worker as up between its runs, until it is overdue', async () => {
    await watch(0, 5);
    const cron = new Process(db.sql, 'nightly', { kind: 'scheduled', grace_s: 30, heartbeat_interval_s: 10 });
    await cron.send({ status: 'processing' }, at(6));
    await cron.send({ status: 'stopped', next_run_in_ms: 80_000 }, at(10));
    await watch(10, 180);
    expect(await column('nightly', 'up_s', [0, 180])).toEqual([54, 60, 0]);
    expect(await column('nightly', 'known_s', [0, 180])).toEqual([54, 60, 60]);
  });

  it('knows nothing of a time in which the watch was in doubt', async () => {
    await watch(0, 5);
    const fleet = Array.from(
      { length: 8 },
      (_, i) => new Process(db.sql, `w-${i}`, { heartbeat_interval_s: 10 }),
    );
    for (let second = 6; second <= 56; second += 10) {
      for (const worker of fleet) await worker.send({ jobs_total: second }, at(second));
      await watch(second + 4, second + 9);
    }
    await watch(70, 150); // all of them silent together
    const [monitor] = await db.sql`select impaired_since from hp_private.monitor`;
    expect(monitor!.impaired_since).not.toBeNull();
    for (let second = 151; second <= 231; second += 10) {
      for (const worker of fleet) await worker.send({ jobs_total: 200 }, at(second));
      await watch(second + 4, second + 9);
    }
    const impaired = (monitor!.impaired_since.getTime() - start) / 1000;
    const known = await column('w-3', 'known_s', [0, 240]);
    expect(known).toEqual([54, impaired - 60, known[2], 60]);
    expect(known[2]).toBeLessThan(30);
    expect(await column('w-3', 'up_s', [0, 240])).toEqual(known);
  });

  it('that fails leaves the watch alone, says so, and makes up for it afterwards', async () => {
    await watch(0, 5);
    await new Process(db.sql, 'mortal').send({}, at(6));
    await watch(10, 55);
    await db.sql`alter table hp_private.history_total rename to hidden`;
    await watch(60, 120);
    const [row] = await db.sql`select status from hp_worker_status where worker_name = 'mortal'`;
    expect(row!.status).toBe('crashed');
    expect((await history('mortal', '1h', 125)).failure).toMatch(/history_total/);
    await db.sql`alter table hp_private.hidden rename to history_total`;
    await watch(125, 180);
    expect((await history('mortal', '1h', 185)).failure).toBeNull();
    expect(await column('mortal', 'up_s', [0, 180])).toEqual([50, 0, 0]);
    expect(await column('mortal', 'known_s', [0, 180])).toEqual([54, 60, 60]);
  });
});

/** Steps of a worker as the roll-up would have written them, without living through them. `n` is the step's number. */
async function write(name: string, step: 60 | 3600 | 86400, from: number, count: number) {
  const [worker] = await db.sql`
    insert into hp_worker_status (worker_name) values (${name})
    on conflict (worker_name) do update set description = 'written' returning worker_id::int as id`;
  const id = worker!.id as number;
  const place = (value: string, type = 'integer') =>
    `array_fill(null::${type}, array[${id % 128}]) || (${value})::${type}`;
  await db.sql.unsafe(`
    select hp_private.make_history_room(${step}, t) from generate_series(
      to_timestamp(${start / 1000 + from}), to_timestamp(${start / 1000 + from + count * step}), '6 hours') t;
    insert into hp_worker_bucket
    select ${step}, to_timestamp(${start / 1000 + from} + n * ${step}), ${Math.floor(id / 128)},
      ${place(`${step} - n % 2 * ${step} / 2`)}, ${place(String(step))}, ${place('n % 10')}, ${place('1')},
      ${place('100 + n % 3', 'smallint')}, ${place('n % 700', 'smallint')}, ${place('200', 'smallint')},
      ${place('210', 'smallint')}, ${place('n % 60', 'smallint')}, n % 10
    from generate_series(0, ${count - 1}) n`);
  return id;
}
/** The roll-up stands at the end of a minute. */
const stand = (minutes: number, hours: number, days: number) => db.sql`
  update hp_private.history set kept_since = ${at(0)}, counted_to = ${at(minutes)}, minutes_to = ${at(minutes)},
    hours_to = ${at(hours)}, days_to = ${at(days)}`;
const hour = 3600;
const day = 24 * hour;

describe('longer steps', () => {
  it('are made of minutes: hours and days of UTC, where a summer time ends too', async () => {
    // In Berlin this day has 25 hours, and a session may be there.
    await db.sql.unsafe(`alter database ${db.url.split('/').at(-1)} set timezone = 'Europe/Berlin'`);
    const there = postgres(db.url, { max: 1 });
    await write('old', 60, 0, 1440);
    await stand(day, 0, 0);
    await there`select hp_private.pack_steps() from generate_series(1, 50)`;
    const rows = await there`
      select step_s, count(*)::int as count, min(extract(epoch from at))::float8 as first, max(extract(epoch from at))::float8 as last
      from hp_worker_bucket group by step_s order by step_s`;
    await there.end();
    expect(rows).toEqual([
      { step_s: 60, count: 1440, first: start / 1000, last: start / 1000 + day - 60 },
      { step_s: 3600, count: 24, first: start / 1000, last: start / 1000 + day - hour },
      { step_s: 86400, count: 1, first: start / 1000, last: start / 1000 },
    ]);
    expect(await column('old', 'jobs', [0, day], '7d')).toEqual(Array(24).fill(270));
    expect(await column('old', 'jobs', [0, day], '90d')).toEqual(Array(4).fill(1620));
    expect(await column('old', 'up_s', [0, day], '7d')).toEqual(Array(24).fill(2700));
    expect(await column('old', 'cpu_max', [0, 2 * hour], '7d')).toEqual([5.9, 11.9]);
    expect(await column('old', 'cpu_mean', [0, hour], '7d')).toEqual([10.1]);
    expect(await column('old', 'lag_max', [0, hour], '7d')).toEqual([59]);
    const { days } = await history('old', '7d', day + 90);
    expect(days.slice(-2)).toEqual([
      { day: '2026-10-25', up_s: day * 0.75, known_s: day },
      { day: '2026-10-26', up_s: null, known_s: null },
    ]);
  });

  it('have a gap where the watch lost hours, and no work of those in the hours around them', async () => {
    const worker = new Process(db.sql, 'steady', { heartbeat_interval_s: 3600 });
    await watch(0, 5);
    await worker.send({ jobs_total: 0 }, at(6));
    await watch(10, 120);
    await worker.send({ jobs_total: 6000 }, at(3 * hour));
    await watch(3 * hour, 3 * hour + 120);
    await watch(4 * hour, 4 * hour + 10); // so that the hour is over
    expect(await column('steady', 'up_s', [0, 4 * hour], '7d')).toEqual([114, null, null, 120]);
    const jobs = await column('steady', 'jobs', [0, 4 * hour], '7d');
    expect(jobs).toEqual([expect.any(Number), null, null, expect.any(Number)]);
    // 6,000 in three hours are some 33 a minute.
    for (const some of [jobs[0]!, jobs[3]!]) expect(some).toBeLessThan(100);
    const { days } = await history('steady', '7d', 4 * hour + 10);
    expect(days.at(-1)).toMatchObject({ up_s: 234, known_s: 234 });
  });

  it('are read whole while they are made: what is not an hour yet comes out of the minutes', async () => {
    await write('old', 60, 0, 150);
    await stand(150 * 60, 0, 0);
    expect(await column('old', 'jobs', [0, 3 * hour], '7d', 150 * 60)).toEqual([270, 270, 135]);
    await tick(150 * 60);
    const [made] = await db.sql`select count(*)::int as n from hp_worker_bucket where step_s = 3600`;
    expect(made!.n).toBeGreaterThan(0);
    expect(await column('old', 'jobs', [0, 3 * hour], '7d', 150 * 60)).toEqual([270, 270, 135]);
    const { days } = await history('old', '7d', 150 * 60);
    expect(days.at(-1)).toEqual({ day: '2026-10-25', up_s: 150 * 45, known_s: 150 * 60 });
    expect(await column('old', 'jobs', [0, 150 * 60], '24h', 150 * 60)).toEqual(
      Array.from({ length: 30 }, (_, i) => (i % 2 ? 35 : 10)),
    );
  });
});

describe('what is kept', () => {
  const parts = async () =>
    (
      await db.sql`select split_part(inhrelid::regclass::text, '.', 2) as name from pg_inherits
        where inhparent = 'hp_worker_bucket'::regclass order by 1`
    ).map(({ name }) => name as string);
  const set = (key: string, value: number) =>
    db.sql`update hp_setting set value = ${value} where key = ${key}`;

  it('is two days of minutes and 90 days of the rest, and goes by the file', async () => {
    await write('old', 60, 0, 3 * 1440);
    await write('old', 3600, -92 * day, 95 * 24);
    await write('old', 86400, -95 * day, 98);
    await db.sql`select hp_private.sweep_history(${at(3 * day)})`;
    const [row] = await db.sql`select
      min(at) filter (where step_s = 60) as minutes, min(at) filter (where step_s = 3600) as hours,
      min(at) filter (where step_s = 86400) as days from hp_worker_bucket`;
    expect(row!.minutes).toEqual(at(day));
    // Partitions of hours are a week: no day of the 90 is missing, and at most six more are there.
    expect((row!.hours.getTime() - start) / 1000 / day).toBeLessThanOrEqual(-87);
    expect((row!.hours.getTime() - start) / 1000 / day).toBeGreaterThan(-94);
    expect(row!.days).toEqual(at(-88 * day));
    await set('history_minutes_hours', 12);
    await set('history_days', 14);
    await db.sql`select hp_private.sweep_history(${at(3 * day)})`;
    expect((await parts()).filter((name) => name.startsWith('worker_bucket_60'))).toEqual([
      'worker_bucket_60_2026102712',
      'worker_bucket_60_2026102718',
      'worker_bucket_60_2026102800',
    ]);
  });

  it('is no more than history_max_mb: minutes give way while they have the most of it, the newest stay', async () => {
    await write('old', 60, 0, 3 * 1440);
    await write('old', 3600, -60 * day, 60 * 24);
    const size = async () =>
      Number(
        (
          await db.sql`select sum(pg_total_relation_size(inhrelid)) as bytes from pg_inherits
            where inhparent = 'hp_worker_bucket'::regclass`
        )[0]!.bytes,
      );
    const before = await size();
    await set('history_max_mb', (before - 1) / 1048576);
    await db.sql`select hp_private.sweep_history(${at(60)})`;
    const [one] = [await parts()];
    expect(one).not.toContain('worker_bucket_60_2026102500');
    expect(one).toContain('worker_bucket_60_2026102506');
    expect(await size()).toBeLessThan(before);
    await set('history_max_mb', 0);
    await db.sql`select hp_private.sweep_history(${at(60)})`;
    expect(await parts()).toEqual([
      expect.stringMatching(/^worker_bucket_3600_/),
      'worker_bucket_60_2026102800',
      'worker_bucket_86400',
    ]);
  });

  it('is a whole day also where its minutes had to make room: hours, spread evenly', async () => {
    await write('old', 60, 0, 1440);
    await stand(day, 0, 0);
    await db.sql`select hp_private.pack_steps() from generate_series(1, 50)`;
    const before = await column('old', 'jobs', [0, day], '24h', day);
    await set('history_minutes_hours', 12);
    await db.sql`select hp_private.sweep_history(${at(day)})`;
    const [left] = await db.sql`select min(at) as at from hp_worker_bucket where step_s = 60`;
    expect(left!.at).toEqual(at(12 * hour));
    const after = await column('old', 'jobs', [0, day], '24h', day);
    // 270 an hour.
    expect(after.slice(0, 12)).toEqual([22, 23, 22, 23, 22, 23, 22, 23, 22, 23, 22, 23]);
    expect(after.slice(0, 144).reduce((a, b) => a! + b!, 0)).toBe(12 * 270);
    expect(after.slice(144)).toEqual(before.slice(144));
    expect(await column('old', 'up_s', [0, 600], '24h', day)).toEqual([225, 225]);
    expect(await column('old', 'known_s', [0, 600], '24h', day)).toEqual([300, 300]);
    // A day that begins within an hour.
    expect((await column('old', 'jobs', [0, day], '24h', day + 1500)).slice(0, 2)).toEqual([23, 22]);
  });

  it('is not waited for where somebody reads what is to go', async () => {
    await write('old', 60, 0, 1440);
    await stand(day, day, day);
    await set('history_minutes_hours', 1);
    await db.sql.begin(async (reader) => {
      await reader`select count(*) from hp_worker_bucket`;
      await tick(day + 5);
    });
    expect((await parts()).filter((name) => name.startsWith('worker_bucket_60_'))).toHaveLength(5);
    expect((await history('old', '1h', day + 5)).failure).toBeNull();
    await tick(day + 10);
    expect((await parts()).filter((name) => name.startsWith('worker_bucket_60_'))).toHaveLength(2);
  });
});

describe('the uptime that anyone may know', () => {
  it('is of what is known of the last 90 days, rounded down, and of public workers alone', async () => {
    const today = (
      await db.sql`select extract(epoch from date_bin('1 day', now(), 'epoch'))::float8 as s`
    )[0]!.s as number;
    const since = today - start / 1000;
    await write('open', 86400, since - 120 * day, 120);
    await write('open', 3600, since, 1);
    await db.sql`insert into hp_worker_status (worker_name) values ('hidden')`;
    await stand(since + hour, since + hour, since);
    await db.sql`update hp_setting set value = 'true' where key = 'public_page'`;
    await db.sql`update hp_worker_status set is_public = worker_name = 'open'`;
    const [row] = await db.as('anon', {}, (sql) => sql`select hp_public_status() as it`);
    expect(row!.it.workers).toHaveLength(1);
    const { uptime, uptime_days: days } = row!.it.workers[0] as { uptime: number; uptime_days: number[] };
    // Every other day was half.
    expect(days).toEqual([...Array.from({ length: 89 }, (_, i) => (i % 2 ? 100 : 50)), 100]);
    expect(uptime).toBe(74.73); // (45 × 12 h + 44 × 24 h + 1 h) of (89 × 24 h + 1 h)
    await db.sql`update hp_worker_bucket set up_s[array_length(up_s, 1)] = known_s[array_length(known_s, 1)] - 1 where step_s = 86400`;
    const [almost] = await db.as('anon', {}, (sql) => sql`select hp_public_status() as it`);
    expect(almost!.it.workers[0].uptime).toBe(99.99);
    // One known for an hour: its day stands there, but no part "of 1 day".
    await db.sql`delete from hp_worker_bucket where step_s = 86400`;
    const [young] = await db.as('anon', {}, (sql) => sql`select hp_public_status() as it`);
    expect(young!.it.workers[0].uptime).toBeNull();
    expect(young!.it.workers[0].uptime_days.at(-1)).toBe(100);
  });
});

describe('who reads it', () => {
  it('are members, and nobody else; partitions have no door of their own', async () => {
    await write('old', 60, 0, 10);
    for (const call of ["hp_worker_history('old')", "hp_sparks('{1}')", 'hp_throughput()']) {
      await expect(
        db.asPerson('carol', (sql) => sql.unsafe(`select ${call}`)),
        call,
      ).resolves.toHaveLength(1);
      await expect(
        db.asPerson('mallory', (sql) => sql.unsafe(`select ${call}`)),
        call,
      ).rejects.toMatchObject({
        code: 'PT403',
      });
      await expect(
        db.as('anon', {}, (sql) => sql.unsafe(`select ${call}`)),
        call,
      ).rejects.toMatchObject({
        code: '42501',
      });
    }
    expect(await db.asPerson('mallory', (sql) => sql`select from hp_worker_bucket`)).toHaveLength(0);
    expect(await db.asPerson('carol', (sql) => sql`select from hp_worker_bucket`)).toHaveLength(10);
    for (const role of ['authenticated', 'service_role'] as const)
      await expect(
        db.as(role, {}, (sql) => sql`select from hp_private.worker_bucket_60_2026102500`),
      ).rejects.toMatchObject({ code: '42501' });
  });

  it('are told clearly what they may ask', async () => {
    await write('old', 60, 0, 1);
    const ask = (call: string) => db.asPerson('carol', (sql) => sql.unsafe(`select ${call}`));
    await expect(ask("hp_worker_history('no-such-worker')")).rejects.toMatchObject({ code: 'PT404' });
    for (const range of ["'1y'", "''", 'null'])
      await expect(ask(`hp_worker_history('old', ${range})`)).rejects.toMatchObject({ code: 'PT400' });
    await expect(
      ask('hp_sparks((select array_agg(n) from generate_series(1, 201) n))'),
    ).rejects.toMatchObject({ code: 'PT400', message: /holds 201/ });
    await expect(ask('hp_sparks(null)')).rejects.toMatchObject({ code: 'PT400' });
  });
});

describe('a large fleet', () => {
  it('of ten thousand has each worker’s own minutes, spark lines and one throughput', async () => {
    await db.sql.begin(async (sql) => {
      await sql`set local application_name = 'lastseen own write'`;
      await sql`insert into hp_worker_status (worker_name, status, status_since, last_heartbeat, lease_expires_at, cpu_percent)
        select 'w-' || n, 'idle', ${at(-60)}, ${at(5)}, ${at(3600)}, n % 100 from generate_series(1, 10000) n`;
    });
    await tick(0);
    await db.sql.begin(async (sql) => {
      await sql`set local application_name = 'lastseen own write'`;
      await sql`update hp_worker_status set jobs_processed = substr(worker_name, 3)::int % 7`;
    });
    await watch(20, 60, 20);
    expect(await column('w-1', 'up_s', [0, 60])).toEqual([60]);
    expect(await column('w-9999', 'jobs', [0, 60])).toEqual([9999 % 7]);
    expect(await column('w-9999', 'cpu_max', [0, 60])).toEqual([99]);
    const [row] = await db.sql`
      select hp_private.throughput(${at(65)}) as fleet, hp_private.sparks(array_agg(worker_id), ${at(65)}) as sparks,
        max(worker_id) filter (where worker_name = 'w-6') as six
      from hp_worker_status where worker_name in ('w-6', 'w-7', 'w-9998')`;
    const sum = Array.from({ length: 10_000 }, (_, i) => (i + 1) % 7).reduce((a, b) => a + b);
    expect(row!.fleet.jobs.slice(-2)).toEqual([null, sum]);
    expect(row!.fleet.at.at(-1)).toBe(start / 1000);
    expect(Object.keys(row!.sparks.jobs)).toHaveLength(3);
    expect(row!.sparks.jobs[row!.six].slice(-2)).toEqual([null, 6]);
  });
});
