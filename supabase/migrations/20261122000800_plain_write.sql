-- The hand-made way keeps working: a plain upsert with the secret key goes under the same rules of truth as a beat.
-- A write that names status or last_heartbeat is a beat, any other is an edit. Our own functions declare by
-- application_name that they have done all this themselves: a setting that ends with the function, and the only free
-- text that somebody who is no superuser may put on one (the owner on a hosted project may not name one of our own).

-- A plain write that breaks a limit is refused with the field and the limit, as a beat is. The table's own checks
-- keep the limits all the same; PostgreSQL's messages for them name a constraint and show the whole row.
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

-- How long a report of a time vouches for a worker; run_until where it only goes on with a run that it began before.
create or replace function hp_private.plain_lease(
  worker public.hp_worker_status, heard timestamptz, run_until timestamptz
) returns timestamptz
language sql stable set search_path = ''
return case
  when worker.kind = 'scheduled' and worker.status in ('idle', 'stopped') then
    worker.next_run_at + make_interval(secs => worker.grace_s)
  when worker.status in ('unknown', 'stopped', 'crashed') then null
  else coalesce(run_until, greatest(
    heard + make_interval(secs => worker.lost_after_intervals * worker.heartbeat_interval_s),
    case when worker.kind = 'scheduled' then heard + make_interval(secs => worker.max_run_s) end,
    case
      when worker.kind = 'scheduled' and worker.status = 'error' then
        worker.next_run_at + make_interval(secs => worker.grace_s)
    end))
end;

-- A total at or above the lifetime stored is as written. One below it means a restart: what has come since is added.
create or replace function hp_private.lifetime(stored bigint, counted bigint, total bigint) returns bigint
language sql immutable set search_path = ''
return case
  when total >= stored then total
  when total >= counted then stored + total - counted
  else stored + total
end;

create or replace function hp_private.tg_hp_worker_status__plain_insert() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  -- Runs for every upsert, also one that becomes an update. That one sees the values that are set here only for
  -- the columns that it names.
  perform hp_private.check_limits(new);
  new.status := case when new.status = 'active' then 'processing' else new.status end;
  if new.last_heartbeat is not null or new.status <> 'unknown' then
    new.last_heartbeat := now();
    new.status := case when new.status = 'unknown' then 'running' else new.status end;
    new.lease_expires_at := hp_private.plain_lease(new, now(), null);
  end if;
  if new.circuit_breaker_open and new.circuit_breaker_state = 'closed' then
    new.circuit_breaker_state := 'open';
  end if;
  new.circuit_breaker_open := new.circuit_breaker_state = 'open';
  if new.circuit_breaker_open then
    new.circuit_breaker_opened_at := coalesce(new.circuit_breaker_opened_at, now());
  end if;
  new.counted_jobs := new.jobs_processed;
  new.counted_errors := new.error_count;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_beat() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_row text := new.worker_name || ' ' || statement_timestamp();
