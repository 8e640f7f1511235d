-- History: what each worker did in each minute, hour and day. One row holds a step of time for 128 workers, a value of each
-- in arrays by place; so it is written once and never again, and takes 16 bytes a worker and minute
-- (docs/decisions/0010-history-in-blocks-of-128-workers.md).
create table if not exists public.hp_worker_bucket (
  step_s integer not null,
  at timestamptz not null,
  block bigint not null,
  up_s integer[] not null,
  known_s integer[] not null,
  jobs integer[] not null,
  errors integer[] not null,
  cpu_mean smallint[] not null,
  cpu_max smallint[] not null,
  memory_mean smallint[] not null,
  memory_max smallint[] not null,
  lag_max smallint[] not null,
  jobs_done bigint not null default 0,
  constraint hp_worker_bucket_pkey primary key (block, step_s, at)
) partition by range (step_s, at);

-- Compressed where they are, rather than put aside: a chart reads a few hundred rows.
alter table public.hp_worker_bucket
  alter column up_s set storage main, alter column known_s set storage main,
  alter column jobs set storage main, alter column errors set storage main,
  alter column cpu_mean set storage main, alter column cpu_max set storage main,
  alter column memory_mean set storage main, alter column memory_max set storage main,
  alter column lag_max set storage main;

alter table public.hp_worker_bucket enable row level security;

drop policy if exists "members read the history" on public.hp_worker_bucket;
create policy "members read the history" on public.hp_worker_bucket
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_bucket;
create policy "only members, whatever else is allowed" on public.hp_worker_bucket as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_bucket from anon, authenticated, service_role;
grant select on table public.hp_worker_bucket to authenticated, service_role;
-- note: only the tick writes here.

comment on table public.hp_worker_bucket is 'History of workers by the minute, hour and day, 128 of them to a row: the worker with worker_id n is in the block n / 128, at place n % 128 + 1 of its arrays. hp_worker_history() reads it.';
comment on column public.hp_worker_bucket.step_s is 'Length of the step: 60, 3600 or 86400 seconds.';
comment on column public.hp_worker_bucket.at is 'When the step began; steps begin at whole minutes, hours and days of UTC.';
comment on column public.hp_worker_bucket.block is 'Which 128 workers: worker_id / 128.';
comment on column public.hp_worker_bucket.up_s is 'Seconds for which the worker was up; null where nothing is known.';
comment on column public.hp_worker_bucket.known_s is 'Seconds of which is known whether it was up; downtime that was meant is not among them.';
comment on column public.hp_worker_bucket.jobs is 'Jobs that were reported.';
comment on column public.hp_worker_bucket.errors is 'Errors that were reported.';
comment on column public.hp_worker_bucket.cpu_mean is 'CPU, mean of its beats, in tenths of a percent of one core; 3,276.7 % at most.';
comment on column public.hp_worker_bucket.cpu_max is 'The same, the highest.';
comment on column public.hp_worker_bucket.memory_mean is 'Memory, mean, in tenths of a percent of what it may use.';
comment on column public.hp_worker_bucket.memory_max is 'The same, the highest.';
comment on column public.hp_worker_bucket.lag_max is 'Event loop delay, the highest, in milliseconds; 32,767 at most.';
comment on column public.hp_worker_bucket.jobs_done is 'Jobs of all of these workers together.';

-- Where the roll-up stands: one row.
create table if not exists hp_private.history (
  id boolean not null default true
    constraint history_pkey primary key
    constraint history_id_check check (id),
  kept_since timestamptz,
  minutes_to timestamptz,
  counted_to timestamptz,
  hours_to timestamptz,
  days_to timestamptz,
  swept_at timestamptz,
  failed_at timestamptz,
  failure text
) with (fillfactor = 50);

insert into hp_private.history default values on conflict do nothing;

alter table hp_private.history enable row level security;

drop policy if exists "members see where the history stands" on hp_private.history;
create policy "members see where the history stands" on hp_private.history
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table hp_private.history from public, anon, authenticated, service_role;
grant select on table hp_private.history to authenticated, service_role;

comment on table hp_private.history is 'Where the roll-up of the history stands, one row.';
comment on column hp_private.history.id is 'Always true: there is one row.';
comment on column hp_private.history.kept_since is 'When it began: the first tick.';
comment on column hp_private.history.minutes_to is 'The end of the last minute that was rolled up.';
comment on column hp_private.history.counted_to is 'As of when the totals in history_total count.';
comment on column hp_private.history.hours_to is 'The end of the last hour that was made of its minutes.';
comment on column hp_private.history.days_to is 'The end of the last day that was made of its hours.';
comment on column hp_private.history.swept_at is 'When what is too old or too much was last removed.';
comment on column hp_private.history.failed_at is 'Since when the roll-up fails; null normally.';
comment on column hp_private.history.failure is 'What it failed with last.';

-- What is in the history already of each worker's lifetime totals: a step is what came on top. A step that was not rolled up
-- loses no job.
create table if not exists hp_private.history_total (
  block bigint
    constraint history_total_pkey primary key,
  jobs bigint[] not null,
  errors bigint[] not null
) with (fillfactor = 50);

alter table hp_private.history_total enable row level security;

revoke all on table hp_private.history_total from public, anon, authenticated, service_role;
-- note: no policy and no grant: the tick alone.

comment on table hp_private.history_total is 'Lifetime totals that the history holds already, 128 workers to a row.';
comment on column hp_private.history_total.block is 'Which 128 workers: worker_id / 128.';
comment on column hp_private.history_total.jobs is 'Of jobs_processed.';
comment on column hp_private.history_total.errors is 'Of error_count.';

-- The load that beats reported, until their minute is rolled up: a tick stores what came since the last.
-- Beats themselves keep no sums: that would cost each of them 3 to 10 % more.
create table if not exists hp_private.history_sample (
  at timestamptz
    constraint history_sample_pkey primary key,
  worker_ids bigint[] not null,
  minutes integer[] not null,
  cpu real[] not null,
  memory real[] not null,
  lag real[] not null
);

alter table hp_private.history_sample enable row level security;

