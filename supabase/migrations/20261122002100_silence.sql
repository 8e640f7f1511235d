-- Who has fallen silent. A resident's lease runs out some intervals after its last beat, a scheduled worker's at its next
-- run and grace, or at the end of its longest allowed run. A worker that has not reported by then is marked crashed, as of that
-- deadline, unless the silence may be ours (truth rule 3).

-- When much of the fleet falls silent together the fault is more likely ours, or the network's, than everybody's. So before
-- a worker is accused, the others are asked for: of those that should have been heard within all of its lease but one
-- interval, was at least half? (Leases that are jittered end spread over an interval: asking whether half have *ended*
-- accuses 40 % of a fleet before it trips.)
--
-- A doubt is remembered for a lease: once the network is back, half of the fleet is heard again before the other half has
-- had its turn. (docs/decisions/0005-mass-silence-blames-nobody.md)
create table if not exists hp_private.mass_silence (
  heartbeat_interval_s double precision,
  lost_after_intervals double precision,
  seen_at timestamptz not null,
  window_s double precision not null,
  expected double precision not null,
  reporting integer not null,
  constraint mass_silence_pkey primary key (heartbeat_interval_s, lost_after_intervals)
);

alter table hp_private.mass_silence enable row level security;

revoke all on table hp_private.mass_silence from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the tick uses it.

comment on table hp_private.mass_silence is 'Workers of a like lease of which none is marked as crashed, for less than half of all that should have reported did.';
comment on column hp_private.mass_silence.heartbeat_interval_s is 'Their interval.';
comment on column hp_private.mass_silence.lost_after_intervals is 'Their lease in intervals.';
comment on column hp_private.mass_silence.seen_at is 'The last tick that found it so.';
comment on column hp_private.mass_silence.window_s is 'Seconds within which the others should have reported.';
comment on column hp_private.mass_silence.expected is 'How many should have been.';
comment on column hp_private.mass_silence.reporting is 'How many were.';

-- The lease but one interval: 4 of 5. A request of the heartbeat module may hang for 10 s, which is longer than short
-- intervals are; an outage that is over by then must have been seen before.
create or replace function hp_private.doubt_window_s(heartbeat_interval_s double precision, lost_after_intervals double precision)
returns double precision
language sql immutable set search_path = ''
return greatest(
  lost_after_intervals * heartbeat_interval_s - greatest(heartbeat_interval_s, 10),
  least(2, lost_after_intervals - 1) * heartbeat_interval_s);

-- For how long the past excuses a resident's silence: its lease, or where that is shorter one interval and such a request.
create or replace function hp_private.patience(heartbeat_interval_s double precision, lost_after_intervals double precision)
returns interval
language sql immutable set search_path = ''
return make_interval(secs => greatest(lost_after_intervals * heartbeat_interval_s, heartbeat_interval_s + 10));