begin
  new.status := case when new.status = 'active' then 'processing' else new.status end;
  if tg_argv[0] = 'status' then
    perform set_config('lastseen.plain_beat', v_row, true);
  elsif current_setting('lastseen.plain_beat', true) = v_row then
    return new; -- status was named too, and its trigger has done all this
  elsif new.status in ('unknown', 'stopped', 'crashed') then
    -- Only last_heartbeat was named: a worker that reports is alive.
    new.status := 'running';
  end if;
  perform hp_private.check_limits(new);

  new.last_heartbeat := now();
  if new.status is distinct from old.status then
    new.status_since := now();
    new.status_reason := nullif(new.status_reason, old.status_reason);
    new.last_exit := null; -- an exit report comes from the process itself, this doesn't
    new.status_updated_at := now();
    new.activity_seen_at := clock_timestamp();
  elsif (new.current_status, new.current_job_id) is distinct from (old.current_status, old.current_job_id) then
    new.status_updated_at := now();
    new.activity_seen_at := clock_timestamp();
  end if;
  if new.status in ('unknown', 'stopped', 'crashed') then
    new.jobs_active := 0;
    new.current_status := null;
    new.current_job_id := null;
    new.current_job_type := null;
  end if;
  new.lease_expires_at := hp_private.plain_lease(new, now(), case
    when new.kind = 'scheduled' and new.status <> 'error' and new.last_run_at is not distinct from old.last_run_at
      and old.status in ('starting', 'processing', 'running', 'stopping') then old.lease_expires_at
  end);

  if new.jobs_processed is distinct from old.jobs_processed then
    new.counted_jobs := new.jobs_processed;
    new.jobs_processed := hp_private.lifetime(old.jobs_processed, old.counted_jobs, new.jobs_processed);
  end if;
  if new.error_count is distinct from old.error_count then
    new.counted_errors := new.error_count;
    new.error_count := hp_private.lifetime(old.error_count, old.counted_errors, new.error_count);
  end if;
  return new;
end
$$;

-- An edit of the schedule vouches for no worker, but moves the time until which a scheduled worker may be silent.
create or replace function hp_private.tg_hp_worker_status__plain_schedule() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.kind is distinct from old.kind or (new.kind = 'scheduled' and new.status in ('idle', 'stopped')) then
    new.lease_expires_at := hp_private.plain_lease(new, new.last_heartbeat, null);
  end if;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_breaker() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.circuit_breaker_open is distinct from old.circuit_breaker_open
    and new.circuit_breaker_state is not distinct from old.circuit_breaker_state
  then
    new.circuit_breaker_state := case when new.circuit_breaker_open then 'open' else 'closed' end;
  end if;
  new.circuit_breaker_open := new.circuit_breaker_state = 'open';
  if new.circuit_breaker_state = 'open' and old.circuit_breaker_state <> 'open' then
    new.circuit_breaker_opened_at := coalesce(nullif(new.circuit_breaker_opened_at, old.circuit_breaker_opened_at), now());
  elsif new.circuit_breaker_state = 'closed' then
    new.circuit_breaker_opened_at := null;
    new.circuit_breaker_retry_at := null;
  end if;
  return new;
end
$$;

create or replace trigger _100_plain_insert before insert on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_insert();

-- note: "update of" asks which columns the write names, whether or not their values change; the order of the two matters.
create or replace trigger _110_plain_status before update of status on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_beat('status');
create or replace trigger _120_plain_last_heartbeat before update of last_heartbeat on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_beat('last_heartbeat');
create or replace trigger _130_plain_breaker before update of circuit_breaker_open, circuit_breaker_state
  on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_breaker();
create or replace trigger _140_plain_schedule before update of kind, next_run_at, grace_s on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_schedule();

revoke all on function
  hp_private.check_limits, hp_private.plain_lease, hp_private.lifetime, hp_private.tg_hp_worker_status__plain_insert,
  hp_private.tg_hp_worker_status__plain_beat, hp_private.tg_hp_worker_status__plain_schedule,
  hp_private.tg_hp_worker_status__plain_breaker
from public;

comment on function hp_private.check_limits is 'Refuses a row that breaks a limit of its table, with a message that names the field and the limit. Errors: PT400.';
comment on function hp_private.plain_lease is 'Until when a plain write vouches for its worker.';
comment on function hp_private.lifetime is 'Lifetime count after a plain write of a total.';
comment on function hp_private.tg_hp_worker_status__plain_insert is 'A plain insert as a first beat.';
comment on function hp_private.tg_hp_worker_status__plain_beat is 'A plain update of status or last_heartbeat as a beat.';
comment on function hp_private.tg_hp_worker_status__plain_schedule is 'Keeps the lease of a scheduled worker in step with its schedule.';
comment on function hp_private.tg_hp_worker_status__plain_breaker is 'Keeps circuit_breaker_open and circuit_breaker_state in step.';
