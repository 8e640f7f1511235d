-- The monitor's own state: one row. Kept apart from hp_setting because it changes every few seconds.
create table if not exists hp_private.monitor (
  id boolean not null default true
    constraint monitor_pkey primary key
    constraint monitor_id_check check (id),
  generation uuid not null default gen_random_uuid(),
  tick_at timestamptz,
  overdue_after interval not null default '10 seconds',
  ticking_since timestamptz not null default now(),
  watching_since timestamptz not null default now(),
  gap_ended_at timestamptz,
  gap_s double precision,
  impaired_since timestamptz,
  digest_at timestamptz,
  viewed_until timestamptz,
  followed_until timestamptz,
  logs_pruned_at timestamptz,
  live_workers integer not null default 0,
  stretch double precision not null default 1
    constraint monitor_stretch_check check (stretch >= 1 and stretch < 'infinity'),
  activity_every_s double precision not null default 1
    constraint monitor_activity_every_s_check check (activity_every_s >= 1 and activity_every_s < 'infinity'),
  pruned_at timestamptz
) with (fillfactor = 50);

insert into hp_private.monitor default values on conflict do nothing;

alter table hp_private.monitor enable row level security;

drop policy if exists "members see the state of the monitor" on hp_private.monitor;
create policy "members see the state of the monitor" on hp_private.monitor
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table hp_private.monitor from public, anon, authenticated, service_role;
grant select on table hp_private.monitor to authenticated, service_role;

comment on table hp_private.monitor is 'State of the monitor, one row.';
comment on column hp_private.monitor.id is 'Always true: there is one row.';
comment on column hp_private.monitor.generation is 'Identity of this database; a viewer that meets another one starts afresh.';
comment on column hp_private.monitor.tick_at is 'When the tick last ran.';
comment on column hp_private.monitor.overdue_after is 'How long after it beats and open pages run the next one, where nobody else has: as of its settings.';
comment on column hp_private.monitor.ticking_since is 'Since when the tick has run without a gap.';
comment on column hp_private.monitor.watching_since is 'Since then, or since the fleet reported again after it fell silent together; workers are not blamed for silence before it.';
comment on column hp_private.monitor.gap_ended_at is 'When the tick last came late, by more than three of its periods.';
comment on column hp_private.monitor.gap_s is 'Seconds for which it had not run then.';
comment on column hp_private.monitor.impaired_since is 'Since when no worker is marked as crashed because the monitor itself is in doubt; null normally.';
comment on column hp_private.monitor.digest_at is 'When the last digest was sent.';
comment on column hp_private.monitor.viewed_until is 'Until when there is a viewer: an open page.';
comment on column hp_private.monitor.followed_until is 'Until when a viewer follows any one worker (hp_watch_worker).';
comment on column hp_private.monitor.logs_pruned_at is 'When old lines of logs were last removed.';
comment on column hp_private.monitor.live_workers is 'Workers with a valid lease at the last tick that have to beat.';
comment on column hp_private.monitor.stretch is 'By how much the intervals of all workers are stretched, so that the fleet stays below beats_per_second; 1: not.';
comment on column hp_private.monitor.activity_every_s is 'Seconds between two beats with which a worker may report changed activity, so that these stay below it too.';
comment on column hp_private.monitor.pruned_at is 'When old events and instances were last removed.';

insert into public.hp_setting (key, value, description) values
  ('tick_every_s', '5', 'Seconds between two ticks; whoever schedules hp_tick() sets it to its own period.'),
  ('viewer_lasts_s', '150', 'Seconds for which one call of hp_watch() keeps messages coming.')
on conflict (key) do nothing;
