-- What people ask of workers, who asked, and what came of it: the commands on their way, and the audit log. Also what
-- people do by the database alone (a pause, its end, a trouble seen) and what was refused to them.
--
-- A command is for one process. A new process of the same worker never gets what the old one was asked: a restart that
-- followed a worker from process to process would never end.
create table if not exists public.hp_worker_command (
  id bigint generated always as identity
    constraint hp_worker_command_pkey primary key,
  worker_name text
    constraint hp_worker_command_worker_name_check check (char_length(worker_name) <= 128),
  worker_type text
    constraint hp_worker_command_worker_type_check check (char_length(worker_type) <= 128),
  instance_id uuid,
  command text not null
    constraint hp_worker_command_command_check check (
      command in ('restart', 'stop', 'drain', 'resume', 'breaker_reset', 'breaker_trip', 'beat', 'log_level',
        'pause', 'unpause', 'seen')
      or (state = 'refused' and char_length(command) <= 64)),
  args jsonb not null default '{}'
    constraint hp_worker_command_args_check check (pg_column_size(args) <= 2048),
  reason text
    constraint hp_worker_command_reason_check check (
      char_length(reason) <= 500
      and (coalesce(reason, '') <> '' or command in ('unpause', 'seen') or state = 'refused')),
  state text not null
    constraint hp_worker_command_state_check check (
      state in ('requested', 'delivered', 'acknowledged', 'done', 'failed', 'expired', 'refused')),
  requested_by uuid,
  requested_as text not null
    constraint hp_worker_command_requested_as_check check (
      requested_as in ('owner', 'operator', 'viewer', 'stranger', 'secret key')),
  requested_at timestamptz not null default now(),
  delivered_at timestamptz,
  acknowledged_at timestamptz,
  instance_ended_at timestamptz,
  new_instance_id uuid,
  finished_at timestamptz,
  expires_at timestamptz,
  message text
    constraint hp_worker_command_message_check check (char_length(message) <= 500),
  tries integer not null default 1
    constraint hp_worker_command_tries_check check (tries >= 1)
);

create index if not exists hp_worker_command_worker_name_idx on public.hp_worker_command (worker_name, id desc);
create index if not exists hp_worker_command_worker_type_idx on public.hp_worker_command (worker_type, id desc)
  where worker_name is null;
create index if not exists hp_worker_command_open_idx on public.hp_worker_command (worker_name, instance_id)
  where state in ('requested', 'delivered', 'acknowledged');
-- What was refused to somebody lately, so that a flood of tries is counted rather than kept.
create index if not exists hp_worker_command_refused_idx on public.hp_worker_command (requested_by, requested_at desc)
  where state = 'refused';

alter table public.hp_worker_command enable row level security;

drop policy if exists "members read every command" on public.hp_worker_command;
create policy "members read every command" on public.hp_worker_command
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_worker_command from anon, authenticated, service_role;
-- note: not requested_by: hp_worker_commands() says who it was as far as the reader may know.
grant select (
    id, worker_name, worker_type, instance_id, command, args, reason, state, requested_as, requested_at, delivered_at,
    acknowledged_at, instance_ended_at, new_instance_id, finished_at, expires_at, message, tries
  ) on table public.hp_worker_command to authenticated;
grant select on table public.hp_worker_command to service_role;
-- note: nobody may insert, update or delete; what is written here was asked for through a function that looks who asks.

comment on table public.hp_worker_command is 'What people asked of workers, and what came of it; kept for as many days as the setting command_days says.';
comment on column public.hp_worker_command.id is 'Order of asking.';
comment on column public.hp_worker_command.worker_name is 'The worker; null for what was done to a group. No foreign key: the log outlives its worker.';
comment on column public.hp_worker_command.worker_type is 'The group, where it was done to one.';
comment on column public.hp_worker_command.instance_id is 'The process that it is for, and no other.';
comment on column public.hp_worker_command.command is 'What was asked. pause, unpause and seen are done by the database itself.';
comment on column public.hp_worker_command.args is 'Its arguments: {"level"} of log_level, {"until"} of pause.';
comment on column public.hp_worker_command.reason is 'Why, in the words of who asked.';
comment on column public.hp_worker_command.state is 'requested: waits for a beat. delivered: in an answer. acknowledged: the worker is at it. done, failed, expired (not heard in time), refused (by the database or by the worker).';
comment on column public.hp_worker_command.requested_by is 'Auth user who asked; null for the secret key.';
comment on column public.hp_worker_command.requested_as is 'As what they asked.';
comment on column public.hp_worker_command.requested_at is 'When.';
comment on column public.hp_worker_command.delivered_at is 'When it first was in the answer to a beat.';
comment on column public.hp_worker_command.acknowledged_at is 'When the worker said that it is at it.';
comment on column public.hp_worker_command.instance_ended_at is 'When the process that was to restart or stop had ended.';
comment on column public.hp_worker_command.new_instance_id is 'The process that came after a restart.';
comment on column public.hp_worker_command.finished_at is 'When it was done, or came to nothing.';
comment on column public.hp_worker_command.expires_at is 'When it comes to nothing in its present state.';
comment on column public.hp_worker_command.message is 'What the worker or the database says of it.';
comment on column public.hp_worker_command.tries is 'How many refused tries stand in this row.';

