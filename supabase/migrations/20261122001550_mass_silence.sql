-- When much of the fleet falls silent together the fault is more likely ours, or the network's, than everybody's. So before
-- a worker is accused, the others are asked for: of those that should have been heard within all of its lease but one
-- interval, was at least half? (Leases that are jittered end spread over an interval: asking whether half have *ended*
-- accuses 40 % of a fleet before it trips.)
--
-- A doubt is remembered for a lease: once the network is back, half of the fleet is heard again before the other half has
-- had its turn. (docs/decisions/0005-doubt-is-remembered.md)

create table if not exists hp_private.mass_silence (
  window_s double precision
    constraint mass_silence_pkey primary key,
  seen_at timestamptz not null,
  expected double precision not null,
  heard integer not null
);

alter table hp_private.mass_silence enable row level security;
revoke all on table hp_private.mass_silence from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the tick uses it.

comment on table hp_private.mass_silence is 'Where less than half of what should have been heard was heard, not long ago.';
comment on column hp_private.mass_silence.window_s is 'Within so many seconds: the lease of the workers in doubt, less one interval.';
comment on column hp_private.mass_silence.seen_at is 'The last tick that found it so.';
comment on column hp_private.mass_silence.expected is 'How many workers should have been heard.';
comment on column hp_private.mass_silence.heard is 'How many were.';

-- For how long the past excuses a resident's silence: its lease, or where that is shorter one interval and a request that
-- hung for as long as the heartbeat module lets it.
create or replace function hp_private.patience(lost_after_intervals double precision, heartbeat_interval_s double precision)
returns interval
language sql immutable set search_path = ''
return make_interval(secs => greatest(lost_after_intervals * heartbeat_interval_s, heartbeat_interval_s + 10));

-- Asks for each window in which a resident has been silent, as far as we watched it whole: on most ticks there is none.
-- Who is paused may be silent, and says nothing about the watch.
create or replace function hp_private.note_mass_silence(ticking_since timestamptz, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_windows double precision[];
begin
  select array_agg(distinct (w.lost_after_intervals - 1) * w.heartbeat_interval_s) into v_windows
  from public.hp_worker_status w
  where w.kind = 'resident' and w.status not in ('unknown', 'stopped', 'crashed') and w.lost_after_intervals > 1
    and note_mass_silence.ticking_since <= at - make_interval(secs => (w.lost_after_intervals - 1) * w.heartbeat_interval_s)
    and w.last_heartbeat <= at - make_interval(secs => (w.lost_after_intervals - 1) * w.heartbeat_interval_s);

  delete from hp_private.mass_silence m
  where m.seen_at + make_interval(secs => 3600 + 3 * m.window_s) < at;
  if v_windows is null then
    return;
  end if;

  with resident as materialized (
    select w.heartbeat_interval_s, w.last_heartbeat
    from public.hp_worker_status w left join public.hp_worker_group g on g.worker_type = w.worker_type
    where w.kind = 'resident' and w.status not in ('unknown', 'stopped', 'crashed')
      and not coalesce(greatest(w.paused_until, g.paused_until) > at, false)
  ),
  judged as (
    select d.window_s, sum(least(1, d.window_s / r.heartbeat_interval_s)) as expected,
      count(*) filter (where r.last_heartbeat > at - make_interval(secs => d.window_s)) as heard
    from unnest(v_windows) d (window_s) cross join resident r
    group by d.window_s
  )
  insert into hp_private.mass_silence as m (window_s, seen_at, expected, heard)
  select j.window_s, note_mass_silence.at, j.expected, j.heard from judged j
  -- Two that fell silent may well be two that died.
  where j.expected >= 3 and j.heard < j.expected / 2
  on conflict (window_s) do update
  set seen_at = excluded.seen_at, expected = excluded.expected, heard = excluded.heard;
end
$$;

revoke all on function hp_private.patience(double precision, double precision) from public;
revoke all on function hp_private.note_mass_silence(timestamptz, timestamptz) from public;

comment on function hp_private.patience(double precision, double precision) is 'How long after an outage of ours a resident has to be heard again.';
comment on function hp_private.note_mass_silence(timestamptz, timestamptz) is 'Records where much of the fleet has fallen silent together.';
