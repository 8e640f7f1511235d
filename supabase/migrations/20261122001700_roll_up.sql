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
