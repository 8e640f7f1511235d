-- The beats that apply_beats() leaves: from an instance that does not hold its worker's row (yet, or any more), or
-- one that was overtaken by a later beat of its own.
--
-- Order between instances is an epoch that the server hands out. A first beat only registers its instance: the
-- delayed first beat of a process that is dead by now must not silence a live one (ghosts won 1,195 of 5,000
-- restarts without the confirmation, 0 with it). The row moves when a beat presents its epoch.

-- What an instance has done since it was last counted goes to the worker's lifetime counts, whoever holds the row.
create or replace function hp_private.credit(worker_name text, jobs bigint, errors bigint) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
begin
  if credit.jobs > 0 or credit.errors > 0 then
    update public.hp_worker_status w
    set jobs_processed = w.jobs_processed + greatest(0, credit.jobs),
      error_count = w.error_count + greatest(0, credit.errors)
    where w.worker_name = credit.worker_name;
  end if;
end
$$;

-- The worker's row goes from the instance that holds it to another one. What the row knew of the old instance is
-- kept with that instance; what is known of the new one comes into the row.
create or replace function hp_private.hand_over(
  worker public.hp_worker_status, to_instance public.hp_worker_instance, at timestamptz
) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
begin
  update public.hp_worker_instance i
  set status = worker.status, sequence = worker.sequence, counted_jobs = worker.counted_jobs,
    counted_errors = worker.counted_errors, last_heartbeat = worker.last_heartbeat,
    -- That of a scheduled worker may last for days, its process does not.
    lease_expires_at = least(worker.lease_expires_at, case
      when worker.kind = 'scheduled' then
        worker.last_heartbeat + make_interval(secs => worker.lost_after_intervals * worker.heartbeat_interval_s)
    end),
    superseded_at = hand_over.at,
    last_exit = case when worker.status in ('stopped', 'crashed') then worker.last_exit end,
    -- Only its own word is an end: found silent or marked by hand, it may be heard again.
    ended_at = case when worker.status in ('stopped', 'crashed') and worker.status_since <= worker.last_heartbeat
      then worker.status_since end
  where i.instance_id = worker.instance_id;

  update public.hp_worker_instance i
  set took_over_at = hand_over.at, superseded_at = null
  where i.instance_id = to_instance.instance_id;

  update public.hp_worker_status w
  set instance_id = to_instance.instance_id, epoch = to_instance.epoch, sequence = to_instance.sequence,
    started_at = to_instance.started_at, hostname = coalesce(to_instance.hostname, w.hostname),
    pid = coalesce(to_instance.pid, w.pid), version = coalesce(to_instance.version, w.version),
    runtime = coalesce(to_instance.runtime, w.runtime),
    counted_jobs = to_instance.counted_jobs, counted_errors = to_instance.counted_errors,
    -- What the new process wants, and how long its run may last, its own beat says.
    requested_interval_s = null, lease_expires_at = null,
    -- The breaker of the old process ended with it.
    circuit_breaker_state = 'closed', circuit_breaker_open = false, circuit_breaker_failures = 0,
    circuit_breaker_opened_at = null, circuit_breaker_retry_at = null, circuit_breaker_reason = null,
    draining = false, name_conflict_since = null, event_loop_blocked_ms = null
  where w.worker_name = worker.worker_name;

  perform hp_private.note_successor(to_instance, at);
end
$$;

-- A superseded instance lives on under its own lease; its work counts, its status is its own. Still heard a minute
-- later without stopping, it is no rolling deploy any more but two processes under one name.
create or replace function hp_private.note_superseded(
  worker public.hp_worker_status, instance public.hp_worker_instance, beat hp_private.beat, lease_until timestamptz,
  at timestamptz
) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_newer boolean := beat.sequence > instance.sequence;
  v_ends boolean := beat.status in ('stopped', 'crashed');
