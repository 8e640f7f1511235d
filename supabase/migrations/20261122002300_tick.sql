-- The monitor: it finds the workers that have fallen silent, keeps open pages up to date, and records that it ran. One at a
-- time however often it is called. Last, who calls it.

-- What there is to do, in one look at all workers: every pass over 10,000 of them takes 10 to 15 ms.
create or replace function hp_private.look(
  at timestamptz, out live_workers integer, out load double precision, out silent boolean, out conflicts boolean
)
language sql stable set search_path = ''
as $$
  select count(*) filter (where w.beats),
    -- Of the intervals before any stretch (hp_private.answered_interval, of which ten thousand calls would take 7 ms). Workers wait 0.9 to 1.0 of their interval, hence 0.95. An interval far shorter than
    -- that which the worker states that it keeps to is a wish: 1,000 names that wish for a second and beat once an hour
    -- slowed the whole fleet down. 8: a worker learns of a stretch with its next beat.
    coalesce(sum(1 / greatest(
        coalesce(w.interval_override_s, g.heartbeat_interval_s, w.requested_interval_s, w.heartbeat_interval_s),
        w.heartbeat_interval_s / (8 * p.stretch)))
      filter (where w.beats), 0) / 0.95,
    -- A lease has run out, or a resident missed two intervals (hp_private.note_mass_silence).
    coalesce(bool_or(w.lease_expires_at <= look.at or (w.beats and w.kind = 'resident'
      and date_part('epoch', w.last_heartbeat) <= date_part('epoch', look.at)
        - least(2, w.lost_after_intervals - 1) * w.heartbeat_interval_s)), false),
    coalesce(bool_or(w.name_conflict_since is not null), false)
  from (
    select s.worker_type, s.kind, s.last_heartbeat, s.lease_expires_at, s.interval_override_s, s.requested_interval_s,
      s.heartbeat_interval_s, s.lost_after_intervals, s.name_conflict_since,
      -- Not by its lease: a fleet that an outage cut off comes back with the pace that it had. Between its runs a scheduled
      -- worker has no need to beat, and the lease of a run may last for a year: only those that do beat count.
      s.lease_expires_at is not null and s.status not in ('unknown', 'stopped', 'crashed')
        and not (s.kind = 'scheduled' and (s.status in ('idle', 'stopped') or date_part('epoch', s.last_heartbeat)
          <= date_part('epoch', look.at) - s.lost_after_intervals * s.heartbeat_interval_s)) as beats
    from public.hp_worker_status s
    offset 0
  ) w
    cross join hp_private.monitor p
    left join public.hp_worker_group g on g.worker_type = w.worker_type
$$;

-- A conflict of names is over when no superseded instance vouches for itself any more.
create or replace function hp_private.settle_conflicts(at timestamptz) returns void
language sql set search_path = ''
as $$
  with settled as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.name_conflict_since is not null and not exists (
      select from public.hp_worker_instance i
      where i.worker_name = w.worker_name and i.instance_id <> w.instance_id and i.lease_expires_at > settle_conflicts.at)
    order by w.worker_name for no key update skip locked
  )
  update public.hp_worker_status w set name_conflict_since = null from settled s where w.worker_name = s.worker_name
$$;

-- What a gap since the last tick means: silence counts from its end at the earliest. A shorter one forgives the workers to
-- which it was long.
create or replace function hp_private.note_gap(inout monitor hp_private.monitor, tick_every interval, at timestamptz)
language plpgsql set search_path = ''
as $$
begin
  if monitor.tick_at is null or at - monitor.tick_at > greatest(interval '30 seconds', 3 * tick_every) then
    monitor.ticking_since := at;
    monitor.watching_since := at;
    if monitor.tick_at is not null then
      if monitor.impaired_since is null then
        perform hp_private.monitor_event(monitor.tick_at, 'monitoring', 'impaired', hp_private.monitor_reason('no tick'), '{}');
      end if;
      perform hp_private.monitor_event(at, 'impaired', 'monitoring',
        hp_private.monitor_reason('tick again', at - monitor.tick_at),
        jsonb_build_object('impaired_s', round(extract(epoch from at - coalesce(monitor.impaired_since, monitor.tick_at)))));
      monitor.impaired_since := null;
    end if;
  elsif at - monitor.tick_at > 3 * tick_every then
    monitor.gap_ended_at := at;
    monitor.gap_s := extract(epoch from at - monitor.tick_at);
  end if;
end
$$;

