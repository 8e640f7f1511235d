-- What a worker's row means at an instant: derived, never stored. The page derives the same from its own copy of the row
-- (src/lib/rules/health.ts), in the same order and with the same texts; a test holds the two equal.

-- Times are compared as a browser knows them: whole milliseconds, and "infinity" as the last instant that it can name.
-- note: plpgsql, for a function in sql that names its search_path is not inlined, and this one is called ten times a row.
create or replace function hp_private.epoch_ms(at timestamptz) returns double precision
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when at = 'infinity' then 8.64e15
    when at > '-infinity' then floor(extract(epoch from at) * 1000)::double precision
  end;
end
$$;

-- note: plpgsql here too. A row in trouble asks for several of these, and each call of a function in sql that is not
-- inlined starts an executor: 10,000 rows took a second longer.
create or replace function hp_private.words_count(count double precision, noun text) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return count::bigint || ' ' || noun || case when count = 1 then '' else 's' end;
end
$$;

-- How long something has lasted, rounded down: "34 seconds", "2 hours".
create or replace function hp_private.words_lasting(ms double precision) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when ms < 60000 then hp_private.words_count(floor(greatest(ms, 0) / 1000), 'second')
    when ms < 3600000 then hp_private.words_count(floor(ms / 60000), 'minute')
    when ms < 86400000 then hp_private.words_count(floor(ms / 3600000), 'hour')
    else hp_private.words_count(floor(ms / 86400000), 'day')
  end;
end
$$;

-- How long something is meant to last, exactly: "2 minutes", "90 seconds". Beside a duration of the same unit without the
-- unit's name, as in "12 minutes (every 2)".
create or replace function hp_private.words_span(seconds double precision, beside_ms double precision default null)
returns text
language plpgsql immutable set search_path = ''
as $$
declare
  v_ms constant bigint := floor(seconds * 1000 + 0.5);
  v_unit constant bigint := case
    when beside_ms < 60000 then 1000
    when beside_ms < 3600000 then 60000
    when beside_ms < 86400000 then 3600000
    when beside_ms is not null then 86400000
  end;
begin
  return case
    when v_ms % v_unit = 0 then (v_ms / v_unit)::text
    when v_ms % 86400000 = 0 then hp_private.words_count(v_ms / 86400000, 'day')
    when v_ms % 3600000 = 0 then hp_private.words_count(v_ms / 3600000, 'hour')
    when v_ms % 60000 = 0 then hp_private.words_count(v_ms / 60000, 'minute')
    else trim_scale(v_ms / 1000.0) || case when v_ms = 1000 then ' second' else ' seconds' end
  end;
end
$$;

create or replace function hp_private.words_instant(at timestamptz) returns text
language sql stable set search_path = ''
return to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC';

create or replace function hp_private.in_words(span interval) returns text
language sql immutable set search_path = ''
return hp_private.words_lasting(extract(epoch from span)::double precision * 1000);

-- Since when a resident's silence counts. A request of the heartbeat module may hang for 10 s, which is more than the lease of
-- a short interval; the tick excuses it for as long (hp_private.patience).
create or replace function hp_private.monitored_ms(worker public.hp_worker_status, watching_since timestamptz)
returns double precision
language plpgsql immutable set search_path = ''
as $$
begin
  return coalesce(hp_private.epoch_ms(watching_since) + greatest(0,
    worker.heartbeat_interval_s * 1000 + 10000 - worker.lost_after_intervals * worker.heartbeat_interval_s * 1000), 0);
end
$$;

-- Whether the lease of a scheduled worker has run out: between its runs it lasts until the grace after the next one is
-- over, during a run as long as that may last. One that should have reported while the monitor was down may well have
-- run, and ended: it has until the time after.
create or replace function hp_private.is_overdue(worker public.hp_worker_status, at timestamptz, watching_since timestamptz)
returns boolean
language plpgsql immutable set search_path = ''
as $$
declare
  v_at double precision;
  v_watching double precision;
  v_lease double precision;
  v_last_heartbeat double precision;
  v_next_run double precision;
  v_until double precision;
