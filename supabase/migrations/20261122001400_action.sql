-- What operators do about a worker without asking it: pause it, or its whole group, until a time, end that, and mark a trouble
-- as seen. Each is done by the database at once, and written down with the commands (hp_worker_command).
--
-- A paused worker is inactive and out of every count; its transitions are recorded, and marked so that alarms leave them
-- out. A pause ends by itself: every reader compares paused_until with the time.

-- The record of what was done.
create or replace function hp_private.record_done(
  worker_name text, worker_type text, command text, args jsonb, reason text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_as constant text := hp_private.caller_role();
  v_command public.hp_worker_command;
begin
  insert into public.hp_worker_command (
    worker_name, worker_type, command, args, reason, state, requested_by, requested_as, finished_at)
  values (record_done.worker_name, record_done.worker_type, record_done.command, record_done.args,
    nullif(btrim(record_done.reason), ''), 'done', hp_private.caller_id(), v_as, now())
  returning * into v_command;
  return hp_private.command_state(v_command, v_as);
end
$$;

-- Until when a worker or a group is paused, and whether there is one of that name. Locks the worker.
create or replace function hp_private.find_pause(
  worker_name text, worker_type text, out known boolean, out paused_until timestamptz
)
language plpgsql set search_path = ''
as $$
begin
  if find_pause.worker_name is not null then
    select true, w.paused_until into find_pause.known, find_pause.paused_until from public.hp_worker_status w
    where w.worker_name = find_pause.worker_name for no key update;
  else
    select true, g.paused_until into find_pause.known, find_pause.paused_until
    from (select) one left join public.hp_worker_group g on g.worker_type = find_pause.worker_type
    where g.worker_type is not null
      -- note: '' is no group.
      or exists (select from public.hp_worker_status w where w.worker_type = nullif(find_pause.worker_type, ''));
  end if;
end
$$;

-- pause, and unpause where until is null. Exactly one of worker_name and worker_type.
create or replace function hp_private.set_pause(
  command text, worker_name text, worker_type text, until timestamptz, reason text
) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_args constant jsonb := case when command = 'pause' then jsonb_strip_nulls(jsonb_build_object('until', until)) else '{}' end;
  v_reason constant text := nullif(btrim(set_pause.reason), '');
  v_pause record;
  v_status integer := 400;
  v_problem text;
begin
  if not hp_private.may_operate() then
    v_status := 403;
    v_problem := format('only an operator or an owner may %s workers', command);
  elsif (set_pause.worker_name is null) = (set_pause.worker_type is null) then
    v_problem := 'name a worker_name or a worker_type, one of the two';
  elsif command = 'pause' and (until is null or until <= now()) then
    v_problem := format('until is %s; it must be a time to come', coalesce(until::text, 'missing'));
  else
    v_problem := hp_private.reason_problem(set_pause.reason, command = 'pause');
  end if;

  if v_problem is null then
    v_pause := hp_private.find_pause(set_pause.worker_name, set_pause.worker_type);
    if v_pause.known is null then
      v_status := 404;
      v_problem := format('there is no %s', left(coalesce('worker named ' || set_pause.worker_name, 'group named ' || set_pause.worker_type), 150));
    elsif command = 'unpause' and coalesce(v_pause.paused_until, '-infinity') <= now() then
      v_status := 409;
      v_problem := 'it is not paused';
    end if;
  end if;

  if v_problem is not null then
    return hp_private.refuse_command(set_pause.worker_name, set_pause.worker_type, null, command, v_args, set_pause.reason,
      v_status, v_problem);
  end if;

  if set_pause.worker_name is not null then
    update public.hp_worker_status w set paused_until = until, paused_reason = case when until is not null then v_reason end
    where w.worker_name = set_pause.worker_name;
    perform hp_private.send_edit(set_pause.worker_name, v_began);
  else
    insert into public.hp_worker_group as g (worker_type, paused_until, paused_reason)
    values (set_pause.worker_type, until, v_reason)
    on conflict on constraint hp_worker_group_pkey do update
    set paused_until = excluded.paused_until, paused_reason = case when until is not null then excluded.paused_reason end;
  end if;
  return hp_private.record_done(set_pause.worker_name, set_pause.worker_type, command, v_args, v_reason);
end
$$;

create or replace function public.hp_pause(
  worker_name text default null, worker_type text default null, until timestamptz default null, reason text default null
) returns jsonb
language sql security definer set search_path = ''
return hp_private.set_pause('pause', hp_pause.worker_name, hp_pause.worker_type, hp_pause.until, hp_pause.reason);

create or replace function public.hp_unpause(
  worker_name text default null, worker_type text default null, reason text default null
) returns jsonb
language sql security definer set search_path = ''
return hp_private.set_pause('unpause', hp_unpause.worker_name, hp_unpause.worker_type, null, hp_unpause.reason);

-- An operator who looks after a trouble marks it, and the banner leaves it out until something changes: the revision's trigger
-- forgets it with the worker's next transition, and the tick once the worker is well, for a trouble that is no transition
-- (a run with errors, one that is late) would hide the next one of its kind.
create or replace function hp_private.forget_seen(at timestamptz) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
begin
  with over as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.seen_at is not null and (select h.level from public.hp_worker_health(w, forget_seen.at) h) = 'healthy'
    order by w.worker_name for no key update of w skip locked
  )
  update public.hp_worker_status w set seen_at = null, seen_by = null from over o where w.worker_name = o.worker_name;