revoke all on table hp_private.history_sample from public, anon, authenticated, service_role;
-- note: no policy and no grant: the tick alone.

comment on table hp_private.history_sample is 'The load that beats reported since the tick before, for the minutes that are not rolled up yet.';
comment on column hp_private.history_sample.at is 'The tick.';
comment on column hp_private.history_sample.worker_ids is 'Workers that reported.';
comment on column hp_private.history_sample.minutes is 'In which minute, counted since the epoch.';
comment on column hp_private.history_sample.cpu is 'cpu_percent.';
comment on column hp_private.history_sample.memory is 'memory_percent.';
comment on column hp_private.history_sample.lag is 'event_loop_lag_ms.';

insert into public.hp_setting (key, value, description) values
  ('history_minutes_hours', '48', 'Hours for which the history is kept by the minute.'),
  ('history_days', '90', 'Days for which the history is kept by the hour and day.'),
  ('history_max_mb', '150', 'Megabytes that the history may take; the oldest of it goes first.')
on conflict (key) do nothing;

-- Room for the history, and what is removed of it. Partitions, so that removing is dropping a file: six hours of minutes,
-- a week of hours; days are few enough for one. Smaller than a day, for ten thousand workers fill history_max_mb in less.
create or replace function hp_private.history_partition(step_s integer, at timestamptz, out name text, out since timestamptz, out until timestamptz)
language plpgsql immutable set search_path = ''
as $$
declare
  v_span interval := case step_s when 60 then interval '6 hours' when 3600 then interval '7 days' end;
begin
  -- note: seconds since the epoch, for '1 day' is 23 or 25 hours where a session's time zone has summer.
  since := to_timestamp(floor(extract(epoch from at) / extract(epoch from v_span)) * extract(epoch from v_span));
  until := since + make_interval(secs => extract(epoch from v_span)::double precision);
  name := 'worker_bucket_' || step_s || '_' || to_char(since at time zone 'UTC', 'YYYYMMDDHH24');
end
$$;

-- Days.
do $$
begin
  if to_regclass('hp_private.worker_bucket_86400') is null then
    create table hp_private.worker_bucket_86400 partition of public.hp_worker_bucket
      for values from (86400, minvalue) to (86400, maxvalue);
  end if;
end
$$;

alter table hp_private.worker_bucket_86400 enable row level security;

revoke all on table hp_private.worker_bucket_86400 from public, anon, authenticated, service_role;
-- note: read through hp_worker_bucket, whose rights and policies count then.

comment on table hp_private.worker_bucket_86400 is 'Days of hp_worker_bucket.';

-- Up to where a block's hours and days go: they are made one block after the other, so that one may be ahead of the rest.
create or replace function hp_private.block_ends(block bigint, out hours_to timestamptz, out days_to timestamptz)
language plpgsql stable set search_path = ''
as $$
begin
  select greatest(h.hours_to, (select max(b.at) + interval '1 hour' from public.hp_worker_bucket b
      where b.block = block_ends.block and b.step_s = 3600 and b.at >= h.hours_to)),
    greatest(h.days_to, (select max(b.at) + interval '24 hours' from public.hp_worker_bucket b
      where b.block = block_ends.block and b.step_s = 86400 and b.at >= h.days_to))
  into hours_to, days_to
  from hp_private.history h;
end
$$;

-- Minutes of one worker (60), or its hours (3600); what is no hour yet comes out of the minutes. And minutes for steps of 300:
-- where they had to make room, each hour is spread evenly over its twelve steps.
create or replace function hp_private.worker_steps(worker_id bigint, step_s integer, since timestamptz, until timestamptz)
returns table (at timestamptz, up_s integer, known_s integer, jobs integer, errors integer,
  cpu_mean real, cpu_max real, memory_mean real, memory_max real, lag_max integer)
language plpgsql stable set search_path = ''
as $$
#variable_conflict use_column
declare
  v_block bigint := worker_steps.worker_id / 128;
  v_place integer := worker_steps.worker_id % 128 + 1;
  v_hours_to timestamptz := worker_steps.since;
  v_spread_to timestamptz;
begin
  if step_s = 3600 then
    v_hours_to := (hp_private.block_ends(v_block)).hours_to;
  elsif step_s = 300 then
    v_spread_to := date_bin('1 hour', coalesce((
      select min(b.at) from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 60 and b.at >= since and b.at < until), until), 'epoch');
  end if;
  return query
    select s.at, s.up_s, s.known_s, s.jobs, s.errors, (s.cpu_mean / 10.0)::real, (s.cpu_max / 10.0)::real,
      (s.memory_mean / 10.0)::real, (s.memory_max / 10.0)::real, s.lag_max::integer
    from (
      select b.at, b.up_s[v_place] as up_s, b.known_s[v_place] as known_s, b.jobs[v_place] as jobs, b.errors[v_place] as errors,
        b.cpu_mean[v_place] as cpu_mean, b.cpu_max[v_place] as cpu_max,
        b.memory_mean[v_place] as memory_mean, b.memory_max[v_place] as memory_max, b.lag_max[v_place] as lag_max
      from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 60 and b.at >= greatest(v_hours_to, since) and b.at < until
      union all
      select b.at, b.up_s[v_place], b.known_s[v_place], b.jobs[v_place], b.errors[v_place], b.cpu_mean[v_place],
        b.cpu_max[v_place], b.memory_mean[v_place], b.memory_max[v_place], b.lag_max[v_place]
      from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 3600 and b.at >= since and b.at < least(v_hours_to, until)
      union all
      -- note: differences of whole parts, so that the steps together are the hour.
      select f.at, b.up_s[v_place] * (n + 1) / 12 - b.up_s[v_place] * n / 12,
        nullif(b.known_s[v_place] * (n + 1) / 12 - b.known_s[v_place] * n / 12, 0),
        (b.jobs[v_place]::bigint * (n + 1) / 12 - b.jobs[v_place]::bigint * n / 12)::integer,
        (b.errors[v_place]::bigint * (n + 1) / 12 - b.errors[v_place]::bigint * n / 12)::integer,
        b.cpu_mean[v_place], b.cpu_max[v_place], b.memory_mean[v_place], b.memory_max[v_place], b.lag_max[v_place]
      from public.hp_worker_bucket b cross join generate_series(0, 11) n
        cross join lateral (select b.at + n * interval '5 minutes' as at) f
      where b.block = v_block and b.step_s = 3600 and b.at > since - interval '1 hour' and b.at < v_spread_to
        and f.at >= since and f.at < until
    ) s where s.known_s is not null;
