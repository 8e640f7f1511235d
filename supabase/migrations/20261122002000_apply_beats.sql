-- What a beat does to its worker: how often workers may beat, the row of a worker, and which process holds it.

insert into public.hp_setting (key, value, description) values
  ('beats_per_second', '200', 'Beats a second that the whole fleet may send, activity included.')
on conflict (key) do nothing;

-- How often workers may beat. A worker is answered the interval that people set for it, else for its group, else that it
-- asked for; times the stretch of the monitor, by which the tick keeps the whole fleet under the setting beats_per_second.

-- The stretch in steps of a quarter to an eighth. Every change of it is a new interval, and with it a new revision, for each
-- worker: a fleet that gains or loses a few must not be told anew each time. So it grows when it must, and shrinks only
-- when a tenth to spare is left in a smaller step.
create or replace function hp_private.stretch_step(needed double precision, present double precision) returns double precision
language plpgsql immutable set search_path = ''
as $$
declare
  v_needed double precision := greatest(1, case when needed <= present then least(present, needed * 1.1) else needed end);
  v_step double precision := power(2, floor(ln(v_needed) / ln(2::double precision))) / 4;
begin
  return ceil(v_needed / v_step) * v_step;
end
$$;

-- What the tick stores in the monitor. The load is that of the intervals before any stretch, so that a stretch does not
-- change what it is worked out from. Workers wait 0.9 to 1.0 of their interval, hence 0.95. A beat of changed activity takes
-- the place of the next plain one, so activity may have what the plain beats leave over.
create or replace function hp_private.pace_fleet(
  present double precision, live_workers integer, load double precision,
  out stretch double precision, out activity_every_s double precision
)
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant double precision := coalesce(nullif(hp_private.setting('beats_per_second'), 0), 200);
begin
  stretch := hp_private.stretch_step(load / v_most, coalesce(present, 1));
  activity_every_s := least(3600, greatest(1, live_workers / greatest(v_most - load / stretch, v_most / 100)));
end
$$;

-- The interval that a worker is answered: that of people for it, else for its group, else what it wants; stretched.
-- note: plpgsql, 0.7 us a call; a function that names its search_path is not inlined. Two calls would take apply_steady() 8 %
-- longer, so it spells the rule out; tests/database/steady.test.ts holds it to this one.
create or replace function hp_private.answered_interval(
  stretch double precision, override_s double precision, group_intervals jsonb, worker_type text, wanted_s double precision
) returns double precision
language plpgsql immutable set search_path = ''
as $$
begin
  return least(3600, stretch * coalesce(override_s, (group_intervals ->> worker_type)::double precision, wanted_s));
end
$$;

-- When the next run of a worker is due after a beat. in_ms 0: due now, or since it was; null: as before.
create or replace function hp_private.next_due(before timestamptz, in_ms bigint, at timestamptz) returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return case in_ms when 0 then least(before, at) else coalesce(at + make_interval(secs => in_ms / 1000.0), before) end;
end
$$;

-- The way of most beats: still alive, and nothing new but time, counters and resources. One set-based update, HOT, no matter
-- how many beats; of few columns and past all triggers, for each of them costs (one beat a call: 317 us of CPU for the whole
-- row, 161 so). It takes the beats that it is sure of, of which hp_private.apply_beats() would make the same row; the others
-- are left. Returns the answers by place. One statement: as long as its columns and conditions are many.
create or replace function hp_private.apply_steady(
  beats hp_private.beat[], answers jsonb[], at timestamptz, stretch double precision, group_intervals jsonb, names_like text
)
returns jsonb[]
language plpgsql set search_path = '' set application_name = 'lastseen own write'
-- Left to itself PostgreSQL plans this for every array anew, which takes as long as the rest (0.91 → 0.43 ms a beat).
set plan_cache_mode = 'force_generic_plan' set jit = 'off'
-- note: a plan made while the table was still empty would read all of it for every beat, until it is next analyzed (1,000 new
-- workers a call: 1.8 s the first time, 9 s the fifth).
set enable_seqscan = 'off' set enable_hashjoin = 'off' set enable_mergejoin = 'off'
as $$
#variable_conflict use_column
declare
  v_answers jsonb[] := coalesce(answers, array_fill(null::jsonb, array[cardinality(beats)]));
  v_place bigint;
  v_answer jsonb;
