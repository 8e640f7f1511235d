-- Workers and their processes.

-- What a worker may be, in the order of the codes in messages (docs/wire.md). A beat reports all but unknown.
create or replace function hp_private.statuses() returns text[]
language sql immutable set search_path = ''
return array['unknown', 'starting', 'idle', 'processing', 'running', 'error', 'stopping', 'stopped', 'crashed'];

-- The table that users query: one row per worker, with its last report and what the monitor found out.
--
-- A beat is one HOT update: no index on a column that a beat changes, and half of each page left
-- free (fillfactor 70 gave 98.4 % HOT, 50 gave 100 %). The columns of the usual hand-made
-- worker_status table keep their names, so that an inline upsert with a secret key keeps working.
create table if not exists public.hp_worker_status (
  -- identity
  worker_name text
    constraint hp_worker_status_pkey primary key
    constraint hp_worker_status_worker_name_check check (
      worker_name ~ '^[A-Za-z0-9][A-Za-z0-9@:._/-]*$' and char_length(worker_name) <= 128),
  worker_id bigint not null default 0
    constraint hp_worker_status_worker_id_key unique
    constraint hp_worker_status_worker_id_check check (worker_id > 0),
  worker_type text
    constraint hp_worker_status_worker_type_check check (char_length(worker_type) <= 128),
  kind text not null default 'resident'
    constraint hp_worker_status_kind_check check (kind in ('resident', 'scheduled')),
  description text
    constraint hp_worker_status_description_check check (char_length(description) <= 500),
  expected boolean not null default true,
  is_public boolean not null default false,
  paused_until timestamptz,
  paused_reason text
    constraint hp_worker_status_paused_reason_check check (char_length(paused_reason) <= 500),
  seen_at timestamptz,
  seen_by uuid,

  -- process
  instance_id uuid,
  epoch bigint,
  started_at timestamptz,
  hostname text
    constraint hp_worker_status_hostname_check check (char_length(hostname) <= 255),
  pid bigint
    constraint hp_worker_status_pid_check check (pid >= 0),
  version text
    constraint hp_worker_status_version_check check (char_length(version) <= 128),
  runtime text
    constraint hp_worker_status_runtime_check check (char_length(runtime) <= 128),
  parts text[]
    constraint hp_worker_status_parts_check check (
      cardinality(parts) <= 16 and parts::text ~ '^\{([a-z0-9_-]{1,32}(,[a-z0-9_-]{1,32})*)?\}$'),
  sequence bigint not null default 0
    constraint hp_worker_status_sequence_check check (sequence >= 0),
  last_exit jsonb
    constraint hp_worker_status_last_exit_check check (pg_column_size(last_exit) <= 8192),
  name_conflict_since timestamptz,

  -- liveness
  status text not null default 'unknown'
    constraint hp_worker_status_status_check check (status in (
      'unknown', 'starting', 'idle', 'processing', 'running', 'error', 'stopping', 'stopped', 'crashed')),
  status_since timestamptz not null default now(),
  status_reason text
    constraint hp_worker_status_status_reason_check check (char_length(status_reason) <= 500),
  last_heartbeat timestamptz,
  heartbeat_interval_s double precision not null default 30
    constraint hp_worker_status_heartbeat_interval_s_check check (heartbeat_interval_s between 1 and 3600),
  requested_interval_s double precision
    constraint hp_worker_status_requested_interval_s_check check (requested_interval_s between 1 and 3600),
  interval_override_s double precision
    constraint hp_worker_status_interval_override_s_check check (interval_override_s between 1 and 3600),
  late_after_intervals double precision not null default 2
    constraint hp_worker_status_late_after_intervals_check check (late_after_intervals between 1 and 1000),
  lost_after_intervals double precision not null default 5
    constraint hp_worker_status_lost_after_intervals_check
      check (lost_after_intervals between late_after_intervals and 1000),
  lease_expires_at timestamptz,
  clock_skew_ms bigint,
  revision bigint not null default 0
    constraint hp_worker_status_revision_check check (revision >= 0),

  -- work
  draining boolean not null default false,
  jobs_active integer not null default 0
    constraint hp_worker_status_jobs_active_check check (jobs_active >= 0),
  current_status text
    constraint hp_worker_status_current_status_check check (char_length(current_status) <= 500),
  current_job_id text
    constraint hp_worker_status_current_job_id_check check (char_length(current_job_id) <= 255),
  current_job_type text
    constraint hp_worker_status_current_job_type_check check (char_length(current_job_type) <= 128),
  status_updated_at timestamptz,
  poll_interval_s double precision
    constraint hp_worker_status_poll_interval_s_check check (poll_interval_s > 0 and poll_interval_s < 'infinity'),
  last_run_at timestamptz,
  last_run_duration_ms bigint
    constraint hp_worker_status_last_run_duration_ms_check check (last_run_duration_ms >= 0),
  processed_count bigint
    constraint hp_worker_status_processed_count_check check (processed_count >= 0),
  last_run_errors bigint
    constraint hp_worker_status_last_run_errors_check check (last_run_errors >= 0),
  next_run_at timestamptz,
  grace_s double precision not null default 300
    constraint hp_worker_status_grace_s_check check (grace_s between 0 and 31536000),
  max_run_s double precision not null default 3600
    constraint hp_worker_status_max_run_s_check check (max_run_s between 1 and 31536000),
  schedule text
    constraint hp_worker_status_schedule_check check (char_length(schedule) <= 255),
  jobs_processed bigint not null default 0
    constraint hp_worker_status_jobs_processed_check check (jobs_processed >= 0),
  error_count bigint not null default 0
    constraint hp_worker_status_error_count_check check (error_count >= 0),
  counted_jobs bigint not null default 0
    constraint hp_worker_status_counted_jobs_check check (counted_jobs >= 0),
  counted_errors bigint not null default 0
    constraint hp_worker_status_counted_errors_check check (counted_errors >= 0),
  last_error text
    constraint hp_worker_status_last_error_check check (char_length(last_error) <= 2000),
  last_error_at timestamptz,

  -- circuit breaker
  circuit_breaker_open boolean not null default false,
  circuit_breaker_state text not null default 'closed'
    constraint hp_worker_status_circuit_breaker_state_check
      check (circuit_breaker_state in ('closed', 'open', 'half_open')),
  circuit_breaker_failures integer not null default 0
    constraint hp_worker_status_circuit_breaker_failures_check check (circuit_breaker_failures >= 0),
  circuit_breaker_threshold integer not null default 10
    constraint hp_worker_status_circuit_breaker_threshold_check check (circuit_breaker_threshold >= 1),
  circuit_breaker_opened_at timestamptz,
  circuit_breaker_retry_at timestamptz,
  circuit_breaker_reason text
    constraint hp_worker_status_circuit_breaker_reason_check check (char_length(circuit_breaker_reason) <= 500),

  -- resources
  cpu_percent real
    constraint hp_worker_status_cpu_percent_check check (cpu_percent >= 0 and cpu_percent < 'infinity'),
  memory_percent real
    constraint hp_worker_status_memory_percent_check check (memory_percent >= 0 and memory_percent < 'infinity'),
  memory_rss_bytes bigint
    constraint hp_worker_status_memory_rss_bytes_check check (memory_rss_bytes >= 0),
  event_loop_lag_ms real
    constraint hp_worker_status_event_loop_lag_ms_check check (event_loop_lag_ms >= 0 and event_loop_lag_ms < 'infinity'),
  event_loop_blocked_ms bigint
    constraint hp_worker_status_event_loop_blocked_ms_check check (event_loop_blocked_ms >= 0),

  metadata jsonb
    constraint hp_worker_status_metadata_check
      check (jsonb_typeof(metadata) = 'object' and pg_column_size(metadata) <= 32768),
  metadata_at timestamptz,
  activity_seen_at timestamptz,
  transitioned_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 50);

