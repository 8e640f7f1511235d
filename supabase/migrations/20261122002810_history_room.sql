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
comment on column hp_private.worker_bucket_86400.step_s is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.at is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.block is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.up_s is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.known_s is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.jobs is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.errors is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.cpu_mean is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.cpu_max is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.memory_mean is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.memory_max is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.lag_max is 'As in hp_worker_bucket.';
comment on column hp_private.worker_bucket_86400.jobs_done is 'As in hp_worker_bucket.';

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

-- Drops what is older than the settings say, and then the oldest for as long as the whole takes too much: of minutes while
-- they have more than half of the room, so that a large fleet keeps its long view; else of hours. The newest of each stays.
create or replace function hp_private.sweep_history(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_minutes_from timestamptz := at - make_interval(secs => 3600 * coalesce(hp_private.setting('history_minutes_hours'), 48)::double precision);
  v_days_from timestamptz := at - make_interval(secs => 86400 * coalesce(hp_private.setting('history_days'), 90)::double precision);
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

revoke all on function hp_private.history_partition(integer, timestamptz) from public;
revoke all on function hp_private.make_history_room(integer, timestamptz) from public;
revoke all on function hp_private.sweep_history(timestamptz) from public;

comment on function hp_private.history_partition(integer, timestamptz) is 'Name and bounds of the partition for a step of so many seconds at a time.';
comment on function hp_private.make_history_room(integer, timestamptz) is 'Makes that partition where it is missing.';
comment on function hp_private.sweep_history(timestamptz) is 'Removes history that is older, or more, than the settings say.';
