-- History: what each worker did in each minute, hour and day. One row holds a step of time for 128 workers, a value of each
-- in arrays by place; so it is written once and never again, and takes 16 bytes a worker and minute
-- (docs/decisions/0011-history-in-blocks.md).
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