begin
  if worker.kind <> 'scheduled' or worker.status in ('unknown', 'crashed') then
    return false;
  end if;
  v_at := hp_private.epoch_ms(at);
  v_lease := hp_private.epoch_ms(worker.lease_expires_at);
  v_next_run := hp_private.epoch_ms(worker.next_run_at);
  if v_lease is null or (worker.status in ('idle', 'stopped') and (v_next_run <= v_at) is not true) then
    return false;
  end if;
  v_watching := hp_private.epoch_ms(watching_since);
  v_last_heartbeat := hp_private.epoch_ms(worker.last_heartbeat);
  if coalesce(case when worker.status in ('idle', 'stopped', 'error') then v_next_run end, v_last_heartbeat) <= v_watching then
    v_until := v_watching + greatest(0, v_lease - v_last_heartbeat);
  end if;
  return greatest(v_lease, v_until) <= v_at;
end
$$;

-- Whether the last beat still vouches for a worker. A resident: a status that claims life, and a lease that has not run out,
-- or only while the monitor was down. A scheduled one: not overdue, its last run not crashed.
create or replace function hp_private.is_alive(worker public.hp_worker_status, at timestamptz, watching_since timestamptz)
returns boolean
language plpgsql immutable set search_path = ''
as $$
begin
  if worker.kind = 'resident' then
    return worker.status not in ('unknown', 'stopped', 'crashed') and coalesce(greatest(
      hp_private.epoch_ms(worker.lease_expires_at),
      case when worker.lease_expires_at > '-infinity' then hp_private.monitored_ms(worker, watching_since)
        + worker.lost_after_intervals * worker.heartbeat_interval_s * 1000 end) > hp_private.epoch_ms(at), false);
  end if;
  return worker.status not in ('unknown', 'crashed')
    and hp_private.epoch_ms(coalesce(worker.lease_expires_at, worker.next_run_at)) is not null
    and not hp_private.is_overdue(worker, at, watching_since);
end
$$;

-- A worker's health, from nothing but what it is given. One line per rule, in the order of the table in docs/states.md:
-- the first that holds wins.
create or replace function hp_private.worker_health(
  worker public.hp_worker_status, at timestamptz, watching_since timestamptz, impaired_since timestamptz,
  group_paused_until timestamptz, group_paused_reason text, out level text, out rule text, out reason text
)
language plpgsql stable set search_path = ''
as $$
declare
  v_at constant double precision := hp_private.epoch_ms(at);
  v_watching constant double precision := coalesce(hp_private.epoch_ms(watching_since), 0);
  v_last_heartbeat constant double precision := hp_private.epoch_ms(worker.last_heartbeat);
  v_last_run constant double precision := hp_private.epoch_ms(worker.last_run_at);
  v_next_run constant double precision := hp_private.epoch_ms(worker.next_run_at);
  v_resident constant boolean := worker.kind = 'resident';
  v_lives constant boolean := worker.status not in ('unknown', 'stopped', 'crashed');
  -- A scheduled worker between its runs, whose process may well have ended.
  v_waits constant boolean := worker.kind = 'scheduled' and worker.status in ('idle', 'stopped');
  v_breaker constant text := case when worker.circuit_breaker_open then 'open' else worker.circuit_breaker_state end;
  -- What the heartbeat module gives as a reason for stopping, as half a sentence; null for any other text.
  v_cause constant text := case
    when worker.status_reason ~ '^SIG[A-Z0-9]+$' then 'by ' || worker.status_reason
    when worker.status_reason ~ '^exit code [0-9]+$' then 'with ' || worker.status_reason
  end;
  v_since_ms constant double precision :=
    greatest(0, v_at - coalesce(hp_private.epoch_ms(worker.status_since), v_at));
  v_silent_ms double precision := 0;
  -- A draining worker owes no runs.
  v_polls constant boolean := v_resident and v_lives and worker.poll_interval_s is not null and not worker.draining;
  v_runless_ms double precision := 0;
  v_runless_words text;
  v_found_by_tick boolean;
  v_overdue constant boolean := hp_private.is_overdue(worker, at, watching_since);
  v_health text[];