-- Each part by itself: a fault in one, such as a row that it can't read, is recorded and stops no other.
create or replace function hp_private.run_parts(parts text[], at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part text;
begin
  foreach v_part in array parts loop
    begin
      execute format('select hp_private.%I($1)', v_part) using at;
    exception when others then
      perform hp_private.note_failure(v_part, sqlerrm, at);
    end;
  end loop;
end
$$;

-- What is over by now, or too old to be kept.
create or replace function hp_private.tidy(monitor hp_private.monitor, conflicts boolean, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.run_parts(array_remove(array[
    case when conflicts then 'settle_conflicts' end, 'release_leases', 'follow_commands',
    case when monitor.followed_until > at then 'follow_workers' end, 'forget_seen', 'prune', 'prune_large_logs'], null), at);
end
$$;

-- Writes down the monitor's new state. Returns whether open pages are due a digest: by the time, or because that state changed.
create or replace function hp_private.note_tick(
  monitor hp_private.monitor, judged record, look record, tick_every interval, at timestamptz
) returns boolean
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_digest_every constant interval := make_interval(secs => coalesce(hp_private.setting('digest_every_s'), 10)::double precision);
  v_viewed constant boolean := coalesce(monitor.viewed_until > at, false);
  v_digest constant boolean := v_viewed and (hp_private.digest_due(monitor.digest_at, tick_every, at)
    or judged.impaired_since is distinct from monitor.impaired_since or judged.watching_since > monitor.watching_since);
  v_pace constant record := hp_private.pace_fleet(monitor.stretch, look.live_workers, look.load);
begin
  update hp_private.monitor p set
    tick_at = note_tick.at,
    overdue_after = least(2 * tick_every, case when v_viewed then v_digest_every end),
    ticking_since = monitor.ticking_since, watching_since = judged.watching_since,
    impaired_since = judged.impaired_since, gap_ended_at = monitor.gap_ended_at, gap_s = monitor.gap_s,
    digest_at = case when v_digest then note_tick.at else p.digest_at end,
    live_workers = look.live_workers, stretch = v_pace.stretch, activity_every_s = v_pace.activity_every_s
  where p.id;
  return v_digest;
end
$$;

create or replace function hp_private.tick(at timestamptz) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_tick_every constant interval := make_interval(secs => coalesce(hp_private.setting('tick_every_s'), 5)::double precision);
  v_monitor hp_private.monitor;
  v_look record;
  v_judged record;
  v_digest boolean;
begin
  if not pg_try_advisory_xact_lock(hashtext('hp_private.tick')) then
    return jsonb_build_object('ran', false);
  end if;
  select * into v_monitor from hp_private.monitor;

  v_monitor := hp_private.note_gap(v_monitor, v_tick_every, at);
  v_look := hp_private.look(at);
  begin
    v_judged := hp_private.judge_silence(v_monitor, v_look.silent, v_tick_every, at);
  exception when others then
    select null::text[] as crashed, v_monitor.impaired_since, v_monitor.watching_since into v_judged;
    perform hp_private.note_failure('judge_silence', sqlerrm, at);
  end;
  perform hp_private.tidy(v_monitor, v_look.conflicts, at);

  if v_judged.crashed is not null then
    v_look := hp_private.look(at);
  end if;
  v_digest := hp_private.note_tick(v_monitor, v_judged, v_look, v_tick_every, at);
  begin
    if v_digest then
      perform hp_private.send_digest('digest',
        greatest(v_monitor.digest_at, at - interval '5 minutes') - interval '10 seconds', at);
    elsif v_judged.crashed is not null and v_monitor.viewed_until > at then
      perform hp_private.send_transition(v_judged.crashed);
    end if;
  exception when others then
    perform hp_private.note_failure('send_digest', sqlerrm, at);
  end;
  perform hp_private.keep_history(at);
  return jsonb_build_object('ran', true, 'silent', coalesce(cardinality(v_judged.crashed), 0));
end
$$;

-- The tick stores after how long the next one is overdue: two periods, or a digest's where somebody watches, for a page needs
-- its digests even where a scheduler calls but once a minute.
create or replace function hp_private.tick_if_overdue(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  if (select (p.tick_at + p.overdue_after > tick_if_overdue.at) is not true from hp_private.monitor p) then
    perform hp_private.tick(at);
  end if;
end
$$;

create or replace function public.hp_tick() returns jsonb
language sql security definer set search_path = ''
return hp_private.tick(now());

-- SECURITY DEFINER: a viewer may announce itself and may write nothing else. A hidden tab calls late, hence the
-- long time for which one call counts.
create or replace function public.hp_watch() returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_monitor hp_private.monitor;
begin
  perform hp_private.require_member();
  update hp_private.monitor p
  set viewed_until = now() + make_interval(secs => coalesce(hp_private.setting('viewer_lasts_s'), 150)::double precision),
    overdue_after = least(p.overdue_after, make_interval(secs => coalesce(hp_private.setting('digest_every_s'), 10)::double precision))
  where p.id
  returning * into v_monitor;
  perform hp_private.tick_if_overdue(now());
  return jsonb_build_object('now', now(), 'viewed_until', v_monitor.viewed_until, 'tick_at', v_monitor.tick_at);
end
$$;

-- Who runs hp_tick(). Where there is pg_cron, as on hosted projects, it does: every 5 seconds where it takes seconds (1.5
-- and later), each minute where it does not. Elsewhere something must call it: see docs/scheduling.md.
--
-- It never fails: a database without a scheduler is a whole one, whose beats and open pages run an overdue tick. Jobs of
-- these names that exist are left as they are, for somebody may have set another pace.
create or replace function hp_private.schedule_tick() returns text
language plpgsql set search_path = ''
as $$
declare
  v_command constant text := 'select public.hp_tick()';
  v_schedule text;
  v_period integer := 5;
begin
  if not exists (
    select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'cron' and p.proname = 'schedule' and p.pronargs = 3)
  then
    if not exists (select from pg_catalog.pg_available_extensions e where e.name = 'pg_cron') then
      return 'not scheduled: there is no pg_cron here';
    end if;
    begin
      create extension pg_cron with schema pg_catalog;
    exception when others then
      -- Not preloaded, not ours to create, or at home in another database of this server.
      return 'not scheduled: ' || sqlerrm;
    end;
  end if;

  begin
    execute 'select schedule from cron.job where jobname = $1' into v_schedule using 'lastseen-tick';
    if v_schedule is not null then
      return 'scheduled already: ' || v_schedule;
    end if;
    begin
      v_schedule := '5 seconds';
      execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick', v_schedule, v_command;
    exception when others then
      v_schedule := '* * * * *';
      v_period := 60;
      execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick', v_schedule, v_command;
    end;
    -- pg_cron keeps a row for each run and clears none: 17,280 a day.
    execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick-history', '17 3 * * *',
      'delete from cron.job_run_details d using cron.job j
       where j.jobid = d.jobid and j.jobname in (''lastseen-tick'', ''lastseen-tick-history'') and d.end_time < now() - interval ''1 day''';
  exception when others then
    return 'not scheduled: ' || sqlerrm;
  end;

  -- The tick must know how often it is run. A shorter period is that of somebody else's scheduler; 5 is what a new
  -- installation begins with.
  update public.hp_setting s set value = to_jsonb(v_period)
  where s.key = 'tick_every_s' and jsonb_typeof(s.value) = 'number'
    and (s.value::numeric > v_period or (s.value = '5' and v_period <> 5));
  return 'scheduled: ' || v_schedule;
end
$$;

do $$
begin
  raise notice 'hp_tick() is %', hp_private.schedule_tick();
end
$$;

revoke all on function
  hp_private.look, hp_private.settle_conflicts, hp_private.note_gap, hp_private.run_parts, hp_private.tidy, hp_private.note_tick,
  hp_private.tick, hp_private.tick_if_overdue, hp_private.schedule_tick
from public;
revoke all on function public.hp_tick, public.hp_watch from public, anon, authenticated, service_role;
grant execute on function public.hp_tick to service_role;
grant execute on function public.hp_watch to authenticated, service_role;
-- note: the scheduler alone; pg_cron runs it as its owner.
-- note: granted to nobody; its owner runs it in the SQL editor after enabling pg_cron.

comment on function hp_private.look is 'What the tick has to do, and how much the fleet beats.';
comment on function hp_private.settle_conflicts is 'Ends the conflicts of names that are over.';
comment on function hp_private.note_gap is 'The monitor''s state after the time since the last tick.';
comment on function hp_private.tidy is 'Ends what is over, and removes what is too old.';
comment on function hp_private.note_tick is 'Writes down the state of the monitor after a tick; returns whether a digest is due.';
comment on function hp_private.run_parts is 'Runs parts of the tick one by one; records those that fail.';
comment on function hp_private.tick is 'hp_tick at a given time.';
comment on function hp_private.tick_if_overdue is 'Runs the tick when its scheduler is two periods late.';
comment on function public.hp_tick is 'One pass of the monitor, for a scheduler: finds the silent, sends the digest. Returns {ran, silent}.';
comment on function public.hp_watch is 'Announces a viewer for 150 s: messages flow only then. Call once a minute. Errors: PT403 not a member.';
comment on function hp_private.schedule_tick is 'Has pg_cron run hp_tick(), where there is one; returns the outcome as text. Safe to run again.';
