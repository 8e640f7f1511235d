import type { Sql } from 'postgres';

/** Of each block so many different steps are made up, and then written again and again: what a row takes is what counts. */
const PATTERNS = 60;

/**
 * Workers who have been there for months, with the history that the roll-up would have written: two fifths are idle, the
 * others do some jobs a minute with a load that wanders; one in a thousand minutes is a gap, one in a hundred a minute down.
 */
export async function makePast(
  sql: Sql,
  { workers, minuteHours, days }: { workers: number; minuteHours: number; days: number },
): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local application_name = 'lastseen own write'`;
    await transaction`
      insert into public.hp_worker_status (worker_name, worker_type, status, status_since, last_heartbeat, lease_expires_at,
        cpu_percent, memory_percent, event_loop_lag_ms)
      select 'bench-' || n, 'group ' || n % 8, 'idle', now() - interval '90 days', now(), now() + interval '1 day',
        random() * 50, random() * 20, random() * 9
      from generate_series(1, ${workers}::int) n`;
  });
  await sql.unsafe(`
    create temporary table pattern as
    select m as number, b as block, array_agg(up) as up_s, array_agg(known) as known_s, array_agg(jobs) as jobs,
      array_agg(errors) as errors, array_agg(cpu::smallint) as cpu_mean, array_agg((cpu + spread)::smallint) as cpu_max,
      array_agg(memory::smallint) as memory_mean, array_agg((memory + spread / 10)::smallint) as memory_max,
      array_agg((spread / 5)::smallint) as lag_max
    from (
      select m, worker.id / 128 as b, case when random() < 0.01 then (random() * 60)::int else 60 end as up, 60 as known,
        case when worker.id % 10 < 4 then 0 else (random() * (worker.id % 10))::int end as jobs,
        case when random() < 0.02 then 1 else 0 end as errors,
        random() * case when worker.id % 10 < 4 then 20 else 600 end as cpu, random() * 100 as spread,
        100 + worker.id % 37 * 10 + random() * 8 as memory
      from (select worker_id as id from public.hp_worker_status) worker, generate_series(0, ${PATTERNS - 1}) m
      order by m, worker.id
    ) step group by m, b`);
  const fill = (step: number, from: string, to: string) => sql`
    insert into public.hp_worker_bucket (step_s, at, block, up_s, known_s, jobs, errors, cpu_mean, cpu_max, memory_mean,
      memory_max, lag_max, jobs_done)
    select ${step}, t, p.block, p.up_s, p.known_s, p.jobs, p.errors, p.cpu_mean, p.cpu_max, p.memory_mean, p.memory_max,
      p.lag_max, 0
    from generate_series(0, ${PATTERNS - 1}) n
      join lateral (
        select t from generate_series(${from}::text::timestamptz, ${to}::text::timestamptz - interval '1 second',
          make_interval(secs => ${step})) with ordinality s (t, place) where place % ${PATTERNS} = n) s on true
      join pattern p on p.number = n
    order by t, p.block`;
  const [{ now, hour, today }] = (await sql`
    select date_bin('1 minute', now(), 'epoch')::text as now, date_bin('1 hour', now(), 'epoch')::text as hour,
      date_bin('1 day', now(), 'epoch')::text as today`) as unknown as [
    Record<'now' | 'hour' | 'today', string>,
  ];
  const before = async (instant: string, span: string) =>
    (await sql`select (${instant}::text::timestamptz - ${span}::text::interval)::text as it`)[0]!
      .it as string;
  const minutesFrom = await before(hour, `${minuteHours} hours`);
  const hoursFrom = await before(today, `${days * 24} hours`);
  for (const [step, from, every] of [
    [60, minutesFrom, '6 hours'],
    [3600, hoursFrom, '7 days'],
  ] as const)
    await sql`select hp_private.make_history_room(${step}, t)
      from generate_series(${from}::text::timestamptz, now() + interval '7 days', ${every}::text::interval) t`;
  await fill(60, minutesFrom, now);
  await fill(3600, hoursFrom, hour);
  await fill(86400, hoursFrom, today);
  await sql`update hp_private.history set kept_since = ${hoursFrom}, minutes_to = ${now}, counted_to = ${now}, hours_to = ${hour}, days_to = ${today}`;
  await sql`drop table pattern`;
  await sql`vacuum analyze`;
}
