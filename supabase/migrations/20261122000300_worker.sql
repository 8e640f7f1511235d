-- Workers, their processes and their groups.

-- What a worker may be, in the order of the codes in messages (docs/wire.md). A beat reports all but unknown.
create or replace function hp_private.statuses() returns text[]
language sql immutable set search_path = ''
return array['unknown', 'starting', 'idle', 'processing', 'running', 'error', 'stopping', 'stopped', 'crashed'];

-- The limits of a worker's columns are domains. PostgreSQL reads every CHECK of a table from its text in each UPDATE; it compiles a
-- domain's check once a session and runs it only where the column is set (7,500 updates a second with 46 CHECKs, 16,400
-- with domains). A plain write that breaks a limit gets an error that names the field and the limit:
--   value for domain hp_private.current_status violates check constraint "current_status: at most 500 characters"
-- PostgreSQL cuts the name of a constraint at 63 bytes. What only our own functions write has no limit here; that of metadata
-- is kept by a trigger, for drivers that know jsonb by its type would not make JSON of an object for a domain.
do $$
declare
  v_limit record;
begin
  for v_limit in
    select l.field, 'text' as type, format('at most %s characters', l.most) as rule,
      format('char_length(value) <= %s', l.most) as condition
    from (values
      ('worker_type', 128), ('description', 500), ('paused_reason', 500), ('hostname', 255), ('version', 128),
      ('runtime', 128), ('status_reason', 500), ('current_status', 500), ('current_job_id', 255),
      ('current_job_type', 128), ('schedule', 255), ('last_error', 2000), ('circuit_breaker_reason', 500)) l (field, most)
    union all
    select l.field, l.type, 'must not be negative', 'value >= 0'
    from (values
      ('pid', 'bigint'), ('jobs_active', 'integer'),
      ('last_run_duration_ms', 'bigint'), ('processed_count', 'bigint'), ('last_run_errors', 'bigint'),
      ('circuit_breaker_failures', 'integer'), ('memory_rss_bytes', 'bigint'), ('event_loop_blocked_ms', 'bigint')
    ) l (field, type)
    union all
    -- NaN is greater than any number.
    select l.field, 'real', 'must be a finite number from 0 up', 'value >= 0 and value < ''infinity'''
    from (values ('cpu_percent'), ('memory_percent'), ('event_loop_lag_ms')) l (field)
    union all
    select l.field, 'double precision', format('must be from %s to %s', l.least, l.most),
      format('value between %s and %s', l.least, l.most)
    from (values
      ('heartbeat_interval_s', 1, 3600), ('requested_interval_s', 1, 3600), ('interval_override_s', 1, 3600),
      ('late_after_intervals', 1, 1000), ('lost_after_intervals', 1, 1000), ('grace_s', 0, 31536000),
      ('max_run_s', 1, 31536000)) l (field, least, most)
    union all
    values
      -- note: not {0,127}, which takes a state of the automaton for every character.
      ('worker_name', 'text', 'A-Za-z0-9 first, at most 128 of A-Za-z0-9@:._/-',
        'value ~ ''^[A-Za-z0-9][A-Za-z0-9@:._/-]*$'' and char_length(value) <= 128'),
      ('kind', 'text', 'must be resident or scheduled', 'value in (''resident'', ''scheduled'')'),
      -- A plain write may say active; its trigger stores processing.
      ('status', 'text', 'idle, processing, running or another of docs/states.md', format('value = any (%L)',
        array_append(hp_private.statuses(), 'active'))),
      ('circuit_breaker_state', 'text', 'must be closed, open or half_open', 'value in (''closed'', ''open'', ''half_open'')'),
      ('circuit_breaker_threshold', 'integer', 'must be at least 1', 'value >= 1'),
      -- The largest number that JavaScript counts to; writes of ours stop there.
      ('jobs_processed', 'bigint', 'must be from 0 to 9007199254740991', 'value between 0 and 9007199254740991'),
      ('error_count', 'bigint', 'must be from 0 to 9007199254740991', 'value between 0 and 9007199254740991'),
      ('poll_interval_s', 'double precision', 'must be above 0 and at most 31536000', 'value > 0 and value <= 31536000')
  loop
    if to_regtype('hp_private.' || v_limit.field) is null then
      execute format('create domain hp_private.%I as %s constraint %I check (%s)',
        v_limit.field, v_limit.type, v_limit.field || ': ' || v_limit.rule, v_limit.condition);
    end if;
  end loop;