-- As what the caller asks. Without a token it is the SQL editor, which may do what the secret key may.
create or replace function hp_private.asks_as() returns text
language sql stable set search_path = ''
return case
  when coalesce(nullif(auth.role(), ''), 'service_role') = 'service_role' then 'secret key'
  else coalesce(hp_private.member_role(), 'stranger')
end;

-- Who asked, as far as the reader may know: an address is for owners.
create or replace function hp_private.asked_by(command public.hp_worker_command, reader_as text) returns text
language sql stable set search_path = ''
return case
  when command.requested_as = 'secret key' then 'the secret key'
  when command.requested_by = auth.uid() then 'you'
  when reader_as = 'owner' then coalesce((select u.email from auth.users u where u.id = command.requested_by), 'a user who was removed')
  when command.requested_as in ('owner', 'operator') then 'an ' || command.requested_as
  else 'a ' || command.requested_as
end;

-- A command as pages get it. reader_as: null where it is told to many.
create or replace function hp_private.command_state(command public.hp_worker_command, reader_as text) returns jsonb
language sql stable set search_path = ''
return jsonb_strip_nulls(to_jsonb(command) - 'requested_by' - 'tries')
  || jsonb_build_object('requested_by', hp_private.asked_by(command, reader_as))
  || case when command.tries > 1 then jsonb_build_object('tries', command.tries) else '{}' end;