begin
  for v_place, v_answer in update public.hp_worker_status w set
    sequence = b.sequence,
    last_heartbeat = greatest(w.last_heartbeat, apply_steady.at),
    lease_expires_at = apply_steady.at + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s),
    clock_skew_ms = coalesce(round(b.sent_at_ms - date_part('epoch', apply_steady.at) * 1000), w.clock_skew_ms),
    jobs_processed = least(9007199254740991, w.jobs_processed + greatest(w.counted_jobs, b.jobs_total) - w.counted_jobs),
    error_count = least(9007199254740991, w.error_count + greatest(w.counted_errors, b.errors_total) - w.counted_errors),
    counted_jobs = greatest(w.counted_jobs, b.jobs_total),
    counted_errors = greatest(w.counted_errors, b.errors_total),
    jobs_active = coalesce(b.jobs_active, 0),
    status_updated_at = case when b.jobs_total > w.counted_jobs or b.errors_total > w.counted_errors
      then greatest(w.status_updated_at, apply_steady.at - b.status_age_ms * interval '1 millisecond') else w.status_updated_at end,
    last_run_at = coalesce(apply_steady.at - b.last_run_age_ms * interval '1 millisecond', w.last_run_at),
    last_run_duration_ms = coalesce(b.last_run_duration_ms, w.last_run_duration_ms),
    processed_count = coalesce(b.processed_count, w.processed_count),
    last_run_errors = coalesce(b.last_run_errors, w.last_run_errors),
    cpu_percent = coalesce(b.cpu_percent, w.cpu_percent),
    memory_percent = coalesce(b.memory_percent, w.memory_percent),
    memory_rss_bytes = coalesce(b.memory_rss_bytes, w.memory_rss_bytes),
    event_loop_lag_ms = coalesce(b.event_loop_lag_ms, w.event_loop_lag_ms),
    event_loop_blocked_ms = b.event_loop_blocked_ms
  from unnest(apply_steady.beats) with ordinality as b
  where w.worker_name = b.worker_name and w.instance_id = b.instance_id and b.sequence > w.sequence
    -- Nothing is new.
    and w.status = b.status and w.status not in ('unknown', 'stopped', 'crashed') and w.kind = 'resident'
    and (w.status_reason, w.current_status, w.current_job_id, w.current_job_type)
      is not distinct from (b.status_reason, b.current_status, b.current_job_id, b.current_job_type)
    and w.heartbeat_interval_s = greatest(b.heartbeat_interval_s, least(3600, apply_steady.stretch * coalesce(
      w.interval_override_s, (apply_steady.group_intervals ->> w.worker_type)::double precision, w.requested_interval_s)))
    and num_nonnulls(b.requested_interval_s, b.worker_type, b.description, b.version, b.kind, b.hostname, b.pid, b.runtime, b.parts,
      b.next_run_in_ms, b.schedule, b.grace_s, b.max_run_s, b.last_exit, b.circuit_breaker_opened_age_ms,
      b.circuit_breaker_retry_in_ms, b.circuit_breaker_reason, w.circuit_breaker_reason) = 0
    and w.draining = coalesce(b.draining, false)
    and w.circuit_breaker_state = 'closed' and coalesce(b.circuit_breaker_state, 'closed') = 'closed'
    and w.circuit_breaker_failures = coalesce(b.circuit_breaker_failures, w.circuit_breaker_failures)
    and w.circuit_breaker_threshold = coalesce(b.circuit_breaker_threshold, w.circuit_breaker_threshold)
    and (b.poll_interval_s is null or w.poll_interval_s = b.poll_interval_s)
    and (b.last_error is null or (w.last_error = b.last_error
      and abs(date_part('epoch', apply_steady.at - w.last_error_at) * 1000 - coalesce(b.last_error_age_ms, 0)) <= 2000))
    and (b.metadata is null or w.metadata = b.metadata)
    -- Nor has a resource passed a level that a page hears of.
    and (greatest(w.cpu_percent, b.cpu_percent, w.memory_percent, b.memory_percent) <= 80) is not false
    and (greatest(w.event_loop_blocked_ms, b.event_loop_blocked_ms) <= 1000) is not false
    and num_nulls(w.cpu_percent, w.memory_percent, w.event_loop_blocked_ms)
      = num_nulls(b.cpu_percent, b.memory_percent, b.event_loop_blocked_ms)
    -- All is in range (hp_private.beat_problem), and the name is one of the caller's.
    and least(b.heartbeat_interval_s, b.sequence) >= 1
    and (least(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.jobs_active, b.uptime_ms, b.status_age_ms,
      b.last_run_age_ms, b.last_run_duration_ms, b.processed_count, b.last_run_errors, b.last_error_age_ms,
      b.memory_rss_bytes, b.event_loop_blocked_ms, b.epoch, b.logs_dropped) < 0) is not true
    and (least(b.cpu_percent, b.memory_percent, b.event_loop_lag_ms) < 0) is not true
    and (b.event_loop_lag_ms < 'infinity') is not false and (abs(b.sent_at_ms) <= 8640000000000000) is not false
    and (greatest(b.uptime_ms, b.status_age_ms, b.last_run_age_ms, b.last_run_duration_ms, b.last_error_age_ms)
      > 315360000000) is not true
    and (greatest(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.logs_dropped) > 1000000000000000) is not true
    and (cardinality(b.leases) > 1000) is not true
    and (b.worker_name like apply_steady.names_like) is not false
  returning b.ordinality, jsonb_build_object(
    'worker_name', w.worker_name, 'ok', true, 'epoch', w.epoch, 'current', true, 'sequence', w.sequence,
    'counted_jobs', w.counted_jobs, 'counted_errors', w.counted_errors, 'interval_s', least(3600, apply_steady.stretch * coalesce(
      w.interval_override_s, (apply_steady.group_intervals ->> w.worker_type)::double precision, w.requested_interval_s)))
  loop
    v_answers[v_place] := v_answer;
  end loop;
  return v_answers;