end
$$;

-- The table that users query: one row per worker, with its last report and what the monitor found out.
--
-- A beat is one HOT update: no index on a column that a beat changes, and half of each page left
-- free (fillfactor 70 gave 98.4 % HOT, 50 gave 100 %). The columns of the usual hand-made
-- worker_status table keep their names, so that an inline upsert with a secret key keeps working.
create table if not exists public.hp_worker_status (
  -- identity
  worker_name hp_private.worker_name
    constraint hp_worker_status_pkey primary key,
  worker_id bigint not null default 0
    constraint hp_worker_status_worker_id_key unique,
  worker_type hp_private.worker_type,
  kind hp_private.kind not null default 'resident',
  description hp_private.description,
  expected boolean not null default true,
  is_public boolean not null default false,
  paused_until timestamptz,
  paused_reason hp_private.paused_reason,
  seen_at timestamptz,
  seen_by uuid,

  -- process
  instance_id uuid,
  epoch bigint,
  started_at timestamptz,
  hostname hp_private.hostname,
  pid hp_private.pid,
  version hp_private.version,
  runtime hp_private.runtime,
  parts text[],
  sequence bigint not null default 0,
  last_exit jsonb,
  name_conflict_since timestamptz,

  -- liveness
  status hp_private.status not null default 'unknown',
  status_since timestamptz not null default now(),
  status_reason hp_private.status_reason,
  last_heartbeat timestamptz,
  heartbeat_interval_s hp_private.heartbeat_interval_s not null default 30,
  requested_interval_s hp_private.requested_interval_s,
  interval_override_s hp_private.interval_override_s,
  late_after_intervals hp_private.late_after_intervals not null default 2,
  lost_after_intervals hp_private.lost_after_intervals not null default 5,
  lease_expires_at timestamptz,
  clock_skew_ms bigint,
  revision bigint not null default 0,

  -- work
  draining boolean not null default false,
  jobs_active hp_private.jobs_active not null default 0,
  current_status hp_private.current_status,
  current_job_id hp_private.current_job_id,
  current_job_type hp_private.current_job_type,
  status_updated_at timestamptz,
  poll_interval_s hp_private.poll_interval_s,
  last_run_at timestamptz,
  last_run_duration_ms hp_private.last_run_duration_ms,
  processed_count hp_private.processed_count,
  last_run_errors hp_private.last_run_errors,
  next_run_at timestamptz,
  grace_s hp_private.grace_s not null default 300,
  max_run_s hp_private.max_run_s not null default 3600,
  schedule hp_private.schedule,
  jobs_processed hp_private.jobs_processed not null default 0,
  error_count hp_private.error_count not null default 0,
  counted_jobs bigint not null default 0,
  counted_errors bigint not null default 0,
  last_error hp_private.last_error,
  last_error_at timestamptz,

  -- circuit breaker
  circuit_breaker_open boolean not null default false,
  circuit_breaker_state hp_private.circuit_breaker_state not null default 'closed',
  circuit_breaker_failures hp_private.circuit_breaker_failures not null default 0,
  circuit_breaker_threshold hp_private.circuit_breaker_threshold not null default 10,
  circuit_breaker_opened_at timestamptz,
  circuit_breaker_retry_at timestamptz,
  circuit_breaker_reason hp_private.circuit_breaker_reason,

  -- resources
  cpu_percent hp_private.cpu_percent,
  memory_percent hp_private.memory_percent,
  memory_rss_bytes hp_private.memory_rss_bytes,
  event_loop_lag_ms hp_private.event_loop_lag_ms,
  event_loop_blocked_ms hp_private.event_loop_blocked_ms,

  metadata jsonb,
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

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_status;
create policy "only members, whatever else is allowed" on public.hp_worker_status as restrictive
  for all to public using ((select hp_private.is_member()));

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
comment on column public.hp_worker_status.parts is 'Optional files of the heartbeat module that it carries: resources, logs, commands, drain, breaker, leases; null where the worker reports none.';
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

-- State is everything that a message must carry whole; what moves with every beat travels in a tuple instead.
-- A time that a worker states as a duration wobbles by the length of a request, hence the two seconds. Of CPU, memory and
-- a blocked event loop only the level counts (over 80 %, over 95 %; over 1 s).
create or replace function hp_private.revise(old public.hp_worker_status, new public.hp_worker_status)
returns public.hp_worker_status
language plpgsql set search_path = ''
as $$
begin
  if (
    (old.status is distinct from new.status
      and not (old.status in ('idle', 'processing', 'running') and new.status in ('idle', 'processing', 'running')))
    or old.status_reason is distinct from new.status_reason
    or old.circuit_breaker_state is distinct from new.circuit_breaker_state
    or old.circuit_breaker_failures is distinct from new.circuit_breaker_failures
    or old.circuit_breaker_reason is distinct from new.circuit_breaker_reason
    or old.last_error is distinct from new.last_error
    or old.instance_id is distinct from new.instance_id
    or old.heartbeat_interval_s is distinct from new.heartbeat_interval_s
    or old.poll_interval_s is distinct from new.poll_interval_s
    or old.schedule is distinct from new.schedule
    or (old.next_run_at is null) is distinct from (new.next_run_at is null)
    or abs(extract(epoch from new.next_run_at) - extract(epoch from old.next_run_at)) > 2
    or (old.event_loop_blocked_ms > 1000) is distinct from (new.event_loop_blocked_ms > 1000)
    or abs(extract(epoch from new.last_error_at) - extract(epoch from old.last_error_at)) > 2
    or (old.cpu_percent > 80) is distinct from (new.cpu_percent > 80)
    or (old.cpu_percent > 95) is distinct from (new.cpu_percent > 95)
    or (old.memory_percent > 80) is distinct from (new.memory_percent > 80)
    or (old.memory_percent > 95) is distinct from (new.memory_percent > 95)
    or old.version is distinct from new.version
    or old.parts is distinct from new.parts
    or old.hostname is distinct from new.hostname
    or old.description is distinct from new.description
    or old.worker_type is distinct from new.worker_type
    or old.kind is distinct from new.kind
    or old.expected is distinct from new.expected
    or old.is_public is distinct from new.is_public
    or old.paused_until is distinct from new.paused_until
    or old.paused_reason is distinct from new.paused_reason
    or old.seen_at is distinct from new.seen_at
    or old.draining is distinct from new.draining
    or old.interval_override_s is distinct from new.interval_override_s
    or old.requested_interval_s is distinct from new.requested_interval_s
    or old.grace_s is distinct from new.grace_s
    or old.max_run_s is distinct from new.max_run_s
    or old.late_after_intervals is distinct from new.late_after_intervals
    or old.lost_after_intervals is distinct from new.lost_after_intervals
    or old.name_conflict_since is distinct from new.name_conflict_since
    or old.worker_name is distinct from new.worker_name
  ) is not true then
    return new;
  end if;
  new.revision := nextval('hp_private.revision_seq');
  new.updated_at := clock_timestamp();
  if (new.status is distinct from old.status
      and not (old.status in ('idle', 'processing', 'running') and new.status in ('idle', 'processing', 'running')))
    or new.circuit_breaker_state is distinct from old.circuit_breaker_state
    or new.instance_id is distinct from old.instance_id
    or (new.name_conflict_since is null) is distinct from (old.name_conflict_since is null)
  then
    new.transitioned_at := clock_timestamp();
    -- Whoever has seen its trouble has not seen this.
    new.seen_at := null;
    new.seen_by := null;
  end if;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__revision() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  return hp_private.revise(old, new);
end
$$;

-- note: a beat that says nothing new names none of these columns (hp_private.apply_steady), so that it passes by. Without a
-- condition: PostgreSQL reads a trigger's condition from its text in every statement, and this one would be 14 kB of it.
create or replace trigger _500_revision before update of
    worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason, seen_at,
    instance_id, hostname, version, parts, name_conflict_since, status, status_reason, heartbeat_interval_s,
    requested_interval_s, interval_override_s, late_after_intervals, lost_after_intervals, draining, poll_interval_s,
    next_run_at, grace_s, max_run_s, schedule, last_error, last_error_at, circuit_breaker_open, circuit_breaker_state,
    circuit_breaker_failures, circuit_breaker_reason
  on public.hp_worker_status
  for each row execute function hp_private.tg_hp_worker_status__revision();

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

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_instance;
create policy "only members, whatever else is allowed" on public.hp_worker_instance as restrictive
  for all to public using ((select hp_private.is_member()));

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

-- Until when a report vouches for a worker. A resident: for lasts_s, its lease. A scheduled worker needs not stay: between its
-- runs until the next one and its grace; in a run for as long as that may last, and no shorter than its lease. run_until:
-- where the report only goes on with a run that began before.
create or replace function hp_private.lease_end(
  kind text, status text, heard timestamptz, lasts_s double precision, next_run_at timestamptz, grace_s double precision,
  max_run_s double precision, run_until timestamptz
) returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return case
    when kind = 'scheduled' and status in ('idle', 'stopped') then next_run_at + make_interval(secs => grace_s)
    when status in ('unknown', 'stopped', 'crashed') then null
    when kind = 'resident' then heard + make_interval(secs => lasts_s)
    -- Between its runs after one that failed.
    when status = 'error' then greatest(heard + make_interval(secs => greatest(lasts_s, max_run_s)),
      next_run_at + make_interval(secs => grace_s))
    else coalesce(run_until, heard + make_interval(secs => greatest(lasts_s, max_run_s)))
  end;
end
$$;

revoke all on function
  hp_private.lease_end, hp_private.statuses, hp_private.tg_hp_worker_status__number, hp_private.revise, hp_private.tg_hp_worker_status__revision
from public;
grant execute on function hp_private.statuses to authenticated, service_role;

comment on function hp_private.statuses is 'Every status of hp_worker_status, in the order of their codes in messages.';
comment on function hp_private.lease_end is 'Until when a report vouches for a worker.';
comment on function hp_private.tg_hp_worker_status__number is 'Gives a new worker its number.';
comment on function hp_private.revise is 'The new row, with a new revision where its state differs from the old one.';
comment on function hp_private.tg_hp_worker_status__revision is 'Moves the revision of a worker whose state changed.';

-- What people decide about workers that do the same work (one worker_type). A type has a group as soon as a worker
-- names it; it has a row here only where somebody has settings for it, with or without workers.
create table if not exists public.hp_worker_group (
  worker_type text
    constraint hp_worker_group_pkey primary key
    constraint hp_worker_group_worker_type_check check (char_length(worker_type) between 1 and 128),
  desired integer
    constraint hp_worker_group_desired_check check (desired between 0 and 1000000),
  minimum integer
    constraint hp_worker_group_minimum_check check (minimum between 0 and 1000000 and minimum <= desired),
  description text
    constraint hp_worker_group_description_check check (char_length(description) <= 500),
  -- note: a page makes links of it, so that nothing but the web may stand here (javascript: would run as the reader).
  job_url_template text
    constraint hp_worker_group_job_url_template_check check (
      job_url_template ~* '^https?://[^\s]+$' and char_length(job_url_template) <= 2000),
  restart_hint text
    constraint hp_worker_group_restart_hint_check check (char_length(restart_hint) <= 500),
  heartbeat_interval_s double precision
    constraint hp_worker_group_heartbeat_interval_s_check check (heartbeat_interval_s between 1 and 3600),
  paused_until timestamptz,
  paused_reason text
    constraint hp_worker_group_paused_reason_check check (char_length(paused_reason) <= 500),
  revision bigint not null default 0
    constraint hp_worker_group_revision_check check (revision >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

alter table public.hp_worker_group enable row level security;

drop policy if exists "members read every group" on public.hp_worker_group;
create policy "members read every group" on public.hp_worker_group
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "operators add groups" on public.hp_worker_group;
create policy "operators add groups" on public.hp_worker_group
  for insert to authenticated with check ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "operators edit groups" on public.hp_worker_group;
create policy "operators edit groups" on public.hp_worker_group
  for update to authenticated using ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "operators remove groups" on public.hp_worker_group;
create policy "operators remove groups" on public.hp_worker_group
  for delete to authenticated using ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_group;
create policy "only members, whatever else is allowed" on public.hp_worker_group as restrictive
  for all to public using ((select hp_private.is_member()))
  with check ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "only operators remove, whatever else is allowed" on public.hp_worker_group;
create policy "only operators remove, whatever else is allowed" on public.hp_worker_group as restrictive
  for delete to public using ((select hp_private.member_role()) in ('operator', 'owner'));

revoke all on table public.hp_worker_group from anon, authenticated, service_role;
grant select, delete on table public.hp_worker_group to authenticated, service_role;
grant insert (
    worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s
  ), update (
    worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s
  ) on table public.hp_worker_group to authenticated, service_role;
grant insert (paused_until, paused_reason), update (paused_until, paused_reason) on table public.hp_worker_group to service_role;
-- note: people pause by hp_pause(), which writes down who did; revision and the times are the trigger's.

comment on table public.hp_worker_group is 'Settings of a group: workers of one worker_type. A group without a row has none.';
comment on column public.hp_worker_group.worker_type is 'The group; hp_worker_status.worker_type names it.';
comment on column public.hp_worker_group.desired is 'How many of its workers should be alive; fewer is a warning. Null: each expected worker counts for itself.';
comment on column public.hp_worker_group.minimum is 'With fewer alive the group is critical; at most desired.';
comment on column public.hp_worker_group.description is 'What the group does, for people.';
comment on column public.hp_worker_group.job_url_template is 'Address of a job, http or https, with {job_id}, {job_type} and {worker_name} in it.';
comment on column public.hp_worker_group.restart_hint is 'What to do when a worker of it is dead: a command, with {worker_name} in it where it is wanted.';
comment on column public.hp_worker_group.heartbeat_interval_s is 'Seconds between beats for its workers; goes before what they request, and after a worker''s own interval_override_s.';
comment on column public.hp_worker_group.paused_until is 'Until when the silence of all its workers is intended.';
comment on column public.hp_worker_group.paused_reason is 'Why it is paused.';
comment on column public.hp_worker_group.revision is 'Grows with every edit, out of the same numbers as the revisions of workers.';
comment on column public.hp_worker_group.created_at is 'When the row was made.';
comment on column public.hp_worker_group.updated_at is 'When it was last edited.';

create or replace function hp_private.tg_hp_worker_group__revision() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.revision := nextval('hp_private.revision_seq');
  new.updated_at := clock_timestamp();
  return new;
end
$$;

create or replace trigger _500_first_revision before insert on public.hp_worker_group
  for each row execute function hp_private.tg_hp_worker_group__revision();

-- note: an upsert that changes nothing is no edit.
create or replace trigger _500_revision before update on public.hp_worker_group
  for each row when (old.* is distinct from new.*) execute function hp_private.tg_hp_worker_group__revision();

revoke all on function hp_private.tg_hp_worker_group__revision from public;

comment on function hp_private.tg_hp_worker_group__revision is 'Moves the revision of a group that is new or was edited.';
