-- The way of nearly every beat: from the instance that holds its worker's row, newer than the last one applied.
-- One set-based update, HOT, no matter how many beats. Returns the places and answers of the beats that it
-- applied; the others are for hp_private.admit_beat().
--
-- heartbeat_interval_s is the longer one of what the worker states that it holds to and what it is answered: a shorter
-- interval counts from the beat that states it, so that nobody is accused who has not heard of it; a longer one at once.
create or replace function hp_private.apply_beats(
  beats hp_private.beat[], at timestamptz, stretch double precision, group_intervals jsonb
)
returns table (place bigint, answer jsonb)
language plpgsql set search_path = '' set application_name = 'lastseen own write'
-- Left to itself PostgreSQL plans this for every array anew, which takes as long as the rest (0.91 → 0.43 ms a beat).
set plan_cache_mode = 'force_generic_plan'
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
    heartbeat_interval_s = greatest(b.heartbeat_interval_s, least(3600, apply_beats.stretch * coalesce(
      w.interval_override_s, (apply_beats.group_intervals ->> coalesce(b.worker_type, w.worker_type))::double precision,
      b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s))),
    -- What it held to first is what it wants, where it never says: later on it holds to what it was answered.
    requested_interval_s = coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s),
    lease_expires_at = case
      when coalesce(b.kind, w.kind) = 'scheduled' and b.status in ('idle', 'stopped') then
        case
          when b.next_run_in_ms > 0 then apply_beats.at + make_interval(secs => b.next_run_in_ms / 1000.0)
          when b.next_run_in_ms = 0 then least(w.next_run_at, apply_beats.at)
          else w.next_run_at
        end + make_interval(secs => coalesce(b.grace_s, w.grace_s))
      when b.status in ('stopped', 'crashed') then null
      -- A run's time counts from its first beat, until one tells of a run that has ended since.
      when coalesce(b.kind, w.kind) = 'scheduled' and b.status <> 'error'
        and w.status in ('starting', 'processing', 'running', 'stopping') and w.lease_expires_at is not null
        and (b.last_run_age_ms is null or apply_beats.at - make_interval(secs => b.last_run_age_ms / 1000.0 + 2) <= w.last_run_at)
        then w.lease_expires_at
      else greatest(
        apply_beats.at + make_interval(secs => w.lost_after_intervals
          * greatest(b.heartbeat_interval_s, least(3600, apply_beats.stretch * coalesce(
            w.interval_override_s, (apply_beats.group_intervals ->> coalesce(b.worker_type, w.worker_type))::double precision,
            b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s)))),
        case
          when coalesce(b.kind, w.kind) = 'scheduled' then greatest(
            apply_beats.at + make_interval(secs => coalesce(b.max_run_s, w.max_run_s)),
            -- Between its runs after one that failed.
            case
              when b.status = 'error' then
                coalesce(apply_beats.at + make_interval(secs => b.next_run_in_ms / 1000.0), w.next_run_at)
                  + make_interval(secs => coalesce(b.grace_s, w.grace_s))
            end)
        end)
    end,
    clock_skew_ms = coalesce(round(b.sent_at_ms - extract(epoch from apply_beats.at)::double precision * 1000), w.clock_skew_ms),
    worker_type = coalesce(b.worker_type, w.worker_type),
    description = coalesce(b.description, w.description),
    version = coalesce(b.version, w.version),
    kind = coalesce(b.kind, w.kind),
    hostname = coalesce(b.hostname, w.hostname),
    pid = coalesce(b.pid, w.pid),
    runtime = coalesce(b.runtime, w.runtime),
    jobs_processed = w.jobs_processed + greatest(0, coalesce(b.jobs_total, 0) - w.counted_jobs),
    error_count = w.error_count + greatest(0, coalesce(b.errors_total, 0) - w.counted_errors),
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
    -- 0: due now, or since it was.
    next_run_at = case
      when b.next_run_in_ms > 0 then apply_beats.at + make_interval(secs => b.next_run_in_ms / 1000.0)
      when b.next_run_in_ms = 0 then least(w.next_run_at, apply_beats.at)
      else w.next_run_at
    end,
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
    'counted_jobs', w.counted_jobs, 'counted_errors', w.counted_errors, 'interval_s', least(3600, apply_beats.stretch * coalesce(
      w.interval_override_s, (apply_beats.group_intervals ->> w.worker_type)::double precision, w.requested_interval_s)));
end
$$;

revoke all on function hp_private.apply_beats(hp_private.beat[], timestamptz, double precision, jsonb) from public;

comment on function hp_private.apply_beats(hp_private.beat[], timestamptz, double precision, jsonb) is 'Applies the beats of instances that hold their worker''s row; one beat per worker. group_intervals: seconds by worker_type, or null. Returns their places in the array, and their answers.';