end
$$;

-- What else a beat may say: the whole row, hence so long. From the instance that holds it, newer than the last beat that was applied; the
-- others are for hp_private.admit_beat(). Returns places and answers.
--
-- heartbeat_interval_s is the longer one of what the worker states that it holds to and what it is answered: a shorter
-- interval counts from the beat that states it, so that nobody is accused who has not heard of it; a longer one at once.
create or replace function hp_private.apply_beats(
  beats hp_private.beat[], at timestamptz, stretch double precision, group_intervals jsonb
)
returns table (place bigint, answer jsonb)
language plpgsql set search_path = '' set application_name = 'lastseen own write'
-- Left to itself PostgreSQL plans this for every array anew, which takes as long as the rest (0.91 → 0.43 ms a beat).
set plan_cache_mode = 'force_generic_plan' set jit = 'off'
-- note: a plan made while the table was still empty would read all of it for every beat, until it is next analyzed (1,000 new
-- workers a call: 1.8 s the first time, 9 s the fifth).
set enable_seqscan = 'off' set enable_hashjoin = 'off' set enable_mergejoin = 'off'
as $$
#variable_conflict use_column
begin
  -- note: plpgsql rather than sql, for it keeps the plan (planning these columns takes longer than updating a row).
  return query update public.hp_worker_status w set
    sequence = b.sequence,
    status = b.status,
    status_since = case when w.status = b.status then w.status_since else apply_beats.at end,
    status_reason = b.status_reason,
    last_heartbeat = greatest(w.last_heartbeat, apply_beats.at),
    heartbeat_interval_s = greatest(b.heartbeat_interval_s, hp_private.answered_interval(apply_beats.stretch, w.interval_override_s,
      apply_beats.group_intervals, coalesce(b.worker_type, w.worker_type),
      coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s))),
    -- What it held to first is what it wants, where it never says: later on it holds to what it was answered.
    requested_interval_s = coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s),
    lease_expires_at = hp_private.lease_end(coalesce(b.kind, w.kind), b.status, apply_beats.at,
      w.lost_after_intervals * greatest(b.heartbeat_interval_s, hp_private.answered_interval(apply_beats.stretch,
        w.interval_override_s, apply_beats.group_intervals, coalesce(b.worker_type, w.worker_type),
        coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s))),
      hp_private.next_due(w.next_run_at, b.next_run_in_ms, apply_beats.at),
      coalesce(b.grace_s, w.grace_s), coalesce(b.max_run_s, w.max_run_s), case
        -- A run's time counts from its first beat, until one tells of a run that has ended since.
        when w.status in ('starting', 'processing', 'running', 'stopping') and (b.last_run_age_ms is null
          or apply_beats.at - make_interval(secs => b.last_run_age_ms / 1000.0 + 2) <= w.last_run_at) then w.lease_expires_at
      end),
    clock_skew_ms = coalesce(round(b.sent_at_ms - extract(epoch from apply_beats.at)::double precision * 1000), w.clock_skew_ms),
    worker_type = coalesce(b.worker_type, w.worker_type),
    description = coalesce(b.description, w.description),
    version = coalesce(b.version, w.version),
    kind = coalesce(b.kind, w.kind),
    hostname = coalesce(b.hostname, w.hostname),
    pid = coalesce(b.pid, w.pid),
    runtime = coalesce(b.runtime, w.runtime),
    parts = coalesce(b.parts::text[], w.parts),
    jobs_processed = least(9007199254740991, w.jobs_processed + greatest(0, coalesce(b.jobs_total, 0) - w.counted_jobs)),
    error_count = least(9007199254740991, w.error_count + greatest(0, coalesce(b.errors_total, 0) - w.counted_errors)),
    counted_jobs = greatest(w.counted_jobs, b.jobs_total),
    counted_errors = greatest(w.counted_errors, b.errors_total),
    draining = coalesce(b.draining, false) and b.status not in ('stopped', 'crashed'),
    jobs_active = case when b.status in ('stopped', 'crashed') then 0 else coalesce(b.jobs_active, 0) end,
    current_status = case when b.status not in ('stopped', 'crashed') then b.current_status end,
    current_job_id = case when b.status not in ('stopped', 'crashed') then b.current_job_id end,
    current_job_type = case when b.status not in ('stopped', 'crashed') then b.current_job_type end,
    status_updated_at = case
      when (w.status, w.current_status, w.current_job_id, w.current_job_type)
        is distinct from (b.status, b.current_status, b.current_job_id, b.current_job_type)
        then apply_beats.at - make_interval(secs => coalesce(b.status_age_ms, 0) / 1000.0)
      -- Jobs that began and ended between two beats: the worker has been idle only since the last of them.
      when b.jobs_total > w.counted_jobs or b.errors_total > w.counted_errors
        then greatest(w.status_updated_at, apply_beats.at - b.status_age_ms * interval '1 millisecond')
      else w.status_updated_at
    end,
    activity_seen_at = case
      when (w.status, w.current_status, w.current_job_id, w.current_job_type)
        is distinct from (b.status, b.current_status, b.current_job_id, b.current_job_type)
        then clock_timestamp()
      else w.activity_seen_at
    end,
    poll_interval_s = coalesce(b.poll_interval_s, w.poll_interval_s),
    last_run_at = coalesce(apply_beats.at - make_interval(secs => b.last_run_age_ms / 1000.0), w.last_run_at),
    last_run_duration_ms = coalesce(b.last_run_duration_ms, w.last_run_duration_ms),
    processed_count = coalesce(b.processed_count, w.processed_count),
    last_run_errors = coalesce(b.last_run_errors, w.last_run_errors),
    next_run_at = hp_private.next_due(w.next_run_at, b.next_run_in_ms, apply_beats.at),
    grace_s = coalesce(b.grace_s, w.grace_s),
    max_run_s = coalesce(b.max_run_s, w.max_run_s),
    schedule = coalesce(b.schedule, w.schedule),
    last_error = coalesce(b.last_error, w.last_error),
    last_error_at = case
      when b.last_error is null then w.last_error_at
      else apply_beats.at - make_interval(secs => coalesce(b.last_error_age_ms, 0) / 1000.0)
    end,
    circuit_breaker_open = coalesce(b.circuit_breaker_state, w.circuit_breaker_state) = 'open',
    circuit_breaker_state = coalesce(b.circuit_breaker_state, w.circuit_breaker_state),
    circuit_breaker_failures = coalesce(b.circuit_breaker_failures, w.circuit_breaker_failures),
    circuit_breaker_threshold = coalesce(b.circuit_breaker_threshold, w.circuit_breaker_threshold),
    circuit_breaker_opened_at = case
      when b.circuit_breaker_state is null then w.circuit_breaker_opened_at
      else apply_beats.at - make_interval(secs => b.circuit_breaker_opened_age_ms / 1000.0)
    end,
    circuit_breaker_retry_at = case
      when b.circuit_breaker_state is null then w.circuit_breaker_retry_at
      else apply_beats.at + make_interval(secs => b.circuit_breaker_retry_in_ms / 1000.0)
    end,
    circuit_breaker_reason = case
      when b.circuit_breaker_state is null then w.circuit_breaker_reason else b.circuit_breaker_reason
    end,
    cpu_percent = coalesce(b.cpu_percent, w.cpu_percent),
    memory_percent = coalesce(b.memory_percent, w.memory_percent),
    memory_rss_bytes = coalesce(b.memory_rss_bytes, w.memory_rss_bytes),
    event_loop_lag_ms = coalesce(b.event_loop_lag_ms, w.event_loop_lag_ms),
    event_loop_blocked_ms = b.event_loop_blocked_ms,
    last_exit = case when b.status in ('stopped', 'crashed') then b.last_exit else w.last_exit end,
    -- Written only when it changed, and over 1 KB once a minute at most (8 KB with every beat left 516 MB of TOAST
    -- behind after 50,000 of them).
    metadata = case
      when b.metadata is null or b.metadata = w.metadata
        or (pg_column_size(b.metadata) > 1024 and w.metadata_at > apply_beats.at - interval '1 minute') then w.metadata
      else b.metadata
    end,
    metadata_at = case
      when b.metadata is null or b.metadata = w.metadata
        or (pg_column_size(b.metadata) > 1024 and w.metadata_at > apply_beats.at - interval '1 minute') then w.metadata_at
      else apply_beats.at
    end
  from unnest(apply_beats.beats) with ordinality as b
  where w.worker_name = b.worker_name and w.instance_id = b.instance_id and b.sequence > w.sequence
  returning b.ordinality, jsonb_build_object(
    'worker_name', w.worker_name, 'ok', true, 'epoch', w.epoch, 'current', true, 'sequence', w.sequence,
    'counted_jobs', w.counted_jobs, 'counted_errors', w.counted_errors, 'interval_s', hp_private.answered_interval(
      apply_beats.stretch, w.interval_override_s, apply_beats.group_intervals, w.worker_type, w.requested_interval_s));
