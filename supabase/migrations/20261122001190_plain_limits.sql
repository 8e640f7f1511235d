-- A plain write that breaks a limit is told which field and which limit, in the words of a beat. The table's own checks
-- keep the limits all the same; PostgreSQL's words for them name a constraint and show the whole row.
create or replace function hp_private.check_limits(w public.hp_worker_status) returns void
language plpgsql set search_path = ''
as $$
declare
  v_row jsonb;
  v_problem text := case
    when w.worker_name is null then 'worker_name is missing'
    when w.worker_name !~ '^[A-Za-z0-9][A-Za-z0-9@:._/-]*$' or char_length(w.worker_name) > 128 then
      'worker_name must start with a letter or digit and hold at most 128 of letters, digits and @ : . _ / -'
    when w.status is null or w.status not in (
      'active', 'unknown', 'starting', 'idle', 'processing', 'running', 'error', 'stopping', 'stopped', 'crashed') then
      'status must be one of active, starting, idle, processing, running, error, stopping, stopped, crashed'
    when w.kind not in ('resident', 'scheduled') then 'kind must be resident or scheduled'
    when w.circuit_breaker_state not in ('closed', 'open', 'half_open') then
      'circuit_breaker_state must be closed, open or half_open'
    when w.circuit_breaker_threshold < 1 then 'circuit_breaker_threshold must be at least 1'
    when w.heartbeat_interval_s not between 1 and 3600 then 'heartbeat_interval_s must be from 1 to 3600 seconds'
    when w.interval_override_s not between 1 and 3600 then 'interval_override_s must be from 1 to 3600 seconds'
    when w.late_after_intervals not between 1 and 1000 then 'late_after_intervals must be from 1 to 1000'
    when w.lost_after_intervals not between w.late_after_intervals and 1000 then
      'lost_after_intervals must be from late_after_intervals to 1000'
    when w.grace_s not between 0 and 31536000 then 'grace_s must be from 0 to 31536000 seconds'
    when w.max_run_s not between 1 and 31536000 then 'max_run_s must be from 1 to 31536000 seconds'
    when not (w.poll_interval_s > 0 and w.poll_interval_s < 'infinity') then 'poll_interval_s must be above 0'
    when greatest(w.cpu_percent, w.memory_percent, w.event_loop_lag_ms) >= 'infinity' then
      'cpu_percent, memory_percent and event_loop_lag_ms must be finite numbers'
    when jsonb_typeof(w.metadata) <> 'object' then 'metadata must be an object'
    when pg_column_size(w.metadata) > 32768 then
      format('metadata takes %s bytes; at most 32768', pg_column_size(w.metadata))
    when pg_column_size(w.last_exit) > 8192 then
      format('last_exit takes %s bytes; at most 8192', pg_column_size(w.last_exit))
  end;
begin
  -- The lists are walked only for a row that breaks one of their rules.
  if v_problem is null and (
    char_length(w.status_reason) > 500 or char_length(w.worker_type) > 128 or char_length(w.description) > 500
    or char_length(w.version) > 128 or char_length(w.hostname) > 255 or char_length(w.runtime) > 128
    or char_length(w.current_status) > 500 or char_length(w.current_job_id) > 255
    or char_length(w.current_job_type) > 128 or char_length(w.schedule) > 255 or char_length(w.last_error) > 2000
    or char_length(w.circuit_breaker_reason) > 500 or char_length(w.paused_reason) > 500)
  then
    v_row := to_jsonb(w);
    select format('%s is %s characters long; at most %s', l.field, char_length(v_row ->> l.field), l.most) into v_problem
    from (values ('status_reason', 500), ('worker_type', 128), ('description', 500), ('version', 128),
      ('hostname', 255), ('runtime', 128), ('current_status', 500), ('current_job_id', 255),
      ('current_job_type', 128), ('schedule', 255), ('last_error', 2000), ('circuit_breaker_reason', 500),
      ('paused_reason', 500)) l (field, most)
    where char_length(v_row ->> l.field) > l.most limit 1;
  end if;
  if v_problem is null and (
    least(w.jobs_processed, w.error_count, w.jobs_active, w.pid, w.last_run_duration_ms, w.processed_count,
      w.last_run_errors, w.circuit_breaker_failures, w.memory_rss_bytes, w.event_loop_blocked_ms) < 0
    or least(w.cpu_percent, w.memory_percent, w.event_loop_lag_ms) < 0)
  then
    v_row := to_jsonb(w);
    select f.field || ' must not be negative' into v_problem
    from unnest(array['jobs_processed', 'error_count', 'jobs_active', 'pid', 'last_run_duration_ms',
      'processed_count', 'last_run_errors', 'circuit_breaker_failures', 'memory_rss_bytes', 'event_loop_blocked_ms',
      'cpu_percent', 'memory_percent', 'event_loop_lag_ms']) f (field)
    where (v_row ->> f.field)::double precision < 0 limit 1;
  end if;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PT400';
  end if;
end
$$;

revoke all on function hp_private.check_limits(public.hp_worker_status) from public;

comment on function hp_private.check_limits(public.hp_worker_status) is 'Refuses a row that breaks a limit of its table, in words that name the field and the limit. Errors: PT400.';
