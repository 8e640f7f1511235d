-- What changed: every transition of a worker or of the monitor leaves an event.

insert into public.hp_setting (key, value, description) values
  ('event_days', '90', 'Days for which events are kept.'),
  ('events_per_hour', '1000', 'Events that are kept of one worker an hour; what comes above that only shows in its row.')
on conflict (key) do nothing;

-- Append-only history of transitions. A row says what changed, when it counts from, and what was lost with it.
create table if not exists public.hp_worker_event (
  id bigint generated always as identity
    constraint hp_worker_event_pkey primary key,
  worker_name text
    constraint hp_worker_event_worker_name_check check (char_length(worker_name) <= 128),
  at timestamptz not null,
  recorded_at timestamptz not null default now(),
  type text not null
    constraint hp_worker_event_type_check check (type in ('status', 'breaker', 'instance', 'conflict', 'monitor')),
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

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_event;
create policy "only members, whatever else is allowed" on public.hp_worker_event as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_event from anon, authenticated, service_role;
grant select on table public.hp_worker_event to authenticated, service_role;
-- note: nobody may insert, update or delete; events are written by triggers and by the tick.

comment on table public.hp_worker_event is 'Transitions of workers, kept for as many days as the setting event_days says.';
comment on column public.hp_worker_event.id is 'Order of writing.';
comment on column public.hp_worker_event.worker_name is 'The worker; null for an event of the monitor. No foreign key: history outlives its worker.';
comment on column public.hp_worker_event.at is 'When it happened: for silence the deadline that passed, not the tick that saw it.';
comment on column public.hp_worker_event.recorded_at is 'When the row was written.';
comment on column public.hp_worker_event.type is 'What changed: status, breaker, instance, conflict (two live processes), monitor (its own outage).';
comment on column public.hp_worker_event.from_value is 'Value before.';
comment on column public.hp_worker_event.to_value is 'Value after.';
comment on column public.hp_worker_event.reason is 'The reason, as text.';
comment on column public.hp_worker_event.instance_id is 'The process concerned.';
comment on column public.hp_worker_event.epoch is 'Its epoch.';
comment on column public.hp_worker_event.details is 'What the row no longer shows: current_status, current_job_id, current_job_type, last_exit.';

-- The reasons of events that the tick finds out, as texts. What else an event gives as its reason came from the worker, from a
-- person, or stands in the trigger below.
create or replace function hp_private.silence_reason(
  kind text, status text, heard_at timestamptz, due_at timestamptz, longest_run interval, at timestamptz
) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when kind = 'resident' then 'no heartbeat for ' || hp_private.in_words(at - heard_at)
    when status in ('idle', 'stopped', 'error') and due_at is not null then format('overdue: due %s UTC, not begun %s later',
      to_char(due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), hp_private.in_words(at - due_at))
    else 'its run has lasted longer than ' || hp_private.in_words(longest_run)
  end;
end
$$;

-- workers: how many the event is about; of_workers: out of how many; lasting: how long the event's cause lasted.
create or replace function hp_private.monitor_reason(
  what text, lasting interval default null, workers integer default null, of_workers integer default null
) returns text
language sql immutable set search_path = ''
return case what
  when 'no tick' then 'the tick did not run'
  when 'tick again' then format('the tick runs again, after %s: silence counts from now', hp_private.in_words(lasting))
  when 'mass silence' then format('%s of %s workers reported within %s: the fault may be ours, so no worker is marked as crashed',
    workers, of_workers, hp_private.in_words(lasting))
  when 'silent too long' then case workers when 1 then 'one worker has been' else workers || ' workers have been' end
    || ' silent for three leases more: marked as crashed'
  when 'reports again' then 'workers report again'
  when 'no doubt' then 'no worker is in doubt any more'
end;

-- An event of the monitor belongs to no worker.
create or replace function hp_private.monitor_event(at timestamptz, from_value text, to_value text, reason text, details jsonb)
returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_id bigint;
begin
  insert into public.hp_worker_event (at, type, from_value, to_value, reason, details)
  values (monitor_event.at, 'monitor', monitor_event.from_value, monitor_event.to_value, monitor_event.reason, monitor_event.details)
  returning id into v_id;
  return v_id;
end
$$;

-- What failed in a part of the monitor, or of a call of workers, without stopping the rest: an event an hour for each part.
create or replace function hp_private.note_failure(part text, problem text, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  raise warning '% failed: %', part, problem;
  if not exists (
    select from public.hp_worker_event e
    where e.at > note_failure.at - interval '1 hour' and e.at <= note_failure.at and e.worker_name is null and e.type = 'monitor'
      and e.to_value = 'failed' and e.details ->> 'part' = part)
  then
    perform hp_private.monitor_event(at, null, 'failed', left(format('%s failed: %s', part, problem), 500),
      jsonb_build_object('part', part));
  end if;
end
$$;

-- paused marks events that alarms leave out. A worker whose every second run fails would otherwise fill the table: one error,
-- and one way out of it, a minute.
create or replace function hp_private.status_event(old public.hp_worker_status, new public.hp_worker_status, paused boolean)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_from constant text := coalesce(old.status, 'unknown');
begin
  if new.status = v_from
    or (v_from in ('idle', 'processing', 'running') and new.status in ('idle', 'processing', 'running'))
    or ('error' in (v_from, new.status) and new.status not in ('stopping', 'stopped', 'crashed') and exists (
      select from public.hp_worker_event e
      where e.worker_name = new.worker_name and e.at > new.status_since - interval '1 minute' and e.type = 'status'
        and (e.from_value = 'error') = (v_from = 'error') and (e.to_value = 'error') = (new.status = 'error')))
  then
    return;
  end if;
  insert into public.hp_worker_event (worker_name, at, type, from_value, to_value, reason, instance_id, epoch, details)
  values (new.worker_name, new.status_since, 'status', v_from, new.status,
    case when new.status = 'error' then coalesce(new.status_reason, left(new.last_error, 500)) else new.status_reason end,
    new.instance_id, new.epoch,
    jsonb_strip_nulls(jsonb_build_object(
      'current_status', old.current_status, 'current_job_id', old.current_job_id,
      'current_job_type', old.current_job_type, 'paused', paused,
      'last_exit', case when new.status in ('stopped', 'crashed') then new.last_exit end)));
end
$$;

create or replace function hp_private.tg_hp_worker_status__event() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.hp_worker_status;
  v_breaker_before text;
  v_paused boolean;
begin
  if tg_op = 'UPDATE' then
    v_old := old;
  end if;
  if new.status in ('stopped', 'crashed') then
    perform hp_private.release_leases_of(new.worker_name, new.instance_id);
  end if;

  -- A worker has a few in an hour, one that crashes over and over some hundred; whoever stole its token might write millions.
  -- note: counted only for one whose last transition was within the minute, for a tick may find ten thousand silent at once;
  -- and in an if of its own, for a condition with a query in it costs the same whether or not that is run.
  if v_old.transitioned_at > now() - interval '1 minute' then
    if coalesce(hp_private.setting('events_per_hour'), 1000) <= (
      select count(*) from public.hp_worker_event e
      where e.worker_name = new.worker_name and e.at > now() - interval '1 hour')
    then
      return null;
    end if;
  end if;

  if new.paused_until > now() or exists (
    select from public.hp_worker_group g where g.worker_type = new.worker_type and g.paused_until > now())
  then
    v_paused := true;
  end if;

  if new.instance_id is distinct from v_old.instance_id then
    insert into public.hp_worker_event (worker_name, at, type, from_value, to_value, reason, instance_id, epoch)
    values (new.worker_name, now(), 'instance', v_old.instance_id, new.instance_id,
      case when v_old.epoch > new.epoch then 'the newer process ended' end, new.instance_id, new.epoch);
  end if;

  perform hp_private.status_event(v_old, new, v_paused);

  v_breaker_before := coalesce(v_old.circuit_breaker_state, 'closed');
  if new.circuit_breaker_state <> v_breaker_before then
    insert into public.hp_worker_event (worker_name, at, type, from_value, to_value, reason, instance_id, epoch, details)
    values (new.worker_name,
      -- Reported more than an hour late, it counts from an hour ago: else late reports would be without a limit.
      greatest(coalesce(case when new.circuit_breaker_state = 'open' then new.circuit_breaker_opened_at end, now()),
        now() - interval '59 minutes'),
      'breaker', v_breaker_before, new.circuit_breaker_state, new.circuit_breaker_reason, new.instance_id, new.epoch,
      jsonb_strip_nulls(jsonb_build_object(
        'failures', new.circuit_breaker_failures, 'threshold', new.circuit_breaker_threshold, 'paused', v_paused)));
  end if;

  if (new.name_conflict_since is null) is distinct from (v_old.name_conflict_since is null) then
    insert into public.hp_worker_event (worker_name, at, type, to_value, reason, instance_id, epoch)
    values (new.worker_name, now(), 'conflict', case when new.name_conflict_since is null then 'ended' else 'began' end,
      case when new.name_conflict_since is not null then 'two live processes report under this name' end,
      new.instance_id, new.epoch);
  end if;
  return null;
end
$$;

create or replace trigger _500_event after update on public.hp_worker_status
  for each row when (old.transitioned_at is distinct from new.transitioned_at)
  execute function hp_private.tg_hp_worker_status__event();
create or replace trigger _500_first_event after insert on public.hp_worker_status
  for each row when (new.status <> 'unknown')
  execute function hp_private.tg_hp_worker_status__event();

-- What happened to a worker, the latest first, and what happened to the monitor: a gap of its own explains why there are no
-- other events of that time.
create or replace function public.hp_worker_events(
  worker_name text, before timestamptz default null, before_id bigint default null, kinds text[] default null,
  max_count integer default 50
) returns setof public.hp_worker_event
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant integer := least(greatest(coalesce(max_count, 50), 1), 200);
begin
  perform hp_private.require_member();
  return query
    select found.* from (
      (select e.* from public.hp_worker_event e
        where e.worker_name = hp_worker_events.worker_name
          and (before is null or (e.at, e.id) < (before, coalesce(before_id, 0)))
          and (kinds is null or e.type = any (kinds))
        order by e.at desc, e.id desc limit v_most)
      union all
      (select e.* from public.hp_worker_event e
        where e.worker_name is null
          and (before is null or (e.at, e.id) < (before, coalesce(before_id, 0)))
          and (kinds is null or e.type = any (kinds))
        order by e.at desc, e.id desc limit v_most)
    ) found
    order by found.at desc, found.id desc limit v_most;
end
$$;

revoke all on function
  hp_private.note_failure, hp_private.silence_reason, hp_private.monitor_reason, hp_private.monitor_event,
  hp_private.status_event, hp_private.tg_hp_worker_status__event
from public;
revoke all on function public.hp_worker_events from public, anon, authenticated, service_role;
grant execute on function public.hp_worker_events to authenticated, service_role;

comment on function hp_private.silence_reason is 'Why a worker is marked as crashed, as text.';
comment on function hp_private.monitor_reason is 'Why the state of the monitor changed, as text.';
comment on function hp_private.note_failure is 'Records that a part of the monitor failed, once an hour.';
comment on function hp_private.monitor_event is 'Writes an event of the monitor; returns its id.';
comment on function hp_private.status_event is 'Writes the event of a changed status, where it is one.';
comment on function hp_private.tg_hp_worker_status__event is 'Writes the events of a transition.';
comment on function public.hp_worker_events is 'Events of a worker and of the monitor, the latest first; before and before_id continue after the last one read. Errors: PT403 not a member.';