alter table public.hp_worker_status enable row level security;

drop policy if exists "members read every worker" on public.hp_worker_status;
create policy "members read every worker" on public.hp_worker_status
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_worker_status from anon, authenticated, service_role;
grant select on table public.hp_worker_status to authenticated, service_role;
grant insert (
    worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason,
    started_at, hostname, pid, version, runtime, status, status_reason, last_heartbeat, heartbeat_interval_s, interval_override_s,
    late_after_intervals, lost_after_intervals, jobs_active, current_status, current_job_id, current_job_type,
    poll_interval_s, last_run_at, last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule,
    jobs_processed, error_count, last_error, last_error_at, circuit_breaker_open, circuit_breaker_state,
    circuit_breaker_failures, circuit_breaker_threshold, circuit_breaker_opened_at, circuit_breaker_retry_at,
    circuit_breaker_reason, cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, metadata
  ), update (
    worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason,
    started_at, hostname, pid, version, runtime, status, status_reason, last_heartbeat, heartbeat_interval_s, interval_override_s,
    late_after_intervals, lost_after_intervals, jobs_active, current_status, current_job_id, current_job_type,
    poll_interval_s, last_run_at, last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule,
    jobs_processed, error_count, last_error, last_error_at, circuit_breaker_open, circuit_breaker_state,
    circuit_breaker_failures, circuit_breaker_threshold, circuit_breaker_opened_at, circuit_breaker_retry_at,
    circuit_breaker_reason, cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, metadata
  ), delete on table public.hp_worker_status to service_role;