end
$$;

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
    set jobs_processed = least(9007199254740991, w.jobs_processed + greatest(0, credit.jobs)),
      error_count = least(9007199254740991, w.error_count + greatest(0, credit.errors))
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
    -- A process that names none may be of an older module: its successor's parts are unknown, not those of the one before.
    parts = to_instance.parts,
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

-- Whether an instance that does not hold its worker's row takes it with this beat. A late goodbye does not: it is refused here.
-- held: whether the row's own instance is alive.
create or replace function hp_private.may_take_row(
  worker public.hp_worker_status, held boolean, instance public.hp_worker_instance, beat hp_private.beat, at timestamptz
) returns boolean
language plpgsql stable set search_path = ''
as $$
begin
  -- The newer one holds on while it lives. When it has ended, an older one that lives has the row again: one that has
  -- heard its epoch, not a process that died before it heard anything. A goodbye may be what presents the epoch, where
  -- the process before it was killed.
  return beat.sequence > instance.sequence and (
    (instance.epoch > coalesce(worker.epoch, 0) and (not held or beat.epoch = instance.epoch))
    or (beat.epoch = instance.epoch and not held and beat.status not in ('stopping', 'stopped', 'crashed'))
    -- Who waits for a scheduled worker's next run does not live by it: the process that runs is the worker. (A platform
    -- keeps several warm and calls them in turn.)
    or (beat.epoch = instance.epoch and worker.kind = 'scheduled' and worker.status in ('idle', 'error') and (
      beat.status in ('starting', 'processing', 'running', 'error')
      or coalesce(at - make_interval(secs => beat.last_run_age_ms / 1000.0 + 2) > worker.last_run_at, false))));
