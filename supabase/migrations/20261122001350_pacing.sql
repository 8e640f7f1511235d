-- How often workers may beat. A worker is answered the interval that people set for it, else for its group, else that it
-- asked for; times the stretch of the pulse, by which the tick keeps the whole fleet under the setting beats_per_second.

-- The stretch in steps of a quarter to an eighth. Every change of it is a new interval, and with it a new revision, for each
-- worker: a fleet that gains or loses a few must not be told anew each time. So it grows when it must, and shrinks only
-- when a tenth to spare is left in a smaller step.
create or replace function hp_private.stretch_step(needed double precision, present double precision) returns double precision
language plpgsql immutable set search_path = ''
as $$
declare
  v_needed double precision := greatest(1, case when needed <= present then least(present, needed * 1.1) else needed end);
  v_step double precision := power(2, floor(ln(v_needed) / ln(2::double precision))) / 4;
begin
  return ceil(v_needed / v_step) * v_step;
end
$$;

-- What the tick stores in the pulse. The load is that of the intervals before any stretch, so that a stretch does not
-- change what it is worked out from. Workers wait 0.9 to 1.0 of their interval, hence 0.95. A beat of changed activity takes
-- the place of the next plain one, so activity may have what the plain beats leave over.
create or replace function hp_private.pace_fleet(
  present double precision, at timestamptz,
  out live_workers integer, out stretch double precision, out activity_every_s double precision
)
language plpgsql stable set search_path = ''
as $$
declare
  v_most double precision := coalesce(nullif(hp_private.setting('beats_per_second'), 0), 200);
  v_load double precision;
begin
  select count(*),
    coalesce(sum(1 / coalesce(w.interval_override_s, g.heartbeat_interval_s, w.requested_interval_s, w.heartbeat_interval_s)), 0) / 0.95
  into pace_fleet.live_workers, v_load
  from public.hp_worker_status w left join public.hp_worker_group g on g.worker_type = w.worker_type
  -- Not by its lease: a fleet that an outage cut off comes back with the pace that it had.
  where w.lease_expires_at is not null and w.status not in ('unknown', 'stopped', 'crashed')
    -- Between its runs a scheduled worker has no need to beat.
    and not (w.kind = 'scheduled' and w.status in ('idle', 'stopped'));

  pace_fleet.stretch := hp_private.stretch_step(v_load / v_most, coalesce(present, 1));
  pace_fleet.activity_every_s := least(3600, greatest(1,
    pace_fleet.live_workers / greatest(v_most - v_load / pace_fleet.stretch, v_most / 100)));
end
$$;

revoke all on function hp_private.stretch_step(double precision, double precision) from public;
revoke all on function hp_private.pace_fleet(double precision, timestamptz) from public;

comment on function hp_private.stretch_step(double precision, double precision) is 'By how much to stretch intervals where so much is needed and so much is in force.';
comment on function hp_private.pace_fleet(double precision, timestamptz) is 'How many workers beat, by how much their intervals are to be stretched, and how often one may report changed activity.';
