-- Append-only history of transitions. A row says what changed, when it counts from, and what was lost with it.
create table if not exists public.hp_worker_event (
  id bigint generated always as identity
    constraint hp_worker_event_pkey primary key,
  worker_name text
    constraint hp_worker_event_worker_name_check check (char_length(worker_name) <= 128),
  at timestamptz not null,
  recorded_at timestamptz not null default now(),
  type text not null
    constraint hp_worker_event_type_check check (type in ('status', 'breaker', 'instance', 'conflict', 'watch')),
  from_value text,
  to_value text,
  reason text,
  instance_id uuid,
  epoch bigint,
  details jsonb not null default '{}'
);

create index if not exists hp_worker_event_worker_name_at_idx on public.hp_worker_event (worker_name, at desc);
create index if not exists hp_worker_event_at_idx on public.hp_worker_event (at desc);

alter table public.hp_worker_event enable row level security;

drop policy if exists "members read every event" on public.hp_worker_event;
create policy "members read every event" on public.hp_worker_event
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_worker_event from anon, authenticated, service_role;
grant select on table public.hp_worker_event to authenticated, service_role;
-- note: nobody may insert, update or delete; events are written by triggers and by the tick.

comment on table public.hp_worker_event is 'Transitions of workers, kept for as many days as the setting event_days says.';
comment on column public.hp_worker_event.id is 'Order of writing.';
comment on column public.hp_worker_event.worker_name is 'The worker; null for an event of the whole watch. No foreign key: history outlives its worker.';
comment on column public.hp_worker_event.at is 'When it happened: for silence the deadline that passed, not the tick that saw it.';
comment on column public.hp_worker_event.recorded_at is 'When the row was written.';
comment on column public.hp_worker_event.type is 'What changed: status, breaker, instance, conflict (two live processes), watch (our own outage).';
comment on column public.hp_worker_event.from_value is 'Value before.';
comment on column public.hp_worker_event.to_value is 'Value after.';
comment on column public.hp_worker_event.reason is 'Why, in words.';
comment on column public.hp_worker_event.instance_id is 'The process concerned.';
comment on column public.hp_worker_event.epoch is 'Its epoch.';
comment on column public.hp_worker_event.details is 'What the row no longer shows: current_status, current_job_id, current_job_type, last_exit.';