end
$$;

-- Days of UTC, today included: what is no day yet out of the hours and minutes, as above. Two columns of nine, for the public
-- page asks for many workers at once.
create or replace function hp_private.worker_days(worker_id bigint, at timestamptz)
returns table (day date, up_s bigint, known_s bigint)
language plpgsql stable set search_path = ''
as $$
#variable_conflict use_column
declare
  v_block bigint := worker_days.worker_id / 128;
  v_place integer := worker_days.worker_id % 128 + 1;
  v_since timestamptz := date_bin('1 day', worker_days.at, 'epoch') - 89 * interval '24 hours';
  v_ends record;
begin
  v_ends := hp_private.block_ends(v_block);
  return query
    select (s.at at time zone 'UTC')::date, sum(s.up_s)::bigint, sum(s.known_s)::bigint
    from (
      select b.at, b.up_s[v_place] as up_s, b.known_s[v_place] as known_s from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 86400 and b.at >= v_since and b.at < v_ends.days_to
      union all
      select b.at, b.up_s[v_place], b.known_s[v_place] from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 3600 and b.at >= greatest(v_since, v_ends.days_to) and b.at < v_ends.hours_to
      union all
      select b.at, b.up_s[v_place], b.known_s[v_place] from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 60 and b.at >= greatest(v_since, v_ends.hours_to) and b.at < worker_days.at
    ) s
    where s.known_s is not null group by 1;
end
$$;

-- Uptime for anyone: in percent of what is known of 90 days, and of each of them, today last. Rounded down, so that only
-- always is 100. Of less than three hours no percentage is given: a worker known for a minute has not been up for a day.
create or replace function hp_private.uptime(worker_id bigint, at timestamptz, out uptime numeric, out uptime_days jsonb)
language sql stable set search_path = ''
as $$
  select case when sum(p.known_s) >= 3 * 3600 then trunc(100.0 * sum(least(p.up_s, p.known_s)) / sum(p.known_s), 2) end,
    jsonb_agg(trunc(100.0 * least(p.up_s, p.known_s) / nullif(p.known_s, 0), 2) order by d.n desc)
  from generate_series(0, 89) d (n)
    left join hp_private.worker_days(uptime.worker_id, uptime.at) p on p.day = (uptime.at at time zone 'UTC')::date - d.n
$$;

-- The last minute that is over is not there for as long as it takes the tick to come: until then the one before is the last.
create or replace function hp_private.history_ends(at timestamptz) returns timestamptz
language sql stable set search_path = ''
return (
  select case when h.minutes_to = m.minute - interval '1 minute' then h.minutes_to else m.minute end
  from (select date_bin('1 minute', history_ends.at, 'epoch') as minute) m left join hp_private.history h on true
);

create or replace function hp_private.worker_history(worker_name text, range text, at timestamptz) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_worker_id bigint;
  v_step_s integer;
  v_count integer;
  v_from timestamptz;
  v_to timestamptz;
  v_today date := (at at time zone 'UTC')::date;
begin
  perform hp_private.require_member();
  select s.step_s, s.count into v_step_s, v_count
  from (values ('1h', 60, 60), ('24h', 300, 288), ('7d', 3600, 168), ('90d', 21600, 360)) s (range, step_s, count)
  where s.range = worker_history.range;
  if not found then
    raise exception 'range is %; it must be 1h, 24h, 7d or 90d', coalesce(left(range, 50), 'missing') using errcode = 'PT400';
  end if;
  select w.worker_id into v_worker_id from public.hp_worker_status w where w.worker_name = worker_history.worker_name;
  if not found then
    raise exception 'there is no worker named %', left(worker_name, 200) using errcode = 'PT404';
  end if;

  v_to := to_timestamp(ceil(extract(epoch from hp_private.history_ends(at)) / v_step_s) * v_step_s);
  v_from := v_to - make_interval(secs => v_step_s * v_count);
  return jsonb_build_object(
    'from', v_from, 'to', v_to, 'step_s', v_step_s,
    'points', (
      select jsonb_build_object(
        'at', jsonb_agg(t.second order by t.second),
        'up_s', jsonb_agg(p.up_s order by t.second), 'known_s', jsonb_agg(p.known_s order by t.second),
        'jobs', jsonb_agg(p.jobs order by t.second), 'errors', jsonb_agg(p.errors order by t.second),
        'cpu_mean', jsonb_agg(p.cpu_mean order by t.second), 'cpu_max', jsonb_agg(p.cpu_max order by t.second),
        'memory_mean', jsonb_agg(p.memory_mean order by t.second), 'memory_max', jsonb_agg(p.memory_max order by t.second),
        'lag_max', jsonb_agg(p.lag_max order by t.second))
      from generate_series(extract(epoch from v_from)::bigint, extract(epoch from v_to)::bigint - 1, v_step_s) t (second)
        left join (
          select floor(extract(epoch from s.at) / v_step_s)::bigint * v_step_s as second,
            sum(s.up_s) as up_s, sum(s.known_s) as known_s, sum(s.jobs) as jobs, sum(s.errors) as errors,
            round((sum(s.cpu_mean * s.up_s) / nullif(sum(s.up_s) filter (where s.cpu_mean is not null), 0))::numeric, 1) as cpu_mean,
            max(s.cpu_max) as cpu_max,
            round((sum(s.memory_mean * s.up_s) / nullif(sum(s.up_s) filter (where s.memory_mean is not null), 0))::numeric, 1) as memory_mean,
            max(s.memory_max) as memory_max, max(s.lag_max) as lag_max
          from hp_private.worker_steps(v_worker_id, least(v_step_s, 3600), v_from, v_to) s
          group by 1
        ) p on p.second = t.second),
    'days', (
      select jsonb_agg(jsonb_build_object('day', d.day, 'up_s', p.up_s, 'known_s', p.known_s) order by d.day)
      from (select v_today - n as day from generate_series(0, 89) n) d
        left join hp_private.worker_days(v_worker_id, at) p on p.day = d.day),
    'kept_since', (select h.kept_since from hp_private.history h),
    'failure', (select h.failure from hp_private.history h));