create or replace function hp_private.note_mass_silence(ticking_since timestamptz, impaired_since timestamptz, at timestamptz)
returns void
language plpgsql set search_path = ''
as $$
begin
  delete from hp_private.mass_silence m
  where m.seen_at + 2 * hp_private.patience(m.heartbeat_interval_s, m.lost_after_intervals) < at;

  if not exists (
    select from public.hp_worker_status w
    where w.kind = 'resident' and w.status not in ('unknown', 'stopped', 'crashed') and w.lost_after_intervals > 1
      and w.last_heartbeat <= at - make_interval(secs => least(2, w.lost_after_intervals - 1) * w.heartbeat_interval_s)
  ) then
    return;
  end if;

  with resident as materialized (
    select w.heartbeat_interval_s, w.lost_after_intervals, w.last_heartbeat,
      coalesce(greatest(w.paused_until, g.paused_until) > at, false) as paused, w.status = 'crashed' as given_up
    from public.hp_worker_status w left join public.hp_worker_group g on g.worker_type = w.worker_type
    where w.kind = 'resident' and (w.status not in ('unknown', 'stopped', 'crashed')
      or (w.status = 'crashed' and w.last_exit is null and w.status_since >= note_mass_silence.impaired_since))
  ),
  lease as (
    select r.heartbeat_interval_s, r.lost_after_intervals, min(r.last_heartbeat) as silent_since,
      hp_private.doubt_window_s(r.heartbeat_interval_s, r.lost_after_intervals) as window_s
    from resident r where not r.given_up group by r.heartbeat_interval_s, r.lost_after_intervals
  ),
  judged as (
    select l.heartbeat_interval_s, l.lost_after_intervals, l.window_s,
      sum(least(1, l.window_s / r.heartbeat_interval_s)) as expected,
      count(*) filter (where r.last_heartbeat > at - make_interval(secs => l.window_s)) as reporting
    from lease l join resident r on not r.paused
    where l.window_s > 0 and greatest(l.silent_since, note_mass_silence.ticking_since) <= at - make_interval(secs => l.window_s)
    group by l.heartbeat_interval_s, l.lost_after_intervals, l.window_s
  )
  insert into hp_private.mass_silence as m (heartbeat_interval_s, lost_after_intervals, seen_at, window_s, expected, reporting)
  select j.heartbeat_interval_s, j.lost_after_intervals, note_mass_silence.at, j.window_s, j.expected, j.reporting from judged j
  -- Two that fell silent may well be two that died.
  where j.expected >= 3 and j.reporting < j.expected / 2
  on conflict (heartbeat_interval_s, lost_after_intervals) do update
  set seen_at = excluded.seen_at, expected = excluded.expected, reporting = excluded.reporting;
end
$$;

-- The transition is a compare-and-swap on the lease, and passes over locked rows: those are being beaten at this moment.
create or replace function hp_private.mark_crashed(names text[], leases timestamptz[], deadlines timestamptz[], reasons text[])
returns text[]
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_names text[];
begin
  with silent as materialized (
    select w.worker_name, s.deadline, s.reason
    from unnest(names, leases, deadlines, reasons) s (worker_name, lease, deadline, reason)
    join public.hp_worker_status w on w.worker_name = s.worker_name and w.lease_expires_at = s.lease
    order by w.worker_name for no key update of w skip locked
  ),
  marked as (
    update public.hp_worker_status w set
      status = 'crashed', status_since = s.deadline, status_reason = s.reason,
      lease_expires_at = null, draining = false, jobs_active = 0, current_status = null, current_job_id = null,
      current_job_type = null, status_updated_at = s.deadline, activity_seen_at = clock_timestamp(), last_exit = null
    from silent s where w.worker_name = s.worker_name
    returning w.worker_name
  )
  select array_agg(m.worker_name order by m.worker_name) into v_names from marked m;
  return v_names;
end
$$;