-- note: no API role may write what the rules of truth decide: worker_id, instance_id, epoch, sequence, revision,
-- lease_expires_at, counted_*, status_since.

comment on table public.hp_worker_status is 'One row per worker: its identity, its last report, what the monitor found out. Health is derived from it, never stored.';
comment on column public.hp_worker_status.worker_name is 'Name of the logical worker.';
comment on column public.hp_worker_status.worker_id is 'Short number for messages; given by a trigger, so that an upsert does not burn one.';
comment on column public.hp_worker_status.worker_type is 'Group: workers that do the same work.';
comment on column public.hp_worker_status.kind is 'resident: a process that stays. scheduled: lives only during its runs.';
comment on column public.hp_worker_status.description is 'What the worker does, for people.';
comment on column public.hp_worker_status.expected is 'Whether it should be running; false for replicas and one-off processes.';
comment on column public.hp_worker_status.is_public is 'Whether the public status page may show it.';
comment on column public.hp_worker_status.paused_until is 'Until when its silence is intended.';
comment on column public.hp_worker_status.paused_reason is 'Why it is paused.';
comment on column public.hp_worker_status.seen_at is 'When somebody marked its trouble as seen; null again with its next transition.';
comment on column public.hp_worker_status.seen_by is 'Who did.';
comment on column public.hp_worker_status.instance_id is 'The process that holds this row.';
comment on column public.hp_worker_status.epoch is 'Number of that process; the server hands it out and it only grows.';
comment on column public.hp_worker_status.started_at is 'When that process started, by the server''s clock.';
comment on column public.hp_worker_status.hostname is 'Machine or container that it runs on.';
comment on column public.hp_worker_status.pid is 'Its process id there.';
comment on column public.hp_worker_status.version is 'Build of the worker.';
comment on column public.hp_worker_status.runtime is 'Runtime and version, such as node 24.21.0.';
comment on column public.hp_worker_status.parts is 'Optional files of the heartbeat module that it carries: logs, commands, leases, guard; null where the worker reports none.';
comment on column public.hp_worker_status.sequence is 'Number of the last beat that was applied; older ones change nothing.';
comment on column public.hp_worker_status.last_exit is 'Exit report: code, signal, drain_ms, abandoned_job, error.';
comment on column public.hp_worker_status.name_conflict_since is 'Since when two live processes report under this name; null while one does.';
comment on column public.hp_worker_status.status is 'The status that the worker last reported, or crashed where the monitor found silence.';
comment on column public.hp_worker_status.status_since is 'When the status took this value; for silence the deadline that passed.';
comment on column public.hp_worker_status.status_reason is 'The reason, as text.';
comment on column public.hp_worker_status.last_heartbeat is 'When it last reported, by the server''s clock, not by the worker''s.';
comment on column public.hp_worker_status.heartbeat_interval_s is 'Seconds between beats, as in force.';
comment on column public.hp_worker_status.requested_interval_s is 'Seconds between beats that the worker requested; null where it requests none.';
comment on column public.hp_worker_status.interval_override_s is 'Seconds between beats that people set for this worker; goes before what it requests.';
comment on column public.hp_worker_status.late_after_intervals is 'Intervals of silence after which it is late (warning).';
comment on column public.hp_worker_status.lost_after_intervals is 'Intervals of silence after which it is lost (critical).';
comment on column public.hp_worker_status.lease_expires_at is 'How long the last beat vouches for it; null when nothing is vouched for.';
comment on column public.hp_worker_status.clock_skew_ms is 'Worker''s clock minus server''s clock, network time included.';
comment on column public.hp_worker_status.revision is 'Grows over the whole fleet with every change of a worker''s state; not with activity or a plain beat.';
comment on column public.hp_worker_status.draining is 'Whether it takes no more work until the command resume.';
comment on column public.hp_worker_status.jobs_active is 'Jobs running now.';
comment on column public.hp_worker_status.current_status is 'What it is doing, as text.';
comment on column public.hp_worker_status.current_job_id is 'Job it is working on.';
comment on column public.hp_worker_status.current_job_type is 'Kind of that job.';
comment on column public.hp_worker_status.status_updated_at is 'Since when it has been doing that.';
comment on column public.hp_worker_status.poll_interval_s is 'Seconds between the runs of a worker that polls.';
comment on column public.hp_worker_status.last_run_at is 'When its last run ended.';
comment on column public.hp_worker_status.last_run_duration_ms is 'How long that run took.';
comment on column public.hp_worker_status.processed_count is 'What that run processed.';
comment on column public.hp_worker_status.last_run_errors is 'Errors of that run.';
comment on column public.hp_worker_status.next_run_at is 'When a scheduled worker is due.';
comment on column public.hp_worker_status.grace_s is 'Seconds after next_run_at within which a scheduled worker may still begin its run.';
comment on column public.hp_worker_status.max_run_s is 'Seconds that a run of a scheduled worker may last.';
comment on column public.hp_worker_status.schedule is 'Its schedule, as text for people.';
comment on column public.hp_worker_status.jobs_processed is 'Jobs over all its instances.';
comment on column public.hp_worker_status.error_count is 'Errors over all its instances.';
comment on column public.hp_worker_status.counted_jobs is 'Of the current instance''s total, how much jobs_processed holds already.';
comment on column public.hp_worker_status.counted_errors is 'Of the current instance''s total, how much error_count holds already.';
comment on column public.hp_worker_status.last_error is 'Message of its last error.';
comment on column public.hp_worker_status.last_error_at is 'When that was.';
comment on column public.hp_worker_status.circuit_breaker_open is 'Whether it refuses work for now; follows circuit_breaker_state.';
comment on column public.hp_worker_status.circuit_breaker_state is 'closed: works. open: refuses. half_open: tries one job.';
comment on column public.hp_worker_status.circuit_breaker_failures is 'Failures in a row.';
comment on column public.hp_worker_status.circuit_breaker_threshold is 'Failures in a row that open it.';
comment on column public.hp_worker_status.circuit_breaker_opened_at is 'When it opened.';
comment on column public.hp_worker_status.circuit_breaker_retry_at is 'When it tries again.';
comment on column public.hp_worker_status.circuit_breaker_reason is 'The failure that opened it.';
comment on column public.hp_worker_status.cpu_percent is 'CPU of the process, percent of one core.';
comment on column public.hp_worker_status.memory_percent is 'Memory of the process, percent of what it may use.';
comment on column public.hp_worker_status.memory_rss_bytes is 'Resident memory of the process.';
comment on column public.hp_worker_status.event_loop_lag_ms is 'Event loop delay, 99th percentile of the interval.';
comment on column public.hp_worker_status.event_loop_blocked_ms is 'Longest time for which the event loop stood still in the interval.';
comment on column public.hp_worker_status.metadata is 'Whatever the worker adds; at most 8 KB in a beat.';
comment on column public.hp_worker_status.metadata_at is 'When metadata was last written; large ones are written once a minute at most.';
comment on column public.hp_worker_status.activity_seen_at is 'When the server learned of the present activity.';
comment on column public.hp_worker_status.transitioned_at is 'When the row last made a transition, by the server''s clock.';
comment on column public.hp_worker_status.created_at is 'When the worker was declared or reported first.';
comment on column public.hp_worker_status.updated_at is 'When its state last changed; a plain beat does not move it.';

