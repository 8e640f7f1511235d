-- For people in the SQL editor, and for scripts. They read with the rights of the reader; health is that of the page.
-- note: pulse and groups are joined here, once: hp_worker_health(w) asks for both, and whether its caller is a member,
-- for each row, which is seconds for 10,000 of them.
create or replace view public.hp_active_workers with (security_invoker = true) as
select w.worker_name, w.worker_type, w.status, h.level, h.reason,
  round(extract(epoch from now() - w.last_heartbeat), 1) as seconds_since_heartbeat, w.last_heartbeat,
  w.current_status, w.current_job_id, w.current_job_type, w.jobs_active, w.jobs_processed, w.error_count,
  w.next_run_at, w.started_at, w.hostname, w.pid, w.version
from public.hp_worker_status w
  cross join hp_private.pulse p
  left join public.hp_worker_group g on g.worker_type = w.worker_type
  cross join lateral hp_private.worker_health(
    w, now(), p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h
where hp_private.is_alive(w, now(), p.watching_since);

create or replace view public.hp_dead_workers with (security_invoker = true) as
select w.worker_name, w.worker_type, w.expected, h.reason,
  round(extract(epoch from now() - w.last_heartbeat), 1) as seconds_since_heartbeat, w.last_heartbeat,
  case when w.status = 'crashed' then w.status_since else least(w.lease_expires_at, now()) end as dead_since,
  w.last_exit, w.last_error, w.hostname, w.pid, w.version, g.restart_hint
from public.hp_worker_status w
  cross join hp_private.pulse p
  left join public.hp_worker_group g on g.worker_type = w.worker_type
  cross join lateral hp_private.worker_health(
    w, now(), p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h
where h.rule in ('crashed', 'silent', 'overdue');

create or replace view public.hp_worker_stats with (security_invoker = true) as
select w.worker_type, g.desired, g.minimum, w.workers, w.alive, w.critical, w.warning, w.paused,
  w.jobs_active, w.jobs_processed, w.error_count, w.error_percent, w.last_heartbeat
from (
  select w.worker_type, count(*) as workers,
    count(*) filter (where hp_private.is_alive(w, now(), p.watching_since)) as alive,
    count(*) filter (where h.level = 'critical') as critical,
    count(*) filter (where h.level = 'warning') as warning,
    count(*) filter (where h.rule = 'paused') as paused,
    sum(w.jobs_active) as jobs_active, sum(w.jobs_processed) as jobs_processed, sum(w.error_count) as error_count,
    round(100 * sum(w.error_count) / nullif(sum(w.jobs_processed), 0), 1) as error_percent,
    max(w.last_heartbeat) as last_heartbeat
  from public.hp_worker_status w
    cross join hp_private.pulse p
    left join public.hp_worker_group g on g.worker_type = w.worker_type
    cross join lateral hp_private.worker_health(
      w, now(), p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h
  group by w.worker_type
) w
  left join public.hp_worker_group g on g.worker_type = w.worker_type;

revoke all on table public.hp_active_workers, public.hp_dead_workers, public.hp_worker_stats
  from public, anon, authenticated, service_role;
grant select on table public.hp_active_workers, public.hp_dead_workers, public.hp_worker_stats to authenticated, service_role;

comment on view public.hp_active_workers is 'Workers that the last beat vouches for, with their health and how long ago that beat was.';
comment on view public.hp_dead_workers is 'Workers that crashed, fell silent or are overdue, since when and why; who is paused or not watched is not among them.';
comment on view public.hp_worker_stats is 'Figures of each worker_type: how many there are, live and are in trouble, and what they have done.';