end
$$;

-- An instance that is first heard of, or was forgotten since: it is credited with what the table has not counted yet.
create or replace function hp_private.register(beat hp_private.beat, lease_until timestamptz, at timestamptz)
returns public.hp_worker_instance
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_instance public.hp_worker_instance;
  v_jobs constant bigint := coalesce(beat.jobs_total, 0);
  v_errors constant bigint := coalesce(beat.errors_total, 0);
begin
  perform hp_private.credit(beat.worker_name,
    v_jobs - coalesce(beat.counted_jobs, 0), v_errors - coalesce(beat.counted_errors, 0));
  insert into public.hp_worker_instance (
    instance_id, worker_name, epoch, status, started_at, hostname, pid, version, runtime, parts, sequence,
    counted_jobs, counted_errors, last_heartbeat, lease_expires_at, registered_at)
  values (
    beat.instance_id, beat.worker_name, nextval('hp_private.epoch_seq'), beat.status,
    at - make_interval(secs => coalesce(beat.uptime_ms, 0) / 1000.0), beat.hostname, beat.pid, beat.version,
    beat.runtime, beat.parts, beat.sequence - 1, v_jobs, v_errors, at, register.lease_until, at)
  returning * into v_instance;
  return v_instance;
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

  -- Once more where the clean-up, which locks what it removes, has removed the row in between.
  loop
    insert into public.hp_worker_status (worker_name, expected) values (beat.worker_name, coalesce(beat.expected, true))
    on conflict do nothing;
    select * into v_worker from public.hp_worker_status w where w.worker_name = beat.worker_name for no key update;
    exit when found;
  end loop;
  -- A plain upsert has no instance: a process that takes such a row over is the worker moved to the module.
  v_held := v_worker.instance_id is not null and v_worker.lease_expires_at > at
    and v_worker.status not in ('unknown', 'stopped', 'crashed');
  v_interval := hp_private.answered_interval(stretch, v_worker.interval_override_s,
    group_intervals, coalesce(beat.worker_type, v_worker.worker_type),
    coalesce(beat.requested_interval_s, v_worker.requested_interval_s, beat.heartbeat_interval_s, v_worker.heartbeat_interval_s));
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
      v_instance := hp_private.register(beat, v_lease_until, at);
      v_current := not v_held;
    else
      v_current := hp_private.may_take_row(v_worker, v_held, v_instance, beat, at);
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