-- note: of marked workers alone, and a beat changes neither column: beats stay HOT.
create index if not exists hp_worker_status_seen_idx on public.hp_worker_status (worker_name) where seen_at is not null;

create sequence if not exists hp_private.worker_id_seq;
create sequence if not exists hp_private.revision_seq;
create sequence if not exists hp_private.epoch_seq;

comment on sequence hp_private.worker_id_seq is 'Numbers for hp_worker_status.worker_id.';
comment on sequence hp_private.revision_seq is 'Numbers for hp_worker_status.revision.';
comment on sequence hp_private.epoch_seq is 'Numbers for the epochs of instances.';

create or replace function hp_private.tg_hp_worker_status__number() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  -- An upsert comes by here on its way to an update: draw a number only for a name that is new.
  select w.worker_id, w.revision into new.worker_id, new.revision
  from public.hp_worker_status w where w.worker_name = new.worker_name;
  if not found then
    new.worker_id := nextval('hp_private.worker_id_seq');
    new.revision := nextval('hp_private.revision_seq');
  end if;
  return new;
end
$$;

create or replace trigger _500_number before insert on public.hp_worker_status
  for each row execute function hp_private.tg_hp_worker_status__number();

-- One row per process start. Written when an instance registers, takes a worker's row over, is superseded, or
-- ends; while it holds the worker's row its counts and lease are there, so that a beat stays one update.
create table if not exists public.hp_worker_instance (
  instance_id uuid
    constraint hp_worker_instance_pkey primary key,
  worker_name text not null
    constraint hp_worker_instance_worker_name_fkey
      references public.hp_worker_status (worker_name) on delete cascade on update cascade,
  epoch bigint not null
    constraint hp_worker_instance_epoch_key unique,
  status text not null,
  started_at timestamptz,
  hostname text,
  pid bigint,
  version text,
  runtime text,
  parts text[],
  sequence bigint not null default 0,
  counted_jobs bigint not null default 0,
  counted_errors bigint not null default 0,
  last_heartbeat timestamptz not null,
  lease_expires_at timestamptz,
  registered_at timestamptz not null,
  took_over_at timestamptz,
  superseded_at timestamptz,
  ended_at timestamptz,
  last_exit jsonb,
  log_line bigint not null default 0,
  logs_dropped bigint not null default 0
);

