-- When much of the fleet falls silent together the fault is more likely ours, or the network's, than everybody's. So before
-- a worker is accused, the others are asked for: of those that should have been heard within all of its lease but one
-- interval, was at least half? (Leases that are jittered end spread over an interval: asking whether half have *ended*
-- accuses 40 % of a fleet before it trips.)
--
-- A doubt is remembered for a lease: once the network is back, half of the fleet is heard again before the other half has
-- had its turn. (docs/decisions/0005-a-doubt-is-remembered.md)

create table if not exists hp_private.mass_silence (
  heartbeat_interval_s double precision,
  lost_after_intervals double precision,
  seen_at timestamptz not null,
  window_s double precision not null,
  expected double precision not null,
  heard integer not null,
  constraint mass_silence_pkey primary key (heartbeat_interval_s, lost_after_intervals)
);

alter table hp_private.mass_silence enable row level security;
revoke all on table hp_private.mass_silence from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the tick uses it.

comment on table hp_private.mass_silence is 'Workers of a like lease of which none is accused, for less than half of all that should have been heard were.';
comment on column hp_private.mass_silence.heartbeat_interval_s is 'Their interval.';
comment on column hp_private.mass_silence.lost_after_intervals is 'Their lease in intervals.';
comment on column hp_private.mass_silence.seen_at is 'The last tick that found it so.';
comment on column hp_private.mass_silence.window_s is 'Seconds within which the others should have been heard.';
comment on column hp_private.mass_silence.expected is 'How many should have been.';
comment on column hp_private.mass_silence.heard is 'How many were.';

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

-- Asks for each kind of lease of which a resident is silent, as far as we watched all of its window: on most ticks there is
-- none. Who is paused may be silent, and says nothing about the watch. Who was given up in the doubt that lasts is asked for
-- still: that the fleet is smaller does not mean that it was heard.
drop function if exists hp_private.note_mass_silence(timestamptz, timestamptz);
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
      count(*) filter (where r.last_heartbeat > at - make_interval(secs => l.window_s)) as heard
    from lease l join resident r on not r.paused
    where l.window_s > 0 and greatest(l.silent_since, note_mass_silence.ticking_since) <= at - make_interval(secs => l.window_s)
    group by l.heartbeat_interval_s, l.lost_after_intervals, l.window_s
  )
  insert into hp_private.mass_silence as m (heartbeat_interval_s, lost_after_intervals, seen_at, window_s, expected, heard)
  select j.heartbeat_interval_s, j.lost_after_intervals, note_mass_silence.at, j.window_s, j.expected, j.heard from judged j
  -- Two that fell silent may well be two that died.
  where j.expected >= 3 and j.heard < j.expected / 2
  on conflict (heartbeat_interval_s, lost_after_intervals) do update
  set seen_at = excluded.seen_at, expected = excluded.expected, heard = excluded.heard;
end
$$;

revoke all on function hp_private.doubt_window_s(double precision, double precision) from public;
revoke all on function hp_private.patience(double precision, double precision) from public;
revoke all on function hp_private.note_mass_silence(timestamptz, timestamptz, timestamptz) from public;

comment on function hp_private.doubt_window_s(double precision, double precision) is 'Seconds within which the others should have been heard before one with such a lease is accused.';
comment on function hp_private.patience(double precision, double precision) is 'How long after an outage of ours a resident has to be heard again.';
comment on function hp_private.note_mass_silence(timestamptz, timestamptz, timestamptz) is 'Records where much of the fleet has fallen silent together.';
