-- What a member's page is told of a worker and of a group: the views name the columns, so that a new column is never
-- sent by accident.
create or replace view hp_private.worker_state with (security_invoker = true) as
select
  worker_id, worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason, seen_at,
  instance_id, epoch, started_at, hostname, pid, version, runtime, last_exit, name_conflict_since,
  status, status_since, status_reason, last_heartbeat, heartbeat_interval_s, requested_interval_s, interval_override_s,
  late_after_intervals,
  lost_after_intervals, lease_expires_at, clock_skew_ms, revision,
  -- Left out of the JSON where it is false.
  nullif(draining, false) as draining, jobs_active, current_status, current_job_id, current_job_type, status_updated_at, poll_interval_s, last_run_at,
  last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule, jobs_processed, error_count,
  last_error, last_error_at,
  circuit_breaker_open, circuit_breaker_state, circuit_breaker_failures, circuit_breaker_threshold,
  circuit_breaker_opened_at, circuit_breaker_retry_at, circuit_breaker_reason,
  cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, event_loop_blocked_ms
from public.hp_worker_status;

revoke all on table hp_private.worker_state from public, anon, authenticated, service_role;
grant select on table hp_private.worker_state to authenticated, service_role;

comment on view hp_private.worker_state is 'The columns of a worker that snapshots and messages carry.';

create or replace view hp_private.group_state with (security_invoker = true) as
select
  worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s, paused_until,
  paused_reason, revision
from public.hp_worker_group;

revoke all on table hp_private.group_state from public, anon, authenticated, service_role;
grant select on table hp_private.group_state to authenticated, service_role;

comment on view hp_private.group_state is 'The columns of a group that snapshots and messages carry.';

-- The header lets a viewer see that it has missed something: it compares workers, groups, revision and generation.
-- note: read by members under their own rights, who may not call hp_private.setting().
create or replace function hp_private.fleet_header(at timestamptz) returns jsonb
language sql stable set search_path = ''
return (
  select jsonb_build_object(
    'generation', p.generation, 'now', fleet_header.at, 'heard_until', fleet_header.at,
    'workers', w.workers, 'groups', g.groups, 'revision', greatest(w.revision, g.revision),
    'tick_at', p.tick_at, 'tick_every_s', coalesce(t.tick_every_s, 5),
    'watching_since', p.watching_since, 'impaired_since', p.impaired_since,
    'stretch', p.stretch, 'beats_per_second', t.beats_per_second)
  from hp_private.pulse p,
    (select count(*) as workers, coalesce(max(s.revision), 0) as revision from public.hp_worker_status s) w,
    (select count(*) as groups, coalesce(max(s.revision), 0) as revision from public.hp_worker_group s) g,
    (select max(n.value) filter (where n.key = 'tick_every_s') as tick_every_s,
        max(n.value) filter (where n.key = 'beats_per_second') as beats_per_second
      from (
        select s.key, case when jsonb_typeof(s.value) = 'number' then s.value::numeric end as value
        from public.hp_setting s where s.key in ('tick_every_s', 'beats_per_second')
      ) n) t
);

revoke all on function hp_private.fleet_header(timestamptz) from public;
grant execute on function hp_private.fleet_header(timestamptz) to authenticated, service_role;

comment on function hp_private.fleet_header(timestamptz) is 'Head of a snapshot and of a digest.';