revoke all on function
  hp_private.stretch_step, hp_private.pace_fleet, hp_private.answered_interval, hp_private.next_due, hp_private.apply_steady, hp_private.apply_beats, hp_private.credit, hp_private.hand_over,
  hp_private.note_superseded, hp_private.may_take_row, hp_private.register, hp_private.admit_beat
from public;

comment on function hp_private.stretch_step is 'By how much to stretch intervals where so much is needed and so much is in force.';
comment on function hp_private.pace_fleet is 'By how much the intervals of so many workers are to be stretched, and how often one may report changed activity. load: beats a second without any stretch.';
comment on function hp_private.answered_interval is 'Seconds between beats that a worker is answered. group_intervals: seconds by worker_type, or null.';
comment on function hp_private.next_due is 'When the next run of a worker is due after a beat.';
comment on function hp_private.apply_steady is 'Applies the beats that say nothing new, of instances that hold their worker''s row; one beat per worker. Returns the answers, null at the places of the others.';
comment on function hp_private.apply_beats is 'Applies the beats of instances that hold their worker''s row; one beat per worker. group_intervals: seconds by worker_type, or null. Returns their places in the array, and their answers.';
comment on function hp_private.credit is 'Adds to a worker''s lifetime counts what one of its instances did.';
comment on function hp_private.hand_over is 'Moves a worker''s row to another instance.';
comment on function hp_private.note_superseded is 'Records a beat of an instance that does not hold the row.';
comment on function hp_private.may_take_row is 'Whether an instance takes its worker''s row with a beat.';
comment on function hp_private.register is 'Gives a new instance its epoch, and counts what it has done.';
comment on function hp_private.admit_beat is 'Deals with a beat from an instance that does not simply hold its row; returns the answer.';