begin
  update public.hp_worker_instance i set
    counted_jobs = greatest(i.counted_jobs, beat.jobs_total),
    counted_errors = greatest(i.counted_errors, beat.errors_total),
    sequence = greatest(i.sequence, beat.sequence),
    last_heartbeat = greatest(i.last_heartbeat, at),
    status = case when v_newer then beat.status else i.status end,
    lease_expires_at = case when v_newer then lease_until else i.lease_expires_at end,
    ended_at = case when v_ends then coalesce(i.ended_at, at) when not v_newer then i.ended_at end,
    last_exit = case when v_ends then coalesce(i.last_exit, beat.last_exit) else i.last_exit end
  where i.instance_id = instance.instance_id;
  if v_ends then
    perform hp_private.release_leases_of(instance.worker_name, instance.instance_id);
  end if;

  if v_newer and coalesce(instance.superseded_at, instance.registered_at) <= at - interval '1 minute' and worker.name_conflict_since is null
    and worker.lease_expires_at > at and worker.status not in ('stopping', 'stopped', 'crashed')
    and beat.status not in ('stopping', 'stopped', 'crashed')
    -- Warm processes that a platform calls in turn are no conflict, only runs at the same time.
    and (worker.kind <> 'scheduled' or (worker.status not in ('idle', 'error') and beat.status not in ('idle', 'error')))
  then
    update public.hp_worker_status w set name_conflict_since = note_superseded.at
    where w.worker_name = worker.worker_name;
  end if;
end
$$;

-- Returns the answer of one beat (docs/wire.md, without activity_every_s and again_ms).
create or replace function hp_private.admit_beat(
  beat hp_private.beat, at timestamptz, stretch double precision, group_intervals jsonb
) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_worker public.hp_worker_status;
  v_instance public.hp_worker_instance;
  v_held boolean;
  v_current boolean;
  v_interval double precision;
  v_lease_until timestamptz;
  v_answer jsonb;
  v_jobs bigint := coalesce(beat.jobs_total, 0);
  v_errors bigint := coalesce(beat.errors_total, 0);