-- Whose time has run out, and whether they are in doubt together: those in doubt wait, the others are named.
--
-- Silence counts from watching_since at the earliest, for what we did not watch is nobody's fault; a shorter gap of ours
-- forgives those to whom it was long. In doubt nobody is accused for three leases of their own, and those that fell silent together are given up together. A scheduled worker
-- is excused only if its time to be heard lay in what we missed: it has then until the time after.
--
-- note: one statement, left whole: each step of it needs the one before, and each has its name.
create or replace function hp_private.find_silent(
  monitor hp_private.monitor, tick_every interval, at timestamptz,
  out doubt_since timestamptz, out doubt_lasts boolean,
  out names text[], out leases timestamptz[], out deadlines timestamptz[], out reasons text[], out doubted text[]
)
language plpgsql stable set search_path = ''
as $$
begin
  with overdue as materialized (
    select w.worker_name, w.kind, w.status, w.last_heartbeat, w.lease_expires_at, w.heartbeat_interval_s, w.next_run_at,
      w.max_run_s, w.lost_after_intervals,
      case
        when w.kind = 'resident' then make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
        else greatest(w.lease_expires_at - w.last_heartbeat, '0')
      end as lease,
      case
        when w.kind = 'resident' then hp_private.patience(w.heartbeat_interval_s, w.lost_after_intervals)
        else greatest(w.lease_expires_at - w.last_heartbeat, '0')
      end as patience,
      case
        when w.kind = 'resident' then make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
        when w.status in ('idle', 'stopped', 'error') then make_interval(secs => w.grace_s)
        else make_interval(secs => w.max_run_s)
      end as leeway,
      -- The latest gap that may explain the silence.
      case
        when w.kind = 'resident' then '-infinity'
        when w.status in ('idle', 'stopped', 'error') then coalesce(w.next_run_at, w.last_heartbeat)
        else w.last_heartbeat
      end as due_at
    from public.hp_worker_status w
    where w.lease_expires_at <= find_silent.at
      and (w.status not in ('unknown', 'stopped', 'crashed') or (w.kind = 'scheduled' and w.status = 'stopped'))
  ),
  monitored as (
    select o.*, greatest(o.lease_expires_at,
      case when o.due_at <= monitor.ticking_since then monitor.ticking_since + o.patience end,
      case
        when o.due_at <= monitor.gap_ended_at and make_interval(secs => monitor.gap_s) >= o.leeway / 2
          then monitor.gap_ended_at + o.patience
      end) as deadline
    from overdue o
  ),
  excused as (
    select w.*, w.deadline + 3 * w.lease as latest, greatest(w.deadline,
      case
        when w.due_at <= monitor.watching_since then least(monitor.watching_since + w.patience, w.deadline + 3 * w.lease)
      end) as excused_until,
      make_interval(secs => hp_private.doubt_window_s(w.heartbeat_interval_s, w.lost_after_intervals)) as doubt_window,
      m.seen_at as doubted_at, coalesce(m.seen_at + w.patience > find_silent.at, false) as in_doubt
    from monitored w left join hp_private.mass_silence m
      on w.kind = 'resident' and m.heartbeat_interval_s = w.heartbeat_interval_s and m.lost_after_intervals = w.lost_after_intervals
  ),
  due as (
    select e.*,
      -- Where ticks are rare the fleet may be gone and half of it back between two: silent at both, then.
      e.kind = 'scheduled' or e.excused_until <= least(monitor.tick_at, find_silent.at - tick_every)
        or e.lease - e.doubt_window >= 1.5 * tick_every as certain
    from excused e where e.excused_until <= find_silent.at
  ),
  -- Last beats are staggered: the first of a doubt waits for those that fell silent together with it, an interval at most
  -- (or a request that hung), so that all are given up at once and nobody before its own three leases are over.
  spread as (
    select a.*,
      min(a.latest) filter (where a.in_doubt and a.latest <= find_silent.at) over alike as first_latest,
      min(a.latest) filter (where a.in_doubt and a.latest > find_silent.at) over alike as next_latest
    from due a window alike as (partition by a.kind, a.heartbeat_interval_s, a.lost_after_intervals)
  ),
  silent as materialized (
    select s.*, s.in_doubt and (s.latest > find_silent.at
      or coalesce(s.next_latest <= s.first_latest + (s.lease - s.doubt_window), false)) as held
    from spread s
  ),
  doubt as (
    select min(s.excused_until) filter (where s.held) as since,
      coalesce(bool_or(s.doubted_at = find_silent.at) filter (where s.held), false) as lasts
    from silent s
  ),
  accused as (
    select s.worker_name, s.lease_expires_at, s.excused_until, s.in_doubt,
      hp_private.silence_reason(s.kind, s.status, s.last_heartbeat, s.next_run_at,
        make_interval(secs => greatest(s.max_run_s, s.lost_after_intervals * s.heartbeat_interval_s)), s.excused_until) as reason
    from silent s cross join doubt d
    where s.certain and not s.held and not (
      s.kind = 'scheduled' and s.latest > find_silent.at and (d.since is not null or monitor.impaired_since is not null))
  )
  select d.since, d.lasts, array_agg(a.worker_name), array_agg(a.lease_expires_at), array_agg(a.excused_until),
    array_agg(a.reason), array_agg(a.worker_name) filter (where a.in_doubt)
  into doubt_since, doubt_lasts, names, leases, deadlines, reasons, doubted
  from doubt d left join accused a on true group by d.since, d.lasts;
end
$$;