end
$$;

create or replace function hp_private.sparks(worker_ids bigint[], at timestamptz) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_to timestamptz := hp_private.history_ends(at);
begin
  perform hp_private.require_member();
  if worker_ids is null or cardinality(worker_ids) > 200 then
    raise exception 'worker_ids %; it must be an array of at most 200',
      case when worker_ids is null then 'is missing' else 'holds ' || cardinality(worker_ids) end using errcode = 'PT400';
  end if;
  return (
    with minute as materialized (
      select n as place, v_to - (60 - n) * interval '1 minute' as at from generate_series(0, 59) n
    ),
    worker as materialized (
      select distinct i.id, i.id / 128 as block, (i.id % 128 + 1)::integer as place from unnest(sparks.worker_ids) i (id) where i.id > 0
    ),
    bucket as materialized (
      -- note: the slice is whole, and unpacks the array here, once for all that are looked up in it.
      select b.at, b.block, b.jobs[:] as jobs from public.hp_worker_bucket b
      where b.step_s = 60 and b.at >= v_to - interval '1 hour' and b.at < v_to
        and b.block = any (array(select distinct w.block from worker w))
    ),
    line as (
      select w.id, jsonb_agg(b.jobs[w.place] order by m.place) as jobs
      from worker w cross join minute m left join bucket b on b.block = w.block and b.at = m.at
      group by w.id
    )
    select jsonb_build_object(
      'at', (select jsonb_agg(extract(epoch from m.at)::bigint order by m.place) from minute m), 'step_s', 60,
      'jobs', (select coalesce(jsonb_object_agg(l.id, l.jobs), '{}') from line l)));
end
$$;

create or replace function hp_private.throughput(at timestamptz) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_to timestamptz := hp_private.history_ends(at);
begin
  perform hp_private.require_member();
  return (
    select jsonb_build_object('at', jsonb_agg(extract(epoch from m.at)::bigint order by m.at), 'step_s', 60,
      'jobs', jsonb_agg(b.jobs order by m.at))
    from (select v_to - n * interval '1 minute' as at from generate_series(1, 60) n) m
      left join (
        select b.at, sum(b.jobs_done) as jobs from public.hp_worker_bucket b
        where b.step_s = 60 and b.at >= v_to - interval '1 hour' and b.at < v_to group by b.at
      ) b on b.at = m.at);
end
$$;

create or replace function public.hp_worker_history(worker_name text, range text default '24h') returns jsonb
language sql stable set search_path = ''
return hp_private.worker_history(worker_name, range, now());

create or replace function public.hp_sparks(worker_ids bigint[]) returns jsonb
language sql stable set search_path = ''
return hp_private.sparks(worker_ids, now());

create or replace function public.hp_throughput() returns jsonb
language sql stable set search_path = ''
return hp_private.throughput(now());

revoke all on function
  hp_private.history_partition, hp_private.block_ends, hp_private.worker_steps, hp_private.worker_days,
  hp_private.uptime, hp_private.history_ends, hp_private.worker_history, hp_private.sparks, hp_private.throughput
from public;
revoke all on function
  public.hp_worker_history, public.hp_sparks, public.hp_throughput
from public, anon, authenticated, service_role;
grant execute on function
  hp_private.block_ends, hp_private.worker_steps, hp_private.worker_days, hp_private.history_ends,
  hp_private.worker_history, hp_private.sparks, hp_private.throughput, public.hp_worker_history, public.hp_sparks,
  public.hp_throughput
to authenticated, service_role;

comment on function hp_private.history_partition is 'Name and bounds of the partition for a step of so many seconds at a time.';
comment on function hp_private.block_ends is 'Up to where the hours and days of a block are made.';
comment on function hp_private.worker_steps is 'Minutes (60) or hours (3600) of one worker; minutes where they are no hour yet. 300: minutes, and where they are gone hours, spread.';
comment on function hp_private.worker_days is 'Seconds that a worker was up, and for which that is known, on each of the last 90 days of UTC.';
comment on function hp_private.uptime is 'Percent of the last 90 days, and of each of them, in which a worker was up; null where nothing is known, of the whole also where less than three hours are.';
comment on function hp_private.history_ends is 'The end of the last minute that can be expected in the history.';
comment on function hp_private.worker_history is 'hp_worker_history at a given time.';
comment on function hp_private.sparks is 'hp_sparks at a given time.';
comment on function hp_private.throughput is 'hp_throughput at a given time.';
comment on function public.hp_worker_history is 'One worker''s history over 1h, 24h, 7d or 90d, in columns, and its uptime on each of 90 days. Null where nothing is known. Errors: PT400 range, PT403 not a member, PT404 no such worker.';
comment on function public.hp_sparks is 'Jobs a minute of up to 200 workers, by worker_id, over the last hour. Errors: PT400 too many, PT403 not a member.';
comment on function public.hp_throughput is 'Jobs a minute of the whole fleet over the last hour. Errors: PT403 not a member.';

-- The roll-up: the tick makes a step of each minute that is over, for all workers in one statement, and of each hour and day
-- that is over, a few blocks at a time. It reads the workers as they are and locks none.
--
-- Whether a worker was up comes from its transitions, not from a look at it: one that crashed at 12:00:20 was up for 20 s.
-- Where the monitor was impaired, or the tick did not run, nothing is known, and nothing is written.