create index if not exists hp_worker_instance_worker_name_idx
  on public.hp_worker_instance (worker_name, epoch desc);

alter table public.hp_worker_instance enable row level security;

drop policy if exists "members read every instance" on public.hp_worker_instance;
create policy "members read every instance" on public.hp_worker_instance
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_worker_instance from anon, authenticated, service_role;
grant select on table public.hp_worker_instance to authenticated, service_role;
-- note: only the functions of the heartbeat write here.

comment on table public.hp_worker_instance is 'Process starts of workers: what each had counted when it last gave up the row, and how it ended.';
comment on column public.hp_worker_instance.instance_id is 'The process''s own id, made at its start.';
comment on column public.hp_worker_instance.worker_name is 'The worker that it is an instance of.';
comment on column public.hp_worker_instance.epoch is 'Order of registration; the newest live one holds the worker''s row.';
comment on column public.hp_worker_instance.status is 'Its last status while it did not hold the row, or at its end.';
comment on column public.hp_worker_instance.started_at is 'When it started, by the server''s clock.';
comment on column public.hp_worker_instance.hostname is 'Machine or container that it runs on.';
comment on column public.hp_worker_instance.pid is 'Its process id there.';
comment on column public.hp_worker_instance.version is 'Build of the worker.';
comment on column public.hp_worker_instance.runtime is 'Runtime and version.';
comment on column public.hp_worker_instance.parts is 'Optional files of the heartbeat module that it carries.';
comment on column public.hp_worker_instance.sequence is 'Last beat applied while it did not hold the row.';
comment on column public.hp_worker_instance.counted_jobs is 'How much of its total of jobs has been added to the worker''s.';
comment on column public.hp_worker_instance.counted_errors is 'How much of its total of errors has been added to the worker''s.';
comment on column public.hp_worker_instance.last_heartbeat is 'When it last reported while it did not hold the row.';
comment on column public.hp_worker_instance.lease_expires_at is 'How long that vouches for it.';
comment on column public.hp_worker_instance.registered_at is 'When its first beat came.';
comment on column public.hp_worker_instance.took_over_at is 'When it last took the worker''s row.';
comment on column public.hp_worker_instance.superseded_at is 'When a newer instance took the row from it; null while none has.';
comment on column public.hp_worker_instance.ended_at is 'When it reported its end; null for one that fell silent.';
comment on column public.hp_worker_instance.last_exit is 'Its exit report.';
comment on column public.hp_worker_instance.log_line is 'Number of the last line of its log that was received; a line that is sent again is recognised by it.';
comment on column public.hp_worker_instance.logs_dropped is 'How many lines of its log it has dropped since its start, by its own report.';

revoke all on function hp_private.statuses, hp_private.tg_hp_worker_status__number from public;
grant execute on function hp_private.statuses to authenticated, service_role;

comment on function hp_private.statuses is 'Every status of hp_worker_status, in the order of their codes in messages.';
comment on function hp_private.tg_hp_worker_status__number is 'Gives a new worker its number.';