begin
  if v_resident and v_lives and v_last_heartbeat is not null then
    v_silent_ms := greatest(0, v_at - greatest(v_last_heartbeat, hp_private.monitored_ms(worker, watching_since)));
  end if;
  if v_polls then
    -- A process cannot owe runs from before its start.
    v_runless_ms := greatest(coalesce(v_last_run, 0), coalesce(hp_private.epoch_ms(worker.started_at), 0), v_watching);
    v_runless_ms := case when v_runless_ms = 0 then 0 else greatest(0, v_at - v_runless_ms) end;
    v_runless_words := 'no run for ' || hp_private.words_lasting(v_runless_ms)
      || ' (polls every ' || hp_private.words_span(worker.poll_interval_s, v_runless_ms) || ')';
  end if;
  -- The tick stamps what it finds with the deadline, after the last beat; an exit report is itself a beat.
  v_found_by_tick := coalesce(worker.last_exit is null and hp_private.epoch_ms(worker.status_since) > v_last_heartbeat, false);

  v_health := case
    when hp_private.epoch_ms(worker.paused_until) > v_at then
      array['inactive', 'paused', coalesce(worker.paused_reason, 'paused')]
    when hp_private.epoch_ms(group_paused_until) > v_at then
      array['inactive', 'paused', coalesce(group_paused_reason, 'its group is paused')]
    when worker.status = 'stopped' and not worker.expected then
      array['inactive', 'stopped', coalesce('stopped ' || v_cause, worker.status_reason, 'stopped')]

    when worker.status = 'unknown' or v_last_heartbeat is null then
      array['unknown', 'never-reported', 'never reported']
    when impaired_since is not null and (v_lives or v_waits) and hp_private.epoch_ms(worker.lease_expires_at) <= v_at then
      array['unknown', 'not-monitored', 'not monitored since ' || hp_private.words_instant(impaired_since)]

    when worker.status = 'crashed' and not v_found_by_tick then
      array['critical', 'crashed', coalesce(worker.status_reason, 'crashed')]
    when worker.status = 'crashed' and v_resident then
      array['critical', 'crashed', 'no heartbeat for ' || hp_private.words_lasting(v_at - v_last_heartbeat)]
    when worker.status = 'crashed' then
      array['critical', 'overdue', coalesce(worker.status_reason, 'overdue')]
    when worker.status = 'stopped' and v_resident and v_since_ms >= 60000 then
      array['critical', 'stopped-but-expected', 'stopped ' || coalesce(v_cause || ' ', '')
        || hp_private.words_lasting(v_since_ms) || ' ago, but expected to run'
        || case when v_cause is null then coalesce(': ' || nullif(worker.status_reason, ''), '') else '' end]
    when v_silent_ms >= worker.lost_after_intervals * worker.heartbeat_interval_s * 1000 then
      array['critical', 'silent', 'no heartbeat for ' || hp_private.words_lasting(v_silent_ms)]
    when v_breaker = 'open' then
      array['critical', 'breaker-open', coalesce(worker.circuit_breaker_reason, 'circuit breaker open' || case
        when worker.circuit_breaker_failures > 0 then
          ' after ' || hp_private.words_count(worker.circuit_breaker_failures, 'failure') || ' in a row'
        else '' end)]
    when worker.status = 'error' then
      array['critical', 'error', coalesce(worker.status_reason, 'the last run failed')]
    when worker.last_run_errors > 0 then
      array['critical', 'run-errors', hp_private.words_count(worker.last_run_errors, 'error') || ' in the last run']
    when v_polls and v_runless_ms >= 5 * worker.poll_interval_s * 1000 then
      array['critical', 'stuck', 'alive, but ' || v_runless_words]
    when v_waits and v_next_run is null then
      array['critical', 'not-scheduled', 'no next run is scheduled']
    when v_overdue and v_waits then
      array['critical', 'overdue', 'overdue by ' || hp_private.words_lasting(v_at - v_next_run)]
    when v_overdue then
      array['critical', 'overdue', 'its run has lasted longer than ' || hp_private.words_span(worker.max_run_s)]

    when worker.status = 'starting' then
      array['warning', 'starting', coalesce(worker.status_reason, 'starting')]
    when worker.status = 'stopping' then
      array['warning', 'stopping', coalesce('asked to stop ' || v_cause, worker.status_reason, 'finishing its work')]
    when worker.status = 'stopped' and v_resident then
      array['warning', 'stopped-but-expected', coalesce('stopped ' || v_cause, worker.status_reason, 'stopped')]
    when v_silent_ms >= worker.late_after_intervals * worker.heartbeat_interval_s * 1000 then
      array['warning', 'late', 'no heartbeat for ' || hp_private.words_lasting(v_silent_ms)]
    when worker.draining and v_lives then
      array['warning', 'draining', 'takes no work until an operator resumes it']
    when v_polls and v_last_run is null then
      array['warning', 'no-run-yet', 'no run yet']
    when v_polls and v_runless_ms >= 2 * worker.poll_interval_s * 1000 then
      array['warning', 'run-late', v_runless_words]
    when v_waits and v_next_run <= v_at then
      array['warning', 'due', 'due ' || case
        when v_at - v_next_run < 1000 then 'just now'
        else hp_private.words_lasting(v_at - v_next_run) || ' ago'
      end]
    when v_breaker = 'half_open' then
      array['warning', 'breaker-half-open', 'circuit breaker half open: trying again']
    when v_lives and worker.event_loop_blocked_ms > 1000 then
      array['warning', 'event-loop', 'alive, event loop blocked for ' || worker.event_loop_blocked_ms / 1000 || ' s']
    else array['healthy', 'fine', '']
  end;
  level := v_health[1];
  rule := v_health[2];
  reason := v_health[3];