-- Made beside the table and then attached, for that asks for a lock that readers don't mind; "partition of" would wait for
-- every one of them.
create or replace function hp_private.make_history_room(step_s integer, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part record;
begin
  if step_s = 86400 then
    return;
  end if;
  v_part := hp_private.history_partition(step_s, at);
  if to_regclass('hp_private.' || v_part.name) is not null then
    return;
  end if;
  execute format(
    'create table hp_private.%I (like public.hp_worker_bucket including defaults including indexes including storage including comments)',
    v_part.name);
  execute format('alter table hp_private.%I enable row level security', v_part.name);
  execute format('revoke all on table hp_private.%I from public, anon, authenticated, service_role', v_part.name);
  execute format('comment on table hp_private.%I is %L', v_part.name,
    case step_s when 60 then 'Six hours of minutes' else 'A week of hours' end || ' of hp_worker_bucket.');
  execute format('alter table public.hp_worker_bucket attach partition hp_private.%I for values from (%s, %L) to (%s, %L)',
    v_part.name, step_s, v_part.since, step_s, v_part.until);
end
$$;

-- Drops what is older than the settings allow, and then the oldest for as long as the whole takes too much: of minutes while
-- they have more than half of the room, so that a large fleet keeps its long view; else of hours. The newest of each stays.
create or replace function hp_private.sweep_history(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_minutes_from timestamptz := at - make_interval(hours => least(876000, coalesce(hp_private.setting('history_minutes_hours'), 48))::integer);
  v_days_from timestamptz := at - hp_private.setting_days('history_days', 90);
  v_most numeric := coalesce(hp_private.setting('history_max_mb'), 150) * 1048576;
  v_all numeric;
  v_minutes numeric;
  v_part record;
begin
  delete from public.hp_worker_bucket b where b.step_s = 86400 and b.at < v_days_from - interval '1 day';
  select coalesce(sum(pg_total_relation_size(i.inhrelid)), 0),
    coalesce(sum(pg_total_relation_size(i.inhrelid)) filter (where i.inhrelid::regclass::text like '%worker\_bucket\_60\_%'), 0)
  into v_all, v_minutes
  from pg_catalog.pg_inherits i where i.inhparent = 'public.hp_worker_bucket'::regclass;

  for v_part in
    select p.relname, p.step_s, p.since, p.until, p.bytes, p.newest
    from (
      select c.relname, n.step_s, n.since, s.until, pg_total_relation_size(c.oid) as bytes,
        n.since = max(n.since) over (partition by n.step_s) as newest
      from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
        cross join lateral (
          select split_part(c.relname, '_', 3)::integer as step_s,
            (left(split_part(c.relname, '_', 4), 8)::date
              + right(c.relname, 2)::integer * interval '1 hour') at time zone 'UTC' as since) n
        cross join lateral hp_private.history_partition(n.step_s, n.since) s
      where i.inhparent = 'public.hp_worker_bucket'::regclass and c.relname ~ '^worker_bucket_(60|3600)_\d{10}$'
    ) p
    -- The oldest minutes, as long as they have more than half, before the oldest hours.
    order by p.step_s, p.since
  loop
    continue when v_part.newest;
    if v_part.until <= (case v_part.step_s when 60 then v_minutes_from else v_days_from end)
      or (v_all > v_most and (v_part.step_s = 3600 or v_minutes > v_most / 2))
    then
      execute format('drop table hp_private.%I', v_part.relname);
      v_all := v_all - v_part.bytes;
      v_minutes := v_minutes - case v_part.step_s when 60 then v_part.bytes else 0 end;
    end if;
  end loop;

  delete from hp_private.history_total t
  where not exists (select from public.hp_worker_status w where w.worker_id between t.block * 128 and t.block * 128 + 127);
end
$$;

-- When the monitor worked, within a stretch of time.
create or replace function hp_private.monitored(since timestamptz, until timestamptz) returns tstzmultirange
language sql stable set search_path = ''
return (
  with event as (
    select e.at, e.id, e.from_value = 'monitoring' as before, e.to_value = 'monitoring' as after
    from public.hp_worker_event e where e.worker_name is null and e.type = 'monitor' and e.to_value <> 'failed' and e.at >= monitored.since
  ),
  change as (
    select monitored.since as at, 0 as id, coalesce(
      (select e.before from event e order by e.at, e.id limit 1),
      (select p.impaired_since is null or p.impaired_since >= monitored.since from hp_private.monitor p)) as watching
    union all
    select e.at, e.id, e.after from event e
  ),
  stretch as (
    select t.watching, t.at as since, lead(t.at, 1, monitored.until) over (order by t.at, t.id) as until from change t
  )
  select coalesce(range_agg(tstzrange(s.since, least(s.until, monitored.until))), '{}')
  from stretch s where s.watching and s.since < least(s.until, monitored.until)
);

create or replace function hp_private.seconds_of(stretches tstzmultirange) returns double precision
language sql immutable set search_path = ''
return (select coalesce(sum(extract(epoch from upper(s) - lower(s))), 0)::double precision from unnest(stretches) s);

-- How workers whose status changed spent a minute. Later changes hold the status before them.
create or replace function hp_private.phases(minute timestamptz, known tstzmultirange)
returns table (worker_name text, alive_s double precision, stopped_s double precision, crashed_s double precision)
language sql stable set search_path = ''
as $$
  with event as materialized (
    select e.worker_name, e.at, e.from_value, e.to_value, row_number() over way as number,
      lead(e.at, 1, 'infinity') over way as until
    from public.hp_worker_event e
    where e.type = 'status' and e.worker_name is not null and e.at >= phases.minute
    window way as (partition by e.worker_name order by e.at, e.id)
  ),
  phase as (
    select e.worker_name, e.from_value as status, '-infinity'::timestamptz as since, e.at as until from event e where e.number = 1
    union all
    select e.worker_name, e.to_value, e.at, e.until from event e
  ),
  spent as (
    select p.worker_name, p.status,
      extract(epoch from least(p.until, upper(k)) - greatest(p.since, lower(k)))::double precision as seconds
    from phase p join unnest(phases.known) k on p.since < upper(k) and p.until > lower(k)
    union all
    -- Also those who spent none of it in any way: they are not as they are now.
    select p.worker_name, null, 0 from phase p where p.since = '-infinity'
  )
  select t.worker_name,
    coalesce(sum(t.seconds) filter (where t.status not in ('unknown', 'stopped', 'crashed')), 0),
    coalesce(sum(t.seconds) filter (where t.status = 'stopped'), 0),
    coalesce(sum(t.seconds) filter (where t.status = 'crashed'), 0)
  from spent t group by t.worker_name
$$;

-- Stores the load that beats reported since the last tick: every beat of an interval that is no shorter than the tick's
-- period, and of quicker ones the last.
create or replace function hp_private.sample_load(at timestamptz) returns void
language sql set search_path = ''
as $$
  insert into hp_private.history_sample (at, worker_ids, minutes, cpu, memory, lag)
  select sample_load.at, array_agg(l.worker_id), array_agg(l.minute), array_agg(l.cpu), array_agg(l.memory), array_agg(l.lag)
  from (
    -- By its last beat first: PostgreSQL unpacks a row as far as the condition asks, and the load stands at its end.
    select w.worker_id, floor(date_part('epoch', w.last_heartbeat) / 60)::integer as minute, w.cpu_percent as cpu,
      w.memory_percent as memory, w.event_loop_lag_ms as lag
    from public.hp_worker_status w
    where w.last_heartbeat <= sample_load.at and w.last_heartbeat
      > coalesce((select max(s.at) from hp_private.history_sample s), sample_load.at - interval '1 minute')
    offset 0
  ) l
  where l.cpu is not null
  having count(*) > 0
  on conflict do nothing
$$;

-- One minute of all workers. known: the part of it in which the monitor worked. counted_to: as of when history_total
-- counts; until: as of when the workers' rows do. What came between them is spread over the time between them.
-- note: one statement, left whole: apart, each step of it would read ten thousand workers anew.
create or replace function hp_private.roll_minute(minute timestamptz, known tstzmultirange, counted_to timestamptz, until timestamptz)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_end timestamptz := minute + interval '1 minute';
  v_known_s double precision := hp_private.seconds_of(known);
  -- Of what came, as much belongs before the end of this minute, and of that as much into it.
  v_before double precision := case when until > v_end and until > counted_to
    then extract(epoch from v_end - counted_to) / extract(epoch from until - counted_to) else 1 end;
  v_within double precision := least(1, 60 / greatest(1, extract(epoch from v_end - counted_to)));
begin
  perform hp_private.make_history_room(60, minute);

  with total as materialized (
    select t.block * 128 + u.place - 1 as worker_id, u.jobs, u.errors
    from hp_private.history_total t cross join lateral unnest(t.jobs, t.errors) with ordinality u (jobs, errors, place)
  ),
  load as (
    select u.worker_id, avg(u.cpu) as cpu_mean, max(u.cpu) as cpu_max, avg(u.memory) as memory_mean, max(u.memory) as memory_max,
      max(u.lag) as lag_max
    from hp_private.history_sample s
      cross join lateral unnest(s.worker_ids, s.minutes, s.cpu, s.memory, s.lag) u (worker_id, minute, cpu, memory, lag)
    where s.at >= roll_minute.minute and u.minute = floor(extract(epoch from roll_minute.minute) / 60)::integer
    group by u.worker_id
  ),
  worker as materialized (
    select w.worker_id, w.jobs_processed, w.error_count,
      -- A worker that didn't report in this minute is as it reported last.
      coalesce(l.cpu_mean, w.cpu_percent) as cpu_mean, coalesce(l.cpu_max, w.cpu_percent) as cpu_max,
      coalesce(l.memory_mean, w.memory_percent) as memory_mean, coalesce(l.memory_max, w.memory_percent) as memory_max,
      coalesce(l.lag_max, w.event_loop_lag_ms) as lag_max,
      s.up_s, s.up_s + case when s.meant then 0 else s.down_s end as known_s,
      w.jobs_processed - n.jobs as jobs_new, w.error_count - n.errors as errors_new,
      n.jobs as jobs_before, n.errors as errors_before
    from public.hp_worker_status w
      left join hp_private.phases(roll_minute.minute, roll_minute.known) p on p.worker_name = w.worker_name
      left join public.hp_worker_group g on g.worker_type = w.worker_type
      left join total t on t.worker_id = w.worker_id
      left join load l on l.worker_id = w.worker_id
      cross join lateral (
        -- Who is new has done all of its work since. Not one that has long been running: it was removed and came back, or was
        -- long unheard. Ten minutes, for a process may take some to begin.
        select coalesce(t.jobs, b.nothing) as jobs, coalesce(t.errors, b.nothing) as errors
        from (select case when w.started_at >= roll_minute.counted_to - interval '10 minutes' then 0::bigint end as nothing) b) n
      cross join lateral (
        select
          coalesce(p.alive_s, case when w.status not in ('unknown', 'stopped', 'crashed') then v_known_s else 0 end) as alive_s,
          coalesce(p.stopped_s, case when w.status = 'stopped' then v_known_s else 0 end) as stopped_s,
          coalesce(p.crashed_s, case when w.status = 'crashed' then v_known_s else 0 end) as crashed_s,
          -- Between its runs a scheduled worker is up until it is overdue; one without a next run is not.
          w.kind = 'scheduled' and (w.status <> 'stopped' or w.lease_expires_at is not null) as between_runs) f
      cross join lateral (
        select
          f.alive_s + case when f.between_runs then f.stopped_s else 0 end as up_s,
          -- Being down is not counted where it is meant: in a pause, and after a goodbye of who is not expected.
          f.crashed_s + case when f.between_runs or not w.expected then 0 else f.stopped_s end as down_s,
          coalesce(greatest(w.paused_until, g.paused_until) > roll_minute.minute, false) as meant) s
  ),
  told as (
    select w.worker_id, w.jobs_processed, w.error_count,
      k.up_s, k.known_s, w.jobs_new, w.errors_new, w.jobs_before, w.errors_before,
      -- note: least() passes over a null, and would make the greatest of nothing.
      case when k.up_s > 0 and w.cpu_mean is not null then least(round(w.cpu_mean * 10), 32767)::smallint end as cpu_mean,
      case when k.up_s > 0 and w.cpu_max is not null then least(round(w.cpu_max * 10), 32767)::smallint end as cpu_max,
      case when k.up_s > 0 and w.memory_mean is not null then least(round(w.memory_mean * 10), 32767)::smallint end as memory_mean,
      case when k.up_s > 0 and w.memory_max is not null then least(round(w.memory_max * 10), 32767)::smallint end as memory_max,
      case when k.up_s > 0 and w.lag_max is not null then least(round(w.lag_max), 32767)::smallint end as lag_max,
      -- Nothing is known of what an old process did before the first look, nor where somebody has put a total back.
      case when k.known_s is not null and w.jobs_new >= 0 then round(w.jobs_new * v_before) end as jobs_due,
      case when k.known_s is not null and w.errors_new >= 0 then round(w.errors_new * v_before) end as errors_due
    from worker w
      cross join lateral (
        select case when round(w.known_s) > 0 then round(w.up_s)::integer end as up_s, nullif(round(w.known_s)::integer, 0) as known_s) k
  ),
  placed as materialized (
    select d.block, d.place, t.up_s, t.known_s, t.cpu_mean, t.cpu_max, t.memory_mean, t.memory_max, t.lag_max,
      case when t.jobs_due is not null then least(round(t.jobs_due * v_within), 2147483647)::integer end as jobs,
      case when t.errors_due is not null then least(round(t.errors_due * v_within), 2147483647)::integer end as errors,
      -- Who is not known of keeps its total, to be counted when it is; a total is taken anew where it went back.
      case when t.jobs_new >= 0 then t.jobs_before + coalesce(t.jobs_due, 0) else t.jobs_processed end::bigint as jobs_total,
      case when t.errors_new >= 0 then t.errors_before + coalesce(t.errors_due, 0) else t.error_count end::bigint as errors_total
    from (select b.block, p.place from (select distinct w.worker_id / 128 as block from worker w) b
        cross join generate_series(0, 127) p (place)) d
      left join told t on t.worker_id = d.block * 128 + d.place
    order by d.block, d.place
  ),
  bucket as (
    insert into public.hp_worker_bucket (step_s, at, block, up_s, known_s, jobs, errors,
      cpu_mean, cpu_max, memory_mean, memory_max, lag_max, jobs_done)
    select 60, roll_minute.minute, p.block, array_agg(p.up_s), array_agg(p.known_s), array_agg(p.jobs), array_agg(p.errors),
      array_agg(p.cpu_mean), array_agg(p.cpu_max), array_agg(p.memory_mean), array_agg(p.memory_max), array_agg(p.lag_max), coalesce(sum(p.jobs), 0)
    from placed p group by p.block having count(p.known_s) > 0
    on conflict do nothing
  )
  insert into hp_private.history_total as t (block, jobs, errors)
  select p.block, array_agg(p.jobs_total), array_agg(p.errors_total) from placed p group by p.block
  on conflict (block) do update set jobs = excluded.jobs, errors = excluded.errors;

  -- What was taken down later may be of the next minute.
  delete from hp_private.history_sample s where s.at < v_end;
end
$$;

-- Every minute that is over.
create or replace function hp_private.roll_minutes(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_history hp_private.history;
  v_until timestamptz := date_bin('1 minute', at, 'epoch');
  v_minute timestamptz;
  v_known tstzmultirange;
  v_part tstzmultirange;
begin
  select * into v_history from hp_private.history;
  if v_history.minutes_to is null then
    -- What there is before the first minute is no minute's.
    insert into hp_private.history_total as t (block, jobs, errors)
    select d.block, array_agg(w.jobs_processed order by d.place), array_agg(w.error_count order by d.place)
    from (select b.block, p.place from (select distinct w.worker_id / 128 as block from public.hp_worker_status w) b
        cross join generate_series(0, 127) p (place)) d
      left join public.hp_worker_status w on w.worker_id = d.block * 128 + d.place
    group by d.block
    on conflict (block) do update set jobs = excluded.jobs, errors = excluded.errors;
    update hp_private.history h set kept_since = roll_minutes.at, minutes_to = v_until, counted_to = roll_minutes.at,
      hours_to = date_bin('1 hour', roll_minutes.at, 'epoch'), days_to = date_bin('1 day', roll_minutes.at, 'epoch')
    where h.id;
    return;
  end if;
  if v_history.minutes_to >= v_until then
    return;
  end if;

  -- An hour's worth at the most is made up for, after failures: what was not monitored is passed over anyway.
  v_minute := greatest(v_history.minutes_to, v_until - interval '1 hour');
  v_known := hp_private.monitored(greatest(v_minute, v_history.kept_since), v_until);
  for v_rolled in 1 .. 5 loop
    -- The next one in which anything is known.
    v_minute := date_bin('1 minute', lower(v_known * tstzmultirange(tstzrange(v_minute, v_until))), 'epoch');
    exit when v_minute is null;
    v_part := v_known * tstzmultirange(tstzrange(v_minute, v_minute + interval '1 minute'));
    perform hp_private.roll_minute(v_minute, v_part, v_history.counted_to, v_until);
    v_minute := v_minute + interval '1 minute';
    v_history.counted_to := v_minute;
    exit when v_minute >= v_until;
  end loop;
  update hp_private.history h set minutes_to = coalesce(v_minute, v_until), counted_to = v_history.counted_to where h.id;
end
$$;

-- A step of a block out of the shorter steps that it is made of.
create or replace function hp_private.pack_history(of_step_s integer, step_s integer, at timestamptz, block bigint) returns void
language plpgsql set search_path = ''
as $$
begin
  insert into public.hp_worker_bucket (step_s, at, block, up_s, known_s, jobs, errors,
    cpu_mean, cpu_max, memory_mean, memory_max, lag_max, jobs_done)
  select pack_history.step_s, pack_history.at, pack_history.block,
    array_agg(s.up_s), array_agg(s.known_s), array_agg(s.jobs), array_agg(s.errors),
    array_agg(s.cpu_mean), array_agg(s.cpu_max), array_agg(s.memory_mean), array_agg(s.memory_max), array_agg(s.lag_max),
    coalesce(sum(s.jobs), 0)
  from (
    select u.place, sum(u.up_s)::integer as up_s, sum(u.known_s)::integer as known_s,
      case when count(u.jobs) > 0 then least(sum(u.jobs), 2147483647)::integer end as jobs, case when count(u.errors) > 0 then least(sum(u.errors), 2147483647)::integer end as errors,
      round(sum(u.cpu_mean * u.up_s::numeric) / nullif(sum(u.up_s) filter (where u.cpu_mean is not null), 0))::smallint as cpu_mean,
      max(u.cpu_max) as cpu_max,
      round(sum(u.memory_mean * u.up_s::numeric) / nullif(sum(u.up_s) filter (where u.memory_mean is not null), 0))::smallint as memory_mean,
      max(u.memory_max) as memory_max, max(u.lag_max) as lag_max
    from public.hp_worker_bucket b
      cross join lateral unnest(b.up_s, b.known_s, b.jobs, b.errors, b.cpu_mean, b.cpu_max, b.memory_mean, b.memory_max, b.lag_max)
        with ordinality u (up_s, known_s, jobs, errors, cpu_mean, cpu_max, memory_mean, memory_max, lag_max, place)
    where b.block = pack_history.block and b.step_s = pack_history.of_step_s
      and b.at >= pack_history.at and b.at < pack_history.at + make_interval(secs => pack_history.step_s)
    group by u.place order by u.place
  ) s
  having count(s.known_s) > 0
  on conflict do nothing;
end
$$;

-- Makes one hour or day, as far as the time lasts: a large fleet's takes more than a tick should. True once it is whole.
create or replace function hp_private.pack_step(of_step_s integer, step_s integer, at timestamptz, deadline timestamptz) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_block bigint;
begin
  -- Before the table is read: while it is, nothing can be attached to it.
  perform hp_private.make_history_room(step_s, at);
  for v_block in
    select distinct b.block from public.hp_worker_bucket b
    where b.step_s = pack_step.of_step_s and b.at >= pack_step.at and b.at < pack_step.at + make_interval(secs => pack_step.step_s)
      and not exists (select from public.hp_worker_bucket p
        where p.block = b.block and p.step_s = pack_step.step_s and p.at = pack_step.at)
    order by b.block
  loop
    perform hp_private.pack_history(of_step_s, step_s, at, v_block);
    if clock_timestamp() > deadline then
      return false;
    end if;
  end loop;
  return true;
end
$$;

create or replace function hp_private.pack_steps() returns void
language plpgsql set search_path = ''
as $$
declare
  v_history hp_private.history;
  v_deadline timestamptz := clock_timestamp() + interval '40 milliseconds';
begin
  select * into v_history from hp_private.history;
  while v_history.hours_to + interval '1 hour' <= v_history.minutes_to and clock_timestamp() <= v_deadline loop
    exit when not hp_private.pack_step(60, 3600, v_history.hours_to, v_deadline);
    v_history.hours_to := v_history.hours_to + interval '1 hour';
  end loop;
  while v_history.days_to + interval '24 hours' <= v_history.hours_to and clock_timestamp() <= v_deadline loop
    exit when not hp_private.pack_step(3600, 86400, v_history.days_to, v_deadline);
    v_history.days_to := v_history.days_to + interval '24 hours';
  end loop;
  update hp_private.history h set hours_to = v_history.hours_to, days_to = v_history.days_to
  where h.id and (h.hours_to, h.days_to) is distinct from (v_history.hours_to, v_history.days_to);
end
$$;

-- What the tick calls. Monitoring comes first, and the history second: a fault here is recorded, and tried again with
-- the next tick. It waits for no lock longer than lock_timeout.
create or replace function hp_private.keep_history(at timestamptz) returns void
language plpgsql set search_path = '' set lock_timeout = '100ms'
-- note: the planner takes the arrays for more than they are, and compiling the plan would take longer than running it.
set jit = off
as $$
declare
  v_failure text;
begin
  begin
    perform hp_private.sample_load(at);
    perform hp_private.roll_minutes(at);
  exception when others then
    v_failure := left(sqlerrm, 500);
    raise warning 'minutes are not rolled up: %', sqlerrm;
  end;
  begin
    perform hp_private.pack_steps();
  exception when others then
    v_failure := coalesce(v_failure, left(sqlerrm, 500));
    raise warning 'hours and days are not made: %', sqlerrm;
  end;
  begin
    update hp_private.history h set swept_at = keep_history.at
    where h.id and (h.swept_at is null or h.swept_at <= keep_history.at - interval '10 minutes');
    if found then
      perform hp_private.sweep_history(at);
    end if;
  exception
    when lock_not_available then null; -- somebody reads what is to go; the next tick tries again
    when others then
      v_failure := coalesce(v_failure, left(sqlerrm, 500));
      raise warning 'old history is not removed: %', sqlerrm;
  end;
  update hp_private.history h
  set failure = v_failure, failed_at = case when v_failure is not null then coalesce(h.failed_at, keep_history.at) end
  where h.id and (h.failure is distinct from v_failure);
end
$$;

revoke all on function
  hp_private.make_history_room, hp_private.sweep_history, hp_private.monitored, hp_private.seconds_of,
  hp_private.phases, hp_private.sample_load, hp_private.roll_minute, hp_private.roll_minutes, hp_private.pack_history,
  hp_private.pack_step, hp_private.pack_steps, hp_private.keep_history
from public;

comment on function hp_private.make_history_room is 'Makes that partition where it is missing.';
comment on function hp_private.sweep_history is 'Removes history that is older, or more, than the settings allow.';
comment on function hp_private.monitored is 'When the monitor worked, within a stretch of time.';
comment on function hp_private.seconds_of is 'How long stretches of time are together.';
comment on function hp_private.phases is 'For workers whose status changed since a minute began: for how long each was alive, stopped and crashed in the known part of it.';
comment on function hp_private.sample_load is 'Stores the load that beats reported since the last tick.';
comment on function hp_private.roll_minute is 'Writes one minute of all workers.';
comment on function hp_private.roll_minutes is 'Writes the minutes that are over and not written yet, five at the most.';
comment on function hp_private.pack_history is 'Makes a longer step of a block out of shorter ones.';
comment on function hp_private.pack_step is 'The same for all blocks, until a time of the clock; returns whether all are done.';
comment on function hp_private.pack_steps is 'Makes the hours and days that are over.';
comment on function hp_private.keep_history is 'Rolls up what is over and removes what is old; whatever happens, it never fails.';