end
$$;

create or replace function public.hp_mark_seen(worker_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_worker public.hp_worker_status;
  v_status integer := 400;
  v_problem text := hp_private.reason_problem(hp_mark_seen.reason, false);
begin
  if not hp_private.may_operate() then
    v_status := 403;
    v_problem := 'only an operator or an owner may mark a trouble as seen';
  elsif v_problem is null then
    select * into v_worker from public.hp_worker_status w where w.worker_name = hp_mark_seen.worker_name for no key update;
    if not found then
      v_status := 404;
      v_problem := format('there is no worker named %s', left(coalesce(hp_mark_seen.worker_name, 'null'), 128));
    elsif (select h.level from public.hp_worker_health(v_worker) h) not in ('critical', 'warning') then
      v_status := 409;
      v_problem := 'it has no trouble to be seen';
    end if;
  end if;
  if v_problem is not null then
    return hp_private.refuse_command(hp_mark_seen.worker_name, null, null, 'seen', '{}', hp_mark_seen.reason, v_status, v_problem);
  end if;

  update public.hp_worker_status w set seen_at = now(), seen_by = hp_private.caller_id()
  where w.worker_name = hp_mark_seen.worker_name;
  perform hp_private.send_edit(hp_mark_seen.worker_name, v_began);
  return hp_private.record_done(hp_mark_seen.worker_name, null, 'seen', '{}', hp_mark_seen.reason);
end
$$;

-- Marks a worker as stopped by hand: for a script that takes a process down, or an operator who knows that it is gone.
-- Should the process live after all, its next beat brings the worker back.
create or replace function public.hp_stop_worker(worker_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_worker public.hp_worker_status;
begin
  perform hp_private.require_operator('stop a worker');
  if char_length(hp_stop_worker.reason) > 500 then
    raise exception 'reason is % characters long; at most 500', char_length(hp_stop_worker.reason)
      using errcode = 'PT400';
  end if;

  update public.hp_worker_status w set
    status = 'stopped', status_since = case when w.status = 'stopped' then w.status_since else now() end,
    status_reason = coalesce(hp_stop_worker.reason, 'marked as stopped'),
    lease_expires_at = null, jobs_active = 0, current_status = null, current_job_id = null, current_job_type = null,
    last_exit = null, status_updated_at = now(), activity_seen_at = clock_timestamp()
  where w.worker_name = hp_stop_worker.worker_name
  returning * into v_worker;
  if not found then
    raise exception 'there is no worker named %', hp_stop_worker.worker_name using errcode = 'PT404';
  end if;

  perform hp_private.send_edit(v_worker.worker_name, v_began);
  return jsonb_build_object('worker_name', v_worker.worker_name, 'status', v_worker.status,
    'status_since', v_worker.status_since);
end
$$;

revoke all on function hp_private.record_done, hp_private.find_pause, hp_private.set_pause, hp_private.forget_seen from public;
revoke all on function
  public.hp_pause, public.hp_unpause, public.hp_mark_seen, public.hp_stop_worker
from public, anon, authenticated, service_role;
grant execute on function
  public.hp_pause, public.hp_unpause, public.hp_mark_seen, public.hp_stop_worker
to authenticated, service_role;

comment on function hp_private.record_done is 'Writes down what the database has done for somebody; returns it as a command.';
comment on function hp_private.find_pause is 'Until when a worker or a group is paused; known: whether there is such a one.';
comment on function hp_private.set_pause is 'hp_pause and hp_unpause.';
comment on function public.hp_pause is 'Pauses a worker or a group until a time, for a reason. Returns the record. Refusals by response.status: 400, 403 not an operator, 404.';
comment on function public.hp_unpause is 'Ends a pause. Refusals by response.status: 400, 403 not an operator, 404, 409 not paused.';
comment on function hp_private.forget_seen is 'Forgets the marks of workers that are well again.';
comment on function public.hp_mark_seen is 'Marks a worker''s trouble as seen, until its next transition. Refusals by response.status: 400, 403 not an operator, 404, 409 no trouble.';
comment on function public.hp_stop_worker is 'Marks a worker as stopped. Errors: PT400 reason too long, PT403 not an operator, PT404 no such worker.';