end
$$;

-- Security invoker: who reads a worker's row reads its group and the monitor too.
create or replace function public.hp_worker_health(
  worker public.hp_worker_status, at timestamptz default now(), out level text, out rule text, out reason text
)
language sql stable set search_path = ''
begin atomic
  select h.level, h.rule, h.reason
  from (select true) one
    left join hp_private.monitor p on true
    left join public.hp_worker_group g on g.worker_type = (hp_worker_health.worker).worker_type
    cross join lateral hp_private.worker_health(hp_worker_health.worker, hp_worker_health.at,
      p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h;
end;

-- Until when a worker is surely fine: alive and healthy by conditions on its columns, some milliseconds sooner than by the
-- rules above, so that rounding does not matter. Null or past: its health must be worked out. (10,000 workers: 60 ms where all
-- are fine, 330 where the health of each is worked out.)
-- note: a view, since PostgreSQL writes it into the query that reads it; a function with a search_path it calls for each row.
create or replace view hp_private.surely_fine with (security_invoker = true) as
select w as worker, g.paused_until as group_paused_until, g.paused_reason as group_paused_reason, g.restart_hint,
  greatest(w.paused_until, g.paused_until) as paused_until,
  case
    when w.status in ('idle', 'processing', 'running') and not w.draining and not w.circuit_breaker_open
      and w.circuit_breaker_state = 'closed' and (w.last_run_errors > 0) is not true
      and (w.event_loop_blocked_ms > 1000) is not true and w.last_heartbeat is not null and w.lease_expires_at is not null
    then case
      when w.kind = 'resident' then least(w.lease_expires_at,
        w.last_heartbeat + make_interval(secs => least(w.late_after_intervals, w.lost_after_intervals) * w.heartbeat_interval_s),
        case when w.poll_interval_s is not null then
          coalesce(case when w.last_run_at > now() then now() else w.last_run_at end
            + make_interval(secs => 2 * least(w.poll_interval_s, 1e8)), '-infinity') end)
      when w.status = 'idle' then least(w.lease_expires_at, coalesce(w.next_run_at, '-infinity'))
      else w.lease_expires_at
    end - interval '10 milliseconds'
  end as fine_until
from public.hp_worker_status w left join public.hp_worker_group g on g.worker_type = w.worker_type;

revoke all on table hp_private.surely_fine from public, anon, authenticated, service_role;
grant select on table hp_private.surely_fine to authenticated, service_role;

comment on view hp_private.surely_fine is 'Each worker, and until when it is alive and healthy whatever else its row holds.';

-- How the groups are as a whole: how many of their workers are alive, against how many people want. The page reckons the
-- same (src/lib/rules/group-health.ts, tally.ts); a test holds the two equal.
create or replace function hp_private.group_health(at timestamptz)
returns table (
  worker_type text, desired integer, minimum integer, alive bigint, expected bigint, level text, rule text, reason text
)
language sql stable set search_path = ''
begin atomic
  with judged as (
    select (f.worker).worker_type as worker_type, (f.worker).expected as expected, h.rule, h.alive
    from hp_private.surely_fine f
      cross join hp_private.monitor p
      cross join lateral (
        select 'fine' as rule, true as alive
        where group_health.at < f.fine_until and (group_health.at < f.paused_until) is not true
        union all
        select h.rule, hp_private.is_alive(f.worker, group_health.at, p.watching_since)
        from hp_private.worker_health(f.worker, group_health.at, p.watching_since, p.impaired_since,
          f.group_paused_until, f.group_paused_reason) h
        where (group_health.at < f.fine_until and (group_health.at < f.paused_until) is not true) is not true
      ) h
    where (f.worker).worker_type <> ''
  ),
  counted as (
    -- A paused worker doesn't count. One that may be alive, because the monitor is impaired, makes no group critical.
    select j.worker_type,
      count(*) filter (where j.alive) as alive,
      count(*) filter (where j.alive and j.expected) as alive_expected,
      count(*) filter (where j.expected) as expected,
      count(*) filter (where not j.alive and j.rule = 'not-monitored') as unsure
    from judged j where j.rule <> 'paused' group by j.worker_type
  ),
  known as (
    select g.worker_type from public.hp_worker_group g
    union
    select w.worker_type from public.hp_worker_status w where w.worker_type <> ''
  ),
  reckoned as (
    select k.worker_type, g.desired, g.minimum, g.paused_reason,
      coalesce(hp_private.epoch_ms(g.paused_until) > hp_private.epoch_ms(group_health.at), false) as paused,
      coalesce(c.alive, 0) as alive, coalesce(c.alive_expected, 0) as alive_expected,
      coalesce(c.expected, 0) as expected, coalesce(c.alive, 0) + coalesce(c.unsure, 0) as possible
    from known k
      left join public.hp_worker_group g on g.worker_type = k.worker_type
      left join counted c on c.worker_type = k.worker_type
  )
  select r.worker_type, r.desired, r.minimum,
    case when r.desired is null then r.alive_expected else r.alive end,
    case when r.paused then 0 else greatest(r.desired, r.expected) end,
    h.health[1], h.health[2], h.health[3]
  from reckoned r
    cross join lateral (
      select r.alive || coalesce('/' || r.desired, '') || ' running' || coalesce(', minimum ' || r.minimum, '') as count
    ) words
    cross join lateral (
      select case
        when r.paused then array['inactive', 'paused', coalesce(r.paused_reason, 'paused')]
        when r.possible < r.minimum then array['critical', 'below-minimum', words.count]
        when r.possible < r.desired then array['warning', 'below-desired', words.count]
        when r.alive < greatest(r.desired, r.minimum) then array['unknown', 'not-monitored', words.count
          || coalesce(', not monitored since ' || hp_private.words_instant((select p.impaired_since from hp_private.monitor p)), '')]
        else array['healthy', 'fine', '']
      end as health
    ) h
  order by r.worker_type;
end;

create or replace view public.hp_worker_group_health with (security_invoker = true) as
select h.worker_type, h.desired, h.minimum, h.alive, h.expected, h.level, h.rule, h.reason
from hp_private.group_health(now()) h;

revoke all on table public.hp_worker_group_health from public, anon, authenticated, service_role;
grant select on table public.hp_worker_group_health to authenticated, service_role;

comment on view public.hp_worker_group_health is 'Each group now: how many of its workers are alive, how many are expected, and its level: below minimum critical, below desired warning.';
comment on column public.hp_worker_group_health.worker_type is 'The group.';
comment on column public.hp_worker_group_health.desired is 'How many of its workers should be alive, where people have set it.';
comment on column public.hp_worker_group_health.minimum is 'With fewer alive it is critical.';
comment on column public.hp_worker_group_health.alive is 'How many of its unpaused workers are alive: replicas included where desired is set, else the expected ones.';
comment on column public.hp_worker_group_health.expected is 'How many should be; none while the group is paused.';
comment on column public.hp_worker_group_health.level is 'critical, warning, unknown, inactive or healthy.';
comment on column public.hp_worker_group_health.rule is 'Which rule held: below-minimum, below-desired, not-monitored, paused or fine.';
comment on column public.hp_worker_group_health.reason is 'The reason, as text.';

-- Every worker with its health now, which is worked out only where it is not surely fine.
-- note: monitor and groups are joined once; hp_worker_health(w) reads both, and whether its caller is a member, for each
-- row, which is seconds for 10,000 of them.
create or replace view hp_private.judged_worker with (security_invoker = true) as
select f.worker, f.restart_hint, h.level, h.rule, h.reason, h.alive
from hp_private.surely_fine f
  cross join hp_private.monitor p
  cross join lateral (
    select 'healthy' as level, 'fine' as rule, '' as reason, true as alive
    where now() < f.fine_until and (now() < f.paused_until) is not true
    union all
    select h.level, h.rule, h.reason, hp_private.is_alive(f.worker, now(), p.watching_since)
    from hp_private.worker_health(
      f.worker, now(), p.watching_since, p.impaired_since, f.group_paused_until, f.group_paused_reason) h
    where (now() < f.fine_until and (now() < f.paused_until) is not true) is not true
  ) h;

revoke all on table hp_private.judged_worker from public, anon, authenticated, service_role;
grant select on table hp_private.judged_worker to authenticated, service_role;

comment on view hp_private.judged_worker is 'Each worker with its health now, and whether it is alive.';

-- For people in the SQL editor, and for scripts. They read with the rights of the reader; health is that of the page.
create or replace view public.hp_active_workers with (security_invoker = true) as
select (j.worker).worker_name, (j.worker).worker_type, (j.worker).status, j.level, j.reason,
  round(extract(epoch from now() - (j.worker).last_heartbeat), 1) as seconds_since_heartbeat, (j.worker).last_heartbeat,
  (j.worker).current_status, (j.worker).current_job_id, (j.worker).current_job_type, (j.worker).jobs_active,
  (j.worker).jobs_processed, (j.worker).error_count, (j.worker).next_run_at, (j.worker).started_at, (j.worker).hostname,
  (j.worker).pid, (j.worker).version
from hp_private.judged_worker j
where j.alive;

create or replace view public.hp_dead_workers with (security_invoker = true) as
select (j.worker).worker_name, (j.worker).worker_type, (j.worker).expected, j.reason,
  round(extract(epoch from now() - (j.worker).last_heartbeat), 1) as seconds_since_heartbeat, (j.worker).last_heartbeat,
  case
    when (j.worker).status = 'crashed' then (j.worker).status_since else least((j.worker).lease_expires_at, now())
  end as dead_since,
  (j.worker).last_exit, (j.worker).last_error, (j.worker).hostname, (j.worker).pid, (j.worker).version, j.restart_hint
from hp_private.judged_worker j
where j.rule in ('crashed', 'silent', 'overdue');

create or replace view public.hp_worker_stats with (security_invoker = true) as
select w.worker_type, g.desired, g.minimum, w.workers, w.alive, w.critical, w.warning, w.paused,
  w.jobs_active, w.jobs_processed, w.error_count, w.error_percent, w.last_heartbeat
from (
  select (j.worker).worker_type as worker_type, count(*) as workers,
    count(*) filter (where j.alive) as alive,
    count(*) filter (where j.level = 'critical') as critical,
    count(*) filter (where j.level = 'warning') as warning,
    count(*) filter (where j.rule = 'paused') as paused,
    sum((j.worker).jobs_active) as jobs_active, sum((j.worker).jobs_processed) as jobs_processed,
    sum((j.worker).error_count) as error_count,
    round(100 * sum((j.worker).error_count) / nullif(sum((j.worker).jobs_processed), 0), 1) as error_percent,
    max((j.worker).last_heartbeat) as last_heartbeat
  from hp_private.judged_worker j
  group by (j.worker).worker_type
) w
  left join public.hp_worker_group g on g.worker_type = w.worker_type;

revoke all on table public.hp_active_workers, public.hp_dead_workers, public.hp_worker_stats
  from public, anon, authenticated, service_role;
grant select on table public.hp_active_workers, public.hp_dead_workers, public.hp_worker_stats to authenticated, service_role;

comment on view public.hp_active_workers is 'Workers that the last beat vouches for, with their health and how long ago that beat was.';
comment on view public.hp_dead_workers is 'Workers that crashed, fell silent or are overdue, since when and why; paused workers and those that are not monitored are not among them.';
comment on view public.hp_worker_stats is 'Figures of each worker_type: how many there are, live and are in trouble, and what they have done.';

revoke all on function
  hp_private.epoch_ms, hp_private.words_count, hp_private.words_lasting, hp_private.words_span,
  hp_private.words_instant, hp_private.in_words, hp_private.monitored_ms, hp_private.is_overdue, hp_private.is_alive,
  hp_private.worker_health, hp_private.group_health
from public;
revoke all on function public.hp_worker_health from public, anon, authenticated, service_role;
grant execute on function
  hp_private.epoch_ms, hp_private.words_count, hp_private.words_lasting, hp_private.words_span,
  hp_private.words_instant, hp_private.monitored_ms, hp_private.is_overdue, hp_private.is_alive,
  hp_private.worker_health, public.hp_worker_health, hp_private.group_health
to authenticated, service_role;

comment on function hp_private.epoch_ms is 'A time as JavaScript has it: whole milliseconds since 1970.';
comment on function hp_private.words_count is '"1 minute", "2 minutes".';
comment on function hp_private.words_lasting is 'How long something has lasted, as text, rounded down.';
comment on function hp_private.words_span is 'How many seconds something is meant to last, as text, exactly; the second is a duration that stands beside it.';
comment on function hp_private.words_instant is 'An instant for people.';
comment on function hp_private.in_words is 'How long an interval lasts, as text, rounded down.';
comment on function hp_private.monitored_ms is 'Since when a resident''s silence counts, in milliseconds since 1970.';
comment on function hp_private.is_overdue is 'Whether a scheduled worker should have begun, or ended, its run by now.';
comment on function hp_private.is_alive is 'Whether the last beat still vouches for a worker.';
comment on function hp_private.worker_health is 'hp_worker_health from nothing but its arguments: the row, the time, the state of the monitor, the pause of the group.';
comment on function public.hp_worker_health is 'What a worker''s row means at a time: level (healthy, warning, critical, inactive, unknown), rule and reason. select w.worker_name, h.* from hp_worker_status w, hp_worker_health(w) h;';
comment on function hp_private.group_health is 'hp_worker_group_health at a given time.';
