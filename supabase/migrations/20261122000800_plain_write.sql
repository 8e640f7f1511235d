-- The hand-made way keeps working: a plain upsert with the secret key goes under the same rules of truth as a beat.
-- A write that names status or last_heartbeat is a beat, any other is an edit. Our own functions declare by
-- application_name that they have done all this themselves: a setting that ends with the function, and the only free
-- text that somebody who is no superuser may put on one (the owner on a hosted project may not name one of our own).

-- How long a report of a time vouches for a worker; run_until where it only goes on with a run that it began before.
create or replace function hp_private.plain_lease(
  worker public.hp_worker_status, heard timestamptz, run_until timestamptz
) returns timestamptz
language sql stable set search_path = ''
return hp_private.lease_end(worker.kind, worker.status, heard, worker.lost_after_intervals * worker.heartbeat_interval_s,
  worker.next_run_at, worker.grace_s, worker.max_run_s, run_until);

-- A total at or above the lifetime stored is as written. One below it means a restart: what has come since is added.
create or replace function hp_private.lifetime(stored bigint, counted bigint, total bigint) returns bigint
language sql immutable set search_path = ''
return least(9007199254740991, case
  when total >= stored then total
  when total >= counted then stored + total - counted
  else stored + total
end);

-- The limits that no domain can keep: a CHECK would be read in every beat.
create or replace function hp_private.tg_hp_worker_status__plain_limits() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_problem constant text := case
    when new.lost_after_intervals < new.late_after_intervals then
      format('lost_after_intervals must be at least late_after_intervals, %s', new.late_after_intervals)
    when jsonb_typeof(new.metadata) <> 'object' then 'metadata must be an object'
    when hp_private.json_problem(new.metadata, 32768) is not null then
      'metadata ' || hp_private.json_problem(new.metadata, 32768)
    -- A time without an end has no age, and the digest and the monitor reckon with ages. Go's empty time is in year 1.
    else (
      select format('%s is %s; it must be a time in the years 1 to 9999', t.field, t.at)
      from (values
        ('started_at', new.started_at), ('last_run_at', new.last_run_at), ('next_run_at', new.next_run_at),
        ('last_error_at', new.last_error_at), ('circuit_breaker_opened_at', new.circuit_breaker_opened_at),
        ('circuit_breaker_retry_at', new.circuit_breaker_retry_at)) t (field, at)
      where t.at not between '0001-01-01' and '9999-12-31' limit 1)
  end;
begin
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PT400';
  end if;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_insert() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  -- Runs for every upsert, also one that becomes an update. That one sees the values that are set here only for
  -- the columns that it names.
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
  if current_setting('application_name') = 'lastseen own write' then
    return new;
  end if;
  new.status := case when new.status = 'active' then 'processing' else new.status end;
  if tg_argv[0] = 'status' then
    perform set_config('lastseen.plain_beat', v_row, true);
  elsif current_setting('lastseen.plain_beat', true) = v_row then
    return new; -- status was named too, and its trigger has done all this
  elsif new.status in ('unknown', 'stopped', 'crashed') then
    -- Only last_heartbeat was named: a worker that reports is alive.
    new.status := 'running';
  end if;

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
    when new.last_run_at is not distinct from old.last_run_at
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
  -- The trigger of the revision asks which columns are named, and may pass over this write.
  return case when tg_argv[0] = 'last_heartbeat' then hp_private.revise(old, new) else new end;
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

create or replace trigger _100_plain_limits before insert or update of late_after_intervals, lost_after_intervals, metadata,
    started_at, last_run_at, next_run_at, last_error_at, circuit_breaker_opened_at, circuit_breaker_retry_at
  on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_limits();

-- note: "update of" asks which columns the write names, whether or not their values change; the order of the two matters.
create or replace trigger _110_plain_status before update of status on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_beat('status');
-- note: every beat comes by this one, and PostgreSQL reads its condition from text each time: hence a short one, which no beat
-- meets. A plain write may not name sequence.
create or replace trigger _120_plain_last_heartbeat before update of last_heartbeat on public.hp_worker_status
  for each row when (new.sequence = old.sequence)
  execute function hp_private.tg_hp_worker_status__plain_beat('last_heartbeat');
create or replace trigger _130_plain_breaker before update of circuit_breaker_open, circuit_breaker_state
  on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_breaker();
create or replace trigger _140_plain_schedule before update of kind, next_run_at, grace_s on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_schedule();

revoke all on function
  hp_private.plain_lease, hp_private.lifetime, hp_private.tg_hp_worker_status__plain_limits,
  hp_private.tg_hp_worker_status__plain_insert,
  hp_private.tg_hp_worker_status__plain_beat, hp_private.tg_hp_worker_status__plain_schedule,
  hp_private.tg_hp_worker_status__plain_breaker
from public;

comment on function hp_private.plain_lease is 'Until when a plain write vouches for its worker.';
comment on function hp_private.lifetime is 'Lifetime count after a plain write of a total.';
comment on function hp_private.tg_hp_worker_status__plain_limits is 'Refuses a plain write that breaks a limit of two columns, of metadata or of a time. Errors: PT400.';
comment on function hp_private.tg_hp_worker_status__plain_insert is 'A plain insert as a first beat.';
comment on function hp_private.tg_hp_worker_status__plain_beat is 'A plain update of status or last_heartbeat as a beat.';
comment on function hp_private.tg_hp_worker_status__plain_schedule is 'Keeps the lease of a scheduled worker in step with its schedule.';
comment on function hp_private.tg_hp_worker_status__plain_breaker is 'Keeps circuit_breaker_open and circuit_breaker_state in step.';