begin
  -- A beat that is refused must leave no worker behind, so its instance is looked up before the name is made.
  select * into v_instance from public.hp_worker_instance i where i.instance_id = beat.instance_id;
  if v_instance.worker_name <> beat.worker_name then
    return jsonb_build_object('worker_name', beat.worker_name, 'ok', false, 'error', hp_private.beat_error(
      'instance_id', format('is that of another worker, %s; every worker of a process needs its own', v_instance.worker_name)));
  end if;

  insert into public.hp_worker_status (worker_name, expected) values (beat.worker_name, coalesce(beat.expected, true))
  on conflict do nothing;
  select * into v_worker from public.hp_worker_status w where w.worker_name = beat.worker_name for no key update;
  -- A plain upsert has no instance: a process that takes such a row over is the worker moved to the module.
  v_held := v_worker.instance_id is not null and v_worker.lease_expires_at > at
    and v_worker.status not in ('unknown', 'stopped', 'crashed');
  v_interval := least(3600, stretch * coalesce(
    v_worker.interval_override_s, (group_intervals ->> coalesce(beat.worker_type, v_worker.worker_type))::double precision,
    beat.requested_interval_s, v_worker.requested_interval_s, beat.heartbeat_interval_s, v_worker.heartbeat_interval_s));
  v_lease_until := case
    when beat.status not in ('stopped', 'crashed') then
      at + make_interval(secs => v_worker.lost_after_intervals * greatest(v_interval, beat.heartbeat_interval_s))
  end;

  if v_worker.instance_id = beat.instance_id then
    -- It has the row: a beat that was overtaken still counts; one that lost a race for the row is applied below.
    v_current := true;
    v_instance.epoch := v_worker.epoch;
    v_instance.counted_jobs := greatest(v_worker.counted_jobs, v_jobs);
    v_instance.counted_errors := greatest(v_worker.counted_errors, v_errors);
    if beat.sequence <= v_worker.sequence then
      perform hp_private.credit(beat.worker_name, v_jobs - v_worker.counted_jobs, v_errors - v_worker.counted_errors);
      update public.hp_worker_status w
      set counted_jobs = v_instance.counted_jobs, counted_errors = v_instance.counted_errors
      where w.worker_name = beat.worker_name;
    end if;
  else
    select * into v_instance from public.hp_worker_instance i where i.instance_id = beat.instance_id;
    if not found then
      -- First heard of, or forgotten since: it is credited with what the table has not counted yet.
      perform hp_private.credit(beat.worker_name,
        v_jobs - coalesce(beat.counted_jobs, 0), v_errors - coalesce(beat.counted_errors, 0));
      insert into public.hp_worker_instance (
        instance_id, worker_name, epoch, status, started_at, hostname, pid, version, runtime, sequence,
        counted_jobs, counted_errors, last_heartbeat, lease_expires_at, registered_at)
      values (
        beat.instance_id, beat.worker_name, nextval('hp_private.epoch_seq'), beat.status,
        at - make_interval(secs => coalesce(beat.uptime_ms, 0) / 1000.0), beat.hostname, beat.pid, beat.version,
        beat.runtime, beat.sequence - 1, v_jobs, v_errors, at, v_lease_until, at)
      returning * into v_instance;
      v_current := not v_held;
    else
      -- The newer one holds on while it lives. When it has ended, an older one that lives has the row again: one that has
      -- heard its epoch, not a process that died before it heard anything. A goodbye may be what presents the epoch, where
      -- the process before it was killed.
      v_current := beat.sequence > v_instance.sequence and (
        (v_instance.epoch > coalesce(v_worker.epoch, 0) and (not v_held or beat.epoch = v_instance.epoch))
        or (beat.epoch = v_instance.epoch and not v_held and beat.status not in ('stopping', 'stopped', 'crashed'))
        -- Who waits for a scheduled worker's next run does not live by it: the process that runs is the worker. (A platform
        -- keeps several warm and calls them in turn.)
        or (beat.epoch = v_instance.epoch and v_worker.kind = 'scheduled' and v_worker.status in ('idle', 'error') and (
          beat.status in ('starting', 'processing', 'running', 'error')
          or coalesce(at - make_interval(secs => beat.last_run_age_ms / 1000.0 + 2) > v_worker.last_run_at, false))));
      perform hp_private.credit(beat.worker_name, v_jobs - v_instance.counted_jobs, v_errors - v_instance.counted_errors);
      perform hp_private.note_superseded(v_worker, v_instance, beat, v_lease_until, at);
      v_instance.counted_jobs := greatest(v_instance.counted_jobs, v_jobs);
      v_instance.counted_errors := greatest(v_instance.counted_errors, v_errors);
    end if;
    if v_current then
      perform hp_private.hand_over(v_worker, v_instance, at);
    end if;
  end if;

  if v_current then
    select a.answer into v_answer from hp_private.apply_beats(array[beat], at, stretch, group_intervals) a;
  end if;
  return coalesce(v_answer, jsonb_build_object(
    'worker_name', beat.worker_name, 'ok', true, 'epoch', v_instance.epoch, 'current', v_current,
    'sequence', beat.sequence, 'counted_jobs', v_instance.counted_jobs, 'counted_errors', v_instance.counted_errors,
    'interval_s', v_interval));
end
$$;

revoke all on function hp_private.credit(text, bigint, bigint) from public;
revoke all on function hp_private.hand_over(public.hp_worker_status, public.hp_worker_instance, timestamptz) from public;
revoke all on function hp_private.note_superseded(public.hp_worker_status, public.hp_worker_instance, hp_private.beat, timestamptz, timestamptz) from public;
revoke all on function hp_private.admit_beat(hp_private.beat, timestamptz, double precision, jsonb) from public;

comment on function hp_private.credit(text, bigint, bigint) is 'Adds to a worker''s lifetime counts what one of its instances did.';
comment on function hp_private.hand_over(public.hp_worker_status, public.hp_worker_instance, timestamptz) is 'Moves a worker''s row to another instance.';
comment on function hp_private.note_superseded(public.hp_worker_status, public.hp_worker_instance, hp_private.beat, timestamptz, timestamptz) is 'Records a beat of an instance that does not hold the row.';
comment on function hp_private.admit_beat(hp_private.beat, timestamptz, double precision, jsonb) is 'Deals with a beat from an instance that does not simply hold its row; returns the answer.';