-- Marks those that were found silent, with one event for all that were in doubt together; returns the names of the marked, and
-- of those in doubt among them.
create or replace function hp_private.give_up(
  names text[], leases timestamptz[], deadlines timestamptz[], reasons text[], doubted text[], at timestamptz,
  out crashed text[], out given_up text[]
)
language plpgsql set search_path = ''
as $$
declare
  v_event bigint;
begin
  crashed := hp_private.mark_crashed(names, leases, deadlines, reasons);
  select array_agg(n.name order by n.name) into given_up from unnest(doubted) n (name) where n.name = any (crashed);
  if given_up is null then
    return;
  end if;
  v_event := hp_private.monitor_event(at, 'impaired', 'lost',
    hp_private.monitor_reason('silent too long', workers => cardinality(given_up)),
    jsonb_build_object('workers', cardinality(given_up), 'names', to_jsonb(given_up[1:100])));
  -- So that whoever tells people of events can leave these to the one that speaks for all.
  update public.hp_worker_event e set details = e.details || jsonb_build_object('fleet_event', v_event)
  where e.worker_name = any (given_up) and e.type = 'status' and e.to_value = 'crashed' and e.recorded_at = now();
end
$$;

-- Marks those whose time has run out, and says whether the watch is in doubt: impaired_since and watching_since come back
-- as they are from now on.
create or replace function hp_private.judge_silence(
  monitor hp_private.monitor, silent boolean, tick_every interval, at timestamptz,
  out crashed text[], out impaired_since timestamptz, out watching_since timestamptz
)
language plpgsql set search_path = ''
as $$
declare
  v_found record;
  v_given_up text[];
begin
  impaired_since := monitor.impaired_since;
  watching_since := monitor.watching_since;
  if not silent and impaired_since is null then
    return;
  end if;
  perform hp_private.note_mass_silence(monitor.ticking_since, monitor.impaired_since, at);
  v_found := hp_private.find_silent(monitor, tick_every, at);

  if v_found.doubt_since is not null and impaired_since is null then
    impaired_since := v_found.doubt_since;
    perform hp_private.monitor_event(v_found.doubt_since, 'monitoring', 'impaired',
      hp_private.monitor_reason('mass silence', make_interval(secs => m.window_s), m.reporting, round(m.expected)::integer),
      jsonb_build_object('reporting', m.reporting, 'expected', round(m.expected), 'window_s', m.window_s))
    from hp_private.mass_silence m order by m.seen_at desc, m.window_s limit 1;
  end if;

  if v_found.names[1] is not null then
    select g.crashed, g.given_up into judge_silence.crashed, v_given_up
    from hp_private.give_up(v_found.names, v_found.leases, v_found.deadlines, v_found.reasons, v_found.doubted, at) g;
  end if;

  if impaired_since is not null and not v_found.doubt_lasts then
    perform hp_private.monitor_event(at, 'impaired', 'monitoring',
      hp_private.monitor_reason(case when v_given_up is null then 'reports again' else 'no doubt' end),
      jsonb_build_object('impaired_s', round(extract(epoch from at - impaired_since))));
    impaired_since := null;
    if v_given_up is null then
      watching_since := greatest(watching_since, (select max(m.seen_at) from hp_private.mass_silence m));
    end if;
  end if;
end
$$;

revoke all on function
  hp_private.doubt_window_s, hp_private.patience, hp_private.note_mass_silence, hp_private.mark_crashed,
  hp_private.find_silent, hp_private.give_up, hp_private.judge_silence
from public;

comment on function hp_private.doubt_window_s is 'Seconds within which the others should have reported before one with such a lease is marked as crashed.';
comment on function hp_private.patience is 'How long after an outage of ours a resident has to report again.';
comment on function hp_private.note_mass_silence is 'Records where much of the fleet has fallen silent together.';
comment on function hp_private.mark_crashed is 'Marks workers as crashed where their lease is still the one given; returns the names of those that were.';
comment on function hp_private.find_silent is 'Whose time has run out, and since when the monitor is in doubt, if it is.';
comment on function hp_private.give_up is 'Marks workers as crashed, and speaks for those that fell silent together in one event.';
comment on function hp_private.judge_silence is 'Marks those whose time has run out, and returns whether the monitor is in doubt.';
