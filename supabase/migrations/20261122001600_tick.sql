-- The server's own pulse. It finds the workers that have fallen silent, keeps open pages up to date, and records that
-- it ran. One at a time however often it is called.

create or replace function hp_private.in_words(span interval) returns text
language sql immutable set search_path = ''
return case
  when extract(epoch from span) < 120 then round(extract(epoch from span)) || ' seconds'
  when extract(epoch from span) < 7200 then round(extract(epoch from span) / 60) || ' minutes'
  when extract(epoch from span) < 172800 then round(extract(epoch from span) / 3600) || ' hours'
  else round(extract(epoch from span) / 86400) || ' days'
end;

-- Marks the residents whose lease has run out. A locked row is skipped: it is being beaten at this moment.
-- The transition is stamped with the deadline, not with when the tick happened to run. Silence counts from
-- watching_since at the earliest: what we did not watch is nobody's fault. A shorter gap of ours forgives those to whom
-- it was long, half of their lease or more.
create or replace function hp_private.mark_silent(pulse hp_private.pulse, at timestamptz) returns text[]
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_names text[];
begin
  with silent as materialized (
    select w.worker_name, greatest(
        w.lease_expires_at,
        pulse.watching_since + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s),
        case
          when pulse.gap_s >= w.lost_after_intervals * w.heartbeat_interval_s / 2
            then pulse.gap_ended_at + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
        end) as deadline
    from public.hp_worker_status w
    where w.lease_expires_at <= mark_silent.at
      and w.status not in ('unknown', 'stopped', 'crashed') and w.kind = 'resident'
    order by w.worker_name for no key update skip locked
  ),
  marked as (
    update public.hp_worker_status w set
      status = 'crashed', status_since = s.deadline,
      status_reason = 'no heartbeat for ' || hp_private.in_words(s.deadline - w.last_heartbeat),
      lease_expires_at = null, jobs_active = 0, current_status = null, current_job_id = null,
      current_job_type = null, status_updated_at = s.deadline, activity_seen_at = clock_timestamp(), last_exit = null
    from silent s where w.worker_name = s.worker_name and s.deadline <= mark_silent.at
    returning w.worker_name
  )
  select array_agg(m.worker_name) into v_names from marked m;
  return v_names;
end
$$;

-- Removes what has been kept long enough, once an hour.
create or replace function hp_private.prune(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  update hp_private.pulse p set pruned_at = prune.at
  where p.id and (p.pruned_at is null or p.pruned_at <= prune.at - interval '1 hour');
  if not found then
    return;
  end if;
  delete from public.hp_worker_event e
  where e.recorded_at < prune.at - make_interval(days => coalesce(hp_private.setting('event_days'), 90)::integer);
  delete from public.hp_worker_instance i
  where greatest(i.last_heartbeat, i.ended_at, i.superseded_at)
      < prune.at - make_interval(days => coalesce(hp_private.setting('instance_days'), 7)::integer)
    and not exists (select from public.hp_worker_status w where w.instance_id = i.instance_id);
end
$$;

create or replace function hp_private.tick(at timestamptz) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_pulse hp_private.pulse;
  v_tick_every interval := make_interval(secs => coalesce(hp_private.setting('tick_every_s'), 5)::double precision);
  v_digest_every interval := make_interval(secs => coalesce(hp_private.setting('digest_every_s'), 10)::double precision);
  v_watched boolean;
  v_digest boolean;
  v_silent text[];
  v_pace record;
begin
  if not pg_try_advisory_xact_lock(hashtext('hp_private.tick')) then
    return jsonb_build_object('ran', false);
  end if;
  select * into v_pulse from hp_private.pulse;

  if v_pulse.tick_at is null or at - v_pulse.tick_at > greatest(interval '30 seconds', 3 * v_tick_every) then
    v_pulse.watching_since := at;
  elsif at - v_pulse.tick_at > 3 * v_tick_every then
    v_pulse.gap_ended_at := at;
    v_pulse.gap_s := extract(epoch from at - v_pulse.tick_at);
  end if;
  v_silent := hp_private.mark_silent(v_pulse, at);

  -- A conflict is over when no superseded instance vouches for itself any more.
  with settled as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.name_conflict_since is not null and not exists (
      select from public.hp_worker_instance i
      where i.worker_name = w.worker_name and i.instance_id <> w.instance_id and i.lease_expires_at > tick.at)
    order by w.worker_name for no key update skip locked
  )
  update public.hp_worker_status w set name_conflict_since = null from settled s where w.worker_name = s.worker_name;

  v_watched := coalesce(v_pulse.watched_until > at, false);
  -- Half a tick early is on time: the two periods are rarely in step.
  v_digest := v_watched
    and (v_pulse.digest_at is null or v_pulse.digest_at <= at - v_digest_every + v_tick_every / 2);
  select * into v_pace from hp_private.pace_fleet(v_pulse.stretch, at);
  update hp_private.pulse p set
    tick_at = tick.at, watching_since = v_pulse.watching_since,
    gap_ended_at = v_pulse.gap_ended_at, gap_s = v_pulse.gap_s,
    digest_at = case when v_digest then tick.at else p.digest_at end,
    live_workers = v_pace.live_workers, stretch = v_pace.stretch, activity_every_s = v_pace.activity_every_s
  where p.id;

  if v_digest then
    perform hp_private.send_digest('digest',
      greatest(v_pulse.digest_at, at - interval '5 minutes') - interval '10 seconds', at);
  elsif v_watched and v_silent is not null then
    perform hp_private.send_transition(v_silent);
  end if;
  perform hp_private.release_leases(at);
  perform hp_private.prune(at);
  return jsonb_build_object('ran', true, 'silent', coalesce(cardinality(v_silent), 0));
end
$$;

create or replace function hp_private.tick_if_overdue(tick_at timestamptz, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  -- note: the setting is looked up only past the shortest period that it is likely to have.
  if tick_at is null or (tick_at < at - interval '2 seconds'
    and tick_at < at - 2 * make_interval(secs => coalesce(hp_private.setting('tick_every_s'), 5)::double precision))
  then
    perform hp_private.tick(at);
  end if;
end
$$;

create or replace function public.hp_tick() returns jsonb
language sql security definer set search_path = ''
return hp_private.tick(now());

revoke all on function hp_private.in_words(interval) from public;
revoke all on function hp_private.mark_silent(hp_private.pulse, timestamptz) from public;
revoke all on function hp_private.prune(timestamptz) from public;
revoke all on function hp_private.tick(timestamptz) from public;
revoke all on function hp_private.tick_if_overdue(timestamptz, timestamptz) from public;
revoke all on function public.hp_tick() from public, anon, authenticated, service_role;
grant execute on function public.hp_tick() to service_role;
-- note: the scheduler alone; pg_cron runs it as its owner.

comment on function hp_private.in_words(interval) is 'A span of time for people.';
comment on function hp_private.mark_silent(hp_private.pulse, timestamptz) is 'Marks residents whose lease has run out as crashed; returns their names or null.';
comment on function hp_private.prune(timestamptz) is 'Removes old events and ended instances.';
comment on function hp_private.tick(timestamptz) is 'hp_tick at a given time.';
comment on function hp_private.tick_if_overdue(timestamptz, timestamptz) is 'Runs the tick when whoever should run it is two periods late.';
comment on function public.hp_tick() is 'The watch''s pulse, for a scheduler: finds the silent, sends the digest. Returns {ran, silent}.';