-- Writes down a try that was refused, and refuses it. A refusal is returned with its HTTP status, not raised: raised, it
-- would take the record back with it.
--
-- One account gets 20 rows an hour, an operator's 200; the same try again, and what comes above that, is counted in a row that is there.
create or replace function hp_private.refuse_command(
  worker_name text, worker_type text, instance_id uuid, command text, args jsonb, reason text,
  status integer, message text, hint text default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_as constant text := hp_private.asks_as();
  v_most constant integer := case when v_as in ('viewer', 'stranger') then 20 else 200 end;
  v_by constant uuid := case when v_as <> 'secret key' then auth.uid() end;
  v_command constant text := left(coalesce(refuse_command.command, ''), 64);
  v_worker_name constant text := left(refuse_command.worker_name, 128);
  v_lately bigint[];
  v_same bigint;
begin
  -- One account's tries one after the other, so that they can be counted.
  perform pg_advisory_xact_lock(hashtextextended('hp_worker_command refused ' || coalesce(v_by::text, ''), 0));
  select array_agg(c.id order by c.id desc),
    max(c.id) filter (where c.command = v_command and c.worker_name is not distinct from v_worker_name
      and c.message = left(refuse_command.message, 500))
  into v_lately, v_same
  from public.hp_worker_command c
  where c.state = 'refused' and c.requested_by is not distinct from v_by
    and c.requested_at > now() - interval '1 hour';
  v_same := coalesce(v_same, case when cardinality(v_lately) >= v_most then v_lately[1] end);

  if v_same is not null then
    update public.hp_worker_command c set tries = least(c.tries, 2000000000) + 1, finished_at = now() where c.id = v_same;
  else
    insert into public.hp_worker_command (
      worker_name, worker_type, instance_id, command, args, reason, state, requested_by, requested_as, finished_at, message)
    values (v_worker_name, left(refuse_command.worker_type, 128), refuse_command.instance_id, v_command,
      case when octet_length(refuse_command.args::text) <= 1024 then coalesce(refuse_command.args, '{}') else '{}' end,
      left(refuse_command.reason, 500), 'refused', v_by, v_as, now(), left(refuse_command.message, 500));
  end if;
  return hp_private.refuse(status, refuse_command.message, hint, 0);
end
$$;

-- What is wrong with a reason, or null.
create or replace function hp_private.reason_problem(reason text, needed boolean) returns text
language sql immutable set search_path = ''
return case
  when needed and btrim(coalesce(reason, '')) = '' then 'reason is missing: say why, for whoever reads the log'
  when char_length(reason) > 500 then format('reason is %s characters long; at most 500', char_length(reason))
end;

revoke all on function hp_private.asks_as() from public;
revoke all on function hp_private.asked_by(public.hp_worker_command, text) from public;
revoke all on function hp_private.command_state(public.hp_worker_command, text) from public;
revoke all on function hp_private.refuse_command(text, text, uuid, text, jsonb, text, integer, text, text) from public;
revoke all on function hp_private.reason_problem(text, boolean) from public;

comment on function hp_private.asks_as() is 'As what the caller asks: owner, operator, viewer, stranger or secret key.';
comment on function hp_private.asked_by(public.hp_worker_command, text) is 'Who asked for a command, in words that the reader may know.';
comment on function hp_private.command_state(public.hp_worker_command, text) is 'A command as docs/wire.md has it.';
comment on function hp_private.refuse_command(text, text, uuid, text, jsonb, text, integer, text, text) is 'Records a refused try, sets the response''s status and returns the body that says why.';
comment on function hp_private.reason_problem(text, boolean) is 'What is wrong with a reason, or null.';

-- Who may ask what of whom is asked here, and said with the HTTP status of the answer.
create or replace function public.hp_request_command(
  worker_name text, command text, reason text, args jsonb default '{}', instance_id uuid default null
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  v_as constant text := hp_private.asks_as();
  v_args constant jsonb := coalesce(hp_request_command.args, '{}');
  v_worker public.hp_worker_status;
  v_instance uuid;
  v_vouched timestamptz;
  v_open public.hp_worker_command;
  v_command public.hp_worker_command;
  v_status integer := 400;
  v_problem text;
  v_hint text;
begin
  if v_as not in ('operator', 'owner', 'secret key') then
    v_status := 403;
    v_problem := 'only an operator or an owner may give commands';
  elsif hp_request_command.command is null or hp_request_command.command not in (
    'restart', 'stop', 'drain', 'resume', 'breaker_reset', 'breaker_trip', 'beat', 'log_level')
  then
    v_problem := format('command is %s; it must be one of restart, stop, drain, resume, breaker_reset, breaker_trip, beat, log_level',
      coalesce(left(hp_request_command.command, 64), 'missing'));
  elsif hp_private.reason_problem(hp_request_command.reason, true) is not null then
    v_problem := hp_private.reason_problem(hp_request_command.reason, true);
  elsif jsonb_typeof(v_args) <> 'object' then
    v_problem := 'args must be an object';
  elsif hp_request_command.command = 'log_level'
    and (v_args - 'level' <> '{}' or coalesce(v_args ->> 'level', '') not in ('debug', 'info', 'warn', 'error'))
  then
    v_problem := 'args must be {"level": "debug"}, "info", "warn" or "error"';
  elsif hp_request_command.command <> 'log_level' and v_args <> '{}' then
    v_problem := format('args must be {}: %s takes none', hp_request_command.command);
  end if;

  if v_problem is null then
    -- Requests one after the other, so that the tick can tell for certain that none is open (hp_private.follow_commands).
    perform pg_advisory_xact_lock(hashtext('hp_worker_command'), 0);
    select * into v_worker from public.hp_worker_status w
    where w.worker_name = hp_request_command.worker_name for no key update;
    v_instance := coalesce(hp_request_command.instance_id, v_worker.instance_id);
    v_vouched := hp_private.instance_lease(v_worker.worker_name, v_instance);
    select * into v_open from public.hp_worker_command c
    where c.worker_name = v_worker.worker_name and c.instance_id = v_instance
      and c.state in ('requested', 'delivered', 'acknowledged')
      and (c.command in ('restart', 'stop') or (c.command = hp_request_command.command and c.args = v_args))
    order by c.id limit 1;

    v_status := 409;
    if v_worker.worker_name is null then
      v_status := 404;
      v_problem := format('there is no worker named %s', left(coalesce(hp_request_command.worker_name, 'null'), 128));
    elsif v_instance is null then
      v_problem := 'it reports by plain writes, and takes no commands';
      v_hint := 'Commands need the heartbeat module.';
    elsif hp_request_command.instance_id is not null and hp_request_command.instance_id is distinct from v_worker.instance_id
      and not exists (select from public.hp_worker_instance i
        where i.instance_id = hp_request_command.instance_id and i.worker_name = v_worker.worker_name)
    then
      v_problem := 'that process is none of this worker';
    elsif coalesce(v_vouched, '-infinity') <= now() then
      v_problem := case
        when v_instance is distinct from v_worker.instance_id then 'that process has ended'
        when v_worker.kind = 'scheduled' then 'no process of it is running now'
        else 'no process of it is alive'
      end;
      v_hint := (select replace(g.restart_hint, '{worker_name}', v_worker.worker_name) from public.hp_worker_group g where g.worker_type = v_worker.worker_type);
    elsif v_open.id is not null and (v_open.command = hp_request_command.command or hp_request_command.command not in ('beat', 'log_level')) then
      v_problem := format('%s was asked for at %s UTC and is under way', v_open.command,
        to_char(v_open.requested_at at time zone 'UTC', 'HH24:MI:SS'));
    end if;
  end if;

  if v_problem is not null then
    return hp_private.refuse_command(hp_request_command.worker_name, null, hp_request_command.instance_id,
      hp_request_command.command, v_args, hp_request_command.reason, v_status, v_problem, v_hint);
  end if;

  update hp_private.pulse p set commands_open = true where p.id and not p.commands_open;
  insert into public.hp_worker_command (
    worker_name, instance_id, command, args, reason, state, requested_by, requested_as, expires_at)
  values (v_worker.worker_name, v_instance, hp_request_command.command, v_args, btrim(hp_request_command.reason), 'requested',
    case when v_as <> 'secret key' then auth.uid() end, v_as,
    now() + greatest(interval '2 minutes', make_interval(secs => 3 * v_worker.heartbeat_interval_s)))
  returning * into v_command;
  -- Whoever hears it beats at once, and finds the command in the answer: there is nothing in the message to trust.
  perform realtime.send('{}', 'nudge', 'hp:nudge:' || v_instance, true);
  return hp_private.command_state(v_command, v_as);
end
$$;

-- SECURITY DEFINER for the address that an owner is shown; it asks for a member.
create or replace function public.hp_worker_commands(
  worker_name text default null, worker_type text default null, before bigint default null, most integer default 50
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_as constant text := hp_private.asks_as();
  v_most constant integer := least(greatest(coalesce(most, 50), 1), 500);
  v_before constant bigint := coalesce(before, 9223372036854775807);
  -- What was done to its group was done to the worker.
  v_group constant text := case
    when hp_worker_commands.worker_name is null then hp_worker_commands.worker_type
    else (select w.worker_type from public.hp_worker_status w where w.worker_name = hp_worker_commands.worker_name)
  end;
begin
  if v_as = 'stranger' then
    raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403';
  end if;
  return (
    select jsonb_build_object(
      'commands', coalesce(jsonb_agg(hp_private.command_state(p.command, v_as) order by (p.command).id desc)
        filter (where p.place <= v_most), '[]'),
      'more', count(*) > v_most)
    from (
      select f.command, row_number() over (order by (f.command).id desc) as place
      from (
        (select c as command from public.hp_worker_command c
          where hp_worker_commands.worker_name is null and hp_worker_commands.worker_type is null and c.id < v_before
          order by c.id desc limit v_most + 1)
        union all
        (select c from public.hp_worker_command c
          where c.worker_name = hp_worker_commands.worker_name and c.id < v_before
          order by c.id desc limit v_most + 1)
        union all
        (select c from public.hp_worker_command c
          where c.worker_name is null and c.worker_type = v_group and c.id < v_before
          order by c.id desc limit v_most + 1)
      ) f
      order by (f.command).id desc limit v_most + 1
    ) p);
end
$$;

revoke all on function public.hp_request_command(text, text, text, jsonb, uuid) from public, anon, authenticated, service_role;
revoke all on function public.hp_worker_commands(text, text, bigint, integer) from public, anon, authenticated, service_role;
grant execute on function public.hp_request_command(text, text, text, jsonb, uuid) to authenticated, service_role;
grant execute on function public.hp_worker_commands(text, text, bigint, integer) to authenticated, service_role;

comment on function public.hp_request_command(text, text, text, jsonb, uuid) is 'Asks one process of a worker to do something: restart, stop, drain, resume, breaker_reset, breaker_trip, beat, log_level. Returns the command. Refusals by response.status: 400, 403 not an operator, 404, 409 no such process or under way.';
comment on function public.hp_worker_commands(text, text, bigint, integer) is 'The audit log of a worker, of a group or of all, newest first: {commands, more}. Errors: PT403 not a member.';
