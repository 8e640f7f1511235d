-- Commands that people request for workers, by whom, and their outcome: those in progress, and the audit log. Also what
-- people do by the database alone (a pause, its end, a trouble seen) and what was refused to them.
--
-- A command is for one process. A new process of the same worker never gets what the old one was asked: a restart that
-- followed a worker from process to process would never end.

-- The commands of a worker. The heartbeat module knows the same (docs/wire.md).
create or replace function hp_private.commands() returns text[]
language sql immutable set search_path = ''
return array['restart', 'stop', 'drain', 'resume', 'breaker_reset', 'breaker_trip', 'beat', 'log_level'];

-- Levels of log lines, the worst last.
create or replace function hp_private.log_levels() returns text[]
language sql immutable set search_path = ''
return array['debug', 'info', 'warn', 'error'];

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
      command = any (hp_private.commands()) or command in ('pause', 'unpause', 'seen')
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
  open boolean generated always as (state in ('requested', 'delivered', 'acknowledged')) stored,
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
create index if not exists hp_worker_command_open_idx on public.hp_worker_command (worker_name, instance_id) where open;
-- What was refused to somebody lately, so that a flood of tries is counted rather than kept.
create index if not exists hp_worker_command_refused_idx on public.hp_worker_command (requested_by, requested_at desc)
  where state = 'refused';

alter table public.hp_worker_command enable row level security;

drop policy if exists "members read every command" on public.hp_worker_command;
create policy "members read every command" on public.hp_worker_command
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_command;
create policy "only members, whatever else is allowed" on public.hp_worker_command as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_command from anon, authenticated, service_role;
-- note: not requested_by: hp_worker_commands() names the user as far as the reader may know.
grant select (
    id, worker_name, worker_type, instance_id, command, args, reason, state, open, requested_as, requested_at, delivered_at,
    acknowledged_at, instance_ended_at, new_instance_id, finished_at, expires_at, message, tries
  ) on table public.hp_worker_command to authenticated;
grant select on table public.hp_worker_command to service_role;
-- note: nobody may insert, update or delete; what is written here was asked for through a function that looks who asks.

comment on table public.hp_worker_command is 'What people requested of workers, and its outcome; kept for as many days as the setting command_days says.';
comment on column public.hp_worker_command.id is 'Order of requests.';
comment on column public.hp_worker_command.worker_name is 'The worker; null for what was done to a group. No foreign key: the log outlives its worker.';
comment on column public.hp_worker_command.worker_type is 'The group, where it was done to one.';
comment on column public.hp_worker_command.instance_id is 'The process that it is for, and no other.';
comment on column public.hp_worker_command.command is 'The command. pause, unpause and seen are done by the database itself.';
comment on column public.hp_worker_command.args is 'Its arguments: {"level"} of log_level, {"until"} of pause.';
comment on column public.hp_worker_command.reason is 'Why, as given with the request.';
comment on column public.hp_worker_command.state is 'requested: waits for a beat. delivered: in an answer. acknowledged: the worker has begun. done, failed, expired (no report in time), refused (by the database or by the worker).';
comment on column public.hp_worker_command.open is 'Whether it is under way: requested, delivered or acknowledged.';
comment on column public.hp_worker_command.requested_by is 'Auth user who requested it; null for the secret key.';
comment on column public.hp_worker_command.requested_as is 'Their role at that time.';
comment on column public.hp_worker_command.requested_at is 'When.';
comment on column public.hp_worker_command.delivered_at is 'When it first was in the answer to a beat.';
comment on column public.hp_worker_command.acknowledged_at is 'When the worker reported that it has begun.';
comment on column public.hp_worker_command.instance_ended_at is 'When the process that was to restart or stop had ended.';
comment on column public.hp_worker_command.new_instance_id is 'The process that came after a restart.';
comment on column public.hp_worker_command.finished_at is 'When it was done, or came to nothing.';
comment on column public.hp_worker_command.expires_at is 'When it comes to nothing in its present state.';
comment on column public.hp_worker_command.message is 'Outcome, as text from the worker or the database.';
comment on column public.hp_worker_command.tries is 'How many refused tries stand in this row.';

insert into public.hp_setting (key, value, description) values
  ('command_days', '365', 'Days for which commands are kept: the audit log.')
on conflict (key) do nothing;

-- Who requested a command, as far as the reader may know: an address is for owners.
create or replace function hp_private.requester(command public.hp_worker_command, reader_as text) returns text
language sql stable set search_path = ''
return case
  when command.requested_as = 'secret key' then 'the secret key'
  when command.requested_by = auth.uid() then 'you'
  when reader_as = 'owner' then coalesce((select u.email from auth.users u where u.id = command.requested_by), 'a user who was removed')
  when command.requested_as in ('owner', 'operator') then 'an ' || command.requested_as
  else 'a ' || command.requested_as
end;

-- A command as pages get it. reader_as: null where it is sent to many.
create or replace function hp_private.command_state(command public.hp_worker_command, reader_as text) returns jsonb
language sql stable set search_path = ''
return jsonb_strip_nulls(to_jsonb(command) - 'requested_by' - 'tries' - 'open')
  || jsonb_build_object('requested_by', hp_private.requester(command, reader_as))
  || case when command.tries > 1 then jsonb_build_object('tries', command.tries) else '{}' end;

-- Writes down a try that was refused, and refuses it. A refusal is returned with its HTTP status, not raised: raised, it
-- would take the record back with it.
--
-- One account gets 20 rows an hour, an operator's 200; the same try again, and what comes above that, is counted in a row that
-- is there. Of strangers nothing is kept but how often they tried each command in an hour, all accounts together: members read
-- this, and anybody may sign up and write a text for them.
create or replace function hp_private.refuse_command(
  worker_name text, worker_type text, instance_id uuid, command text, args jsonb, reason text,
  status integer, message text, hint text default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_as constant text := hp_private.caller_role();
  v_most constant integer := case when v_as in ('viewer', 'stranger') then 20 else 200 end;
  v_stranger constant boolean := v_as = 'stranger';
  v_by constant uuid := case when not v_stranger then hp_private.caller_id() end;
  v_command constant text := case
    when not v_stranger then left(coalesce(refuse_command.command, ''), 64)
    when refuse_command.command = any (hp_private.commands() || array['pause', 'unpause', 'seen']) then refuse_command.command
    else 'unknown'
  end;
  v_worker_name constant text := case when not v_stranger then left(refuse_command.worker_name, 128) end;
  v_message constant text := case when v_stranger then 'not a member' else left(refuse_command.message, 500) end;
  v_lately bigint[];
  v_same bigint;
begin
  -- One account's tries one after the other, so that they can be counted.
  perform pg_advisory_xact_lock(hashtextextended('hp_worker_command refused ' || coalesce(v_by::text, v_as), 0));
  select array_agg(c.id order by c.id desc),
    max(c.id) filter (where c.command = v_command and c.worker_name is not distinct from v_worker_name
      and c.message = v_message)
  into v_lately, v_same
  from public.hp_worker_command c
  where c.state = 'refused' and c.requested_by is not distinct from v_by and (c.requested_as = 'stranger') = v_stranger
    and c.requested_at > now() - interval '1 hour';
  v_same := coalesce(v_same, case when cardinality(v_lately) >= v_most then v_lately[1] end);

  if v_same is not null then
    update public.hp_worker_command c set tries = least(c.tries, 2000000000) + 1, finished_at = now() where c.id = v_same;
  else
    insert into public.hp_worker_command (
      worker_name, worker_type, instance_id, command, args, reason, state, requested_by, requested_as, finished_at, message)
    values (v_worker_name, case when not v_stranger then left(refuse_command.worker_type, 128) end,
      case when not v_stranger then refuse_command.instance_id end, v_command,
      case
        when not v_stranger and hp_private.json_problem(refuse_command.args, 1024) is null and octet_length(refuse_command.args::text) <= 1024
          then coalesce(refuse_command.args, '{}')
        else '{}'
      end,
      case when not v_stranger then left(refuse_command.reason, 500) end, 'refused', v_by, v_as, now(), v_message);
  end if;
  return hp_private.refuse(status, refuse_command.message, hint, 0);
end
$$;

-- What is wrong with a reason, or null.
create or replace function hp_private.reason_problem(reason text, needed boolean) returns text
language sql immutable set search_path = ''
return case
  when needed and btrim(coalesce(reason, '')) = '' then 'reason is missing: it is kept in the audit log'
  when char_length(reason) > 500 then format('reason is %s characters long; at most 500', char_length(reason))
end;

-- What is wrong with a request for a command, whoever it is for, or null.
create or replace function hp_private.request_problem(command text, reason text, args jsonb) returns text
language sql immutable set search_path = ''
return case
  when command is null or command <> all (hp_private.commands()) then
    format('command is %s; it must be one of %s', coalesce(left(command, 64), 'missing'), array_to_string(hp_private.commands(), ', '))
  when hp_private.reason_problem(reason, true) is not null then hp_private.reason_problem(reason, true)
  when jsonb_typeof(args) <> 'object' then 'args must be an object'
  when hp_private.json_problem(args, 2048) is not null then 'args ' || hp_private.json_problem(args, 2048)
  when command = 'log_level' and (args - 'level' <> '{}' or coalesce(args ->> 'level', '') <> all (hp_private.log_levels()))
    then 'args must be {"level": "debug"}, "info", "warn" or "error"'
  when command <> 'log_level' and args <> '{}' then format('args must be {}: %s takes none', command)
end;

-- Why a process of a worker can't be asked now, with the HTTP status of the answer; problem is null where it can. worker_name is
-- what was asked for, for there may be no such worker.
create or replace function hp_private.target_problem(
  worker public.hp_worker_status, worker_name text, instance_id uuid, command text, args jsonb,
  out status integer, out problem text, out hint text
)
language plpgsql stable set search_path = ''
as $$
declare
  v_open public.hp_worker_command;
begin
  status := 409;
  if worker.worker_name is null then
    status := 404;
    problem := format('there is no worker named %s', left(coalesce(target_problem.worker_name, 'null'), 128));
    return;
  elsif target_problem.instance_id is null then
    problem := 'this worker writes to the table directly and can''t receive commands';
    hint := 'Commands need the heartbeat module.';
    return;
  elsif target_problem.instance_id is distinct from worker.instance_id and not exists (
    select from public.hp_worker_instance i
    where i.instance_id = target_problem.instance_id and i.worker_name = worker.worker_name)
  then
    problem := 'that process belongs to another worker';
    return;
  elsif coalesce(hp_private.instance_lease(worker.worker_name, target_problem.instance_id), '-infinity') <= now() then
    problem := case
      when target_problem.instance_id is distinct from worker.instance_id then 'that process has ended'
      when worker.kind = 'scheduled' then 'no process of this worker is running now'
      else 'no process of this worker is alive'
    end;
    hint := (
      select replace(g.restart_hint, '{worker_name}', worker.worker_name)
      from public.hp_worker_group g where g.worker_type = worker.worker_type);
    return;
  end if;

  select * into v_open from public.hp_worker_command c
  where c.worker_name = worker.worker_name and c.instance_id = target_problem.instance_id and c.open
    and (c.command in ('restart', 'stop') or (c.command = target_problem.command and c.args = target_problem.args))
  order by c.id limit 1;
  if v_open.command = target_problem.command or (found and target_problem.command not in ('beat', 'log_level')) then
    problem := format('%s was requested at %s UTC and is under way', v_open.command,
      to_char(v_open.requested_at at time zone 'UTC', 'HH24:MI:SS'));
  end if;
end
$$;

create or replace function public.hp_request_command(
  worker_name text, command text, reason text, args jsonb default '{}', instance_id uuid default null
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  v_as constant text := hp_private.caller_role();
  v_args constant jsonb := coalesce(hp_request_command.args, '{}');
  v_worker public.hp_worker_status;
  v_instance uuid;
  v_command public.hp_worker_command;
  v_status integer := 400;
  v_problem text;
  v_hint text;
begin
  if not hp_private.may_operate() then
    v_status := 403;
    v_problem := 'only an operator or an owner may give commands';
  else
    v_problem := hp_private.request_problem(hp_request_command.command, hp_request_command.reason, v_args);
  end if;
  if v_problem is null then
    select * into v_worker from public.hp_worker_status w
    where w.worker_name = hp_request_command.worker_name for no key update;
    v_instance := coalesce(hp_request_command.instance_id, v_worker.instance_id);
    select p.status, p.problem, p.hint into v_status, v_problem, v_hint
    from hp_private.target_problem(v_worker, hp_request_command.worker_name, v_instance, hp_request_command.command, v_args) p;
  end if;
  if v_problem is not null then
    return hp_private.refuse_command(hp_request_command.worker_name, null, hp_request_command.instance_id,
      hp_request_command.command, v_args, hp_request_command.reason, v_status, v_problem, v_hint);
  end if;

  insert into public.hp_worker_command (
    worker_name, instance_id, command, args, reason, state, requested_by, requested_as, expires_at)
  values (v_worker.worker_name, v_instance, hp_request_command.command, v_args, btrim(hp_request_command.reason), 'requested',
    hp_private.caller_id(), v_as,
    now() + greatest(interval '2 minutes', make_interval(secs => 3 * v_worker.heartbeat_interval_s)))
  returning * into v_command;
  -- The process that receives this beats at once, and finds the command in the answer: there is nothing in the message to trust.
  perform realtime.send('{}', 'wake-up', 'hp:wake-up:' || v_instance, true);
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
  v_as constant text := hp_private.caller_role();
  v_most constant integer := least(greatest(coalesce(most, 50), 1), 500);
  v_before constant bigint := coalesce(before, 9223372036854775807);
  -- What was done to its group was done to the worker.
  v_group constant text := case
    when hp_worker_commands.worker_name is null then hp_worker_commands.worker_type
    else (select w.worker_type from public.hp_worker_status w where w.worker_name = hp_worker_commands.worker_name)
  end;
begin
  perform hp_private.require_member();
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

-- How commands come to the processes that they are for, and how these report on them. Commands travel in the answers to beats,
-- with each answer until the worker reports on them, and reports come back in its beats: at least once, both ways.
--
-- Who writes a command holds its worker's row, or skips what is locked (the tick).

-- What can't be read in a beat's reports on commands, or null.
create or replace function hp_private.reports_problem(commands jsonb) returns jsonb
language sql immutable set search_path = ''
return case
  when jsonb_typeof(commands) <> 'array' then hp_private.beat_error('commands', 'must be an array of {id, state, message}')
  when hp_private.json_problem(commands, 262144) is not null then
    hp_private.beat_error('commands', hp_private.json_problem(commands, 262144))
  when jsonb_array_length(commands) > 100 then
    hp_private.beat_error('commands', format('holds %s reports; at most 100', jsonb_array_length(commands)))
  else (
    select hp_private.beat_error(format('commands[%s]', r.ordinality - 1),
      'must be {id, state, message}, state acknowledged, done, failed or refused')
    from jsonb_array_elements(commands) with ordinality r
    where (jsonb_typeof(r.value) = 'object' and coalesce(r.value ->> 'id', '') ~ '^[0-9]{1,18}$'
      and coalesce(r.value ->> 'state', '') in ('acknowledged', 'done', 'failed', 'refused')) is not true
    order by r.ordinality limit 1)
end;

-- Stores the reports of beats on commands. A restart is done when a new process is there, and a stop when the process has
-- ended: a reported "done" means no more than "acknowledged". A report after the time is over still counts, for it was done.
create or replace function hp_private.take_reports(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_problem jsonb;
begin
  for v_place, v_problem in
    select b.ordinality, hp_private.reports_problem(b.commands) from unnest(beats) with ordinality b
    where b.commands is not null and (take_reports.answers[b.ordinality] ->> 'ok')::boolean
  loop
    if v_problem is not null then
      answers[v_place] := answers[v_place] || jsonb_build_object('ignored', v_problem);
    end if;
  end loop;

  with report as (
    select b.worker_name, b.instance_id, b.status, b.ordinality, r.ordinality as line,
      case when r.value ->> 'id' ~ '^[0-9]{1,18}$' then (r.value ->> 'id')::bigint end as id,
      r.value ->> 'state' as state, left(r.value ->> 'message', 500) as message
    from unnest(take_reports.beats) with ordinality b
    cross join lateral jsonb_array_elements(
      case
        when jsonb_typeof(b.commands) = 'array' and hp_private.json_problem(b.commands, 262144) is null then b.commands
        else '[]'
      end) with ordinality r
    where (take_reports.answers[b.ordinality] ->> 'ok')::boolean and r.ordinality <= 100 and jsonb_typeof(r.value) = 'object'
  ),
  last_report as (
    select distinct on (s.id) s.*,
      case
        when s.state = 'done' and exists (select from public.hp_worker_command c
          where c.id = s.id and (c.command = 'restart' or (c.command = 'stop' and s.status <> 'stopped'))) then 'acknowledged'
        else s.state
      end as now_is
    from report s
    where s.id is not null and s.state in ('acknowledged', 'done', 'failed', 'refused')
    order by s.id, s.ordinality desc, s.line desc
  )
  update public.hp_worker_command c set
    state = l.now_is,
    acknowledged_at = case when l.now_is in ('acknowledged', 'done') then coalesce(c.acknowledged_at, at) else c.acknowledged_at end,
    finished_at = case when l.now_is <> 'acknowledged' then at end,
    -- A worker drains for as long as its jobs last.
    expires_at = case when l.now_is = 'acknowledged' then at + interval '1 hour' end,
    message = nullif(coalesce(l.message, case when c.state <> 'expired' then c.message end), '')
  from last_report l
  where c.id = l.id and c.worker_name = l.worker_name and c.instance_id = l.instance_id and c.delivered_at is not null
    and (c.state in ('delivered', 'expired') or (c.state = 'acknowledged' and l.now_is <> 'acknowledged'));
  return answers;
end
$$;

-- What happened to a command that the worker doesn't report itself. outcome: late, replaced (by a new process), or how its
-- process ended: stopped or crashed.
create or replace function hp_private.command_message(command public.hp_worker_command, outcome text, at timestamptz) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when outcome = 'late' then case
      when command.state = 'requested' then 'no beat fetched it within ' || hp_private.in_words(at - command.requested_at)
      when command.state = 'delivered' then 'delivered, but the worker did not report on it'
      when command.instance_ended_at is null then
        format('the worker began %s ago, and is not done', hp_private.in_words(at - command.acknowledged_at))
      else format('the process ended %s ago, and no new one started', hp_private.in_words(at - command.instance_ended_at))
    end
    when outcome = 'replaced' then 'a new process has started' || case
      when command.state = 'failed' then format(', %s after the old one ended', hp_private.in_words(at - command.instance_ended_at))
      else ''
    end
    when command.state = 'requested' then 'the process ended before it got the command'
    when command.command = 'stop' and outcome = 'stopped' then command.message
    when command.command not in ('restart', 'stop') then 'the process ended before it was done'
    else 'the process ' || case when outcome = 'stopped' then 'has ended' else 'ended without an exit report' end
      || case when command.command = 'restart' then '; waiting for a new one' else '' end
  end;
end
$$;

-- What becomes of the commands of processes that have ended. how: stopped, for one that reported its end, or crashed.
create or replace function hp_private.settle_commands(instances uuid[], hows text[], ends timestamptz[], at timestamptz) returns void
language sql set search_path = ''
begin atomic
  with open as materialized (
    select c.id, e.how, e.ended_at
    from unnest(instances, hows, ends) e (instance_id, how, ended_at)
    join public.hp_worker_command c on c.instance_id = e.instance_id
    where c.open and c.instance_ended_at is null
    order by c.id for update of c skip locked
  )
  update public.hp_worker_command c set
    instance_ended_at = o.ended_at,
    state = case
      when c.state = 'requested' then 'expired'
      when c.command = 'restart' then 'acknowledged'
      when c.command = 'stop' and o.how = 'stopped' then 'done'
      else 'failed'
    end,
    acknowledged_at = case
      when c.state <> 'requested' and (c.command = 'restart' or (c.command = 'stop' and o.how = 'stopped'))
        then coalesce(c.acknowledged_at, at)
      else c.acknowledged_at
    end,
    finished_at = case when c.state = 'requested' or c.command <> 'restart' then at end,
    expires_at = case
      when c.state <> 'requested' and c.command = 'restart' then greatest(o.ended_at, c.requested_at) + greatest(interval '2 minutes', (
        select make_interval(secs => 3 * w.heartbeat_interval_s)
        from public.hp_worker_status w where w.worker_name = c.worker_name))
    end,
    message = hp_private.command_message(c, o.how, at)
  from open o where c.id = o.id;
end;

-- A new process has taken a worker's row: a restart of the one before it is done.
create or replace function hp_private.note_successor(successor public.hp_worker_instance, at timestamptz) returns void
-- note: plpgsql, for it keeps its plan: every new process comes by here.
language plpgsql set search_path = ''
as $$
begin
  update public.hp_worker_command c set
    state = 'done', finished_at = at, new_instance_id = successor.instance_id, expires_at = null,
    acknowledged_at = coalesce(c.acknowledged_at, at),
    message = hp_private.command_message(c, 'replaced', at)
  where c.worker_name = successor.worker_name and c.command = 'restart'
    and (c.state in ('delivered', 'acknowledged')
      -- Later than was waited for, but it came.
      or (c.state = 'failed' and c.instance_ended_at is not null and c.finished_at > at - interval '1 hour'))
    and c.instance_id <> successor.instance_id
    -- Not one that was there before: an older process gets the row back when the newer one ends.
    and successor.registered_at >= c.delivered_at;
end
$$;

-- Adds to the answers of beats what their processes are to do.
create or replace function hp_private.answer_commands(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_commands jsonb;
  v_ended record;
begin
  for v_place, v_commands in
    with mine as materialized (
      select b.ordinality as place, c.id, c.command, c.args, c.reason, c.state
      from unnest(answer_commands.beats) with ordinality b
      join public.hp_worker_command c on c.worker_name = b.worker_name and c.instance_id = b.instance_id
      where c.open and c.state <> 'acknowledged' and c.expires_at > answer_commands.at
        and (answer_commands.answers[b.ordinality] ->> 'ok')::boolean and b.status not in ('stopped', 'crashed')
      -- What is locked is being expired by the tick, or goes out with the next beat.
      for update of c skip locked
    ),
    delivered as (
      update public.hp_worker_command c set state = 'delivered', delivered_at = answer_commands.at
      from (select distinct m.id from mine m where m.state = 'requested') m where c.id = m.id
    )
    select m.place, jsonb_agg(jsonb_build_object('id', m.id, 'command', m.command, 'args', m.args, 'reason', m.reason) order by m.id)
    from mine m group by m.place
  loop
    answers[v_place] := answers[v_place] || jsonb_build_object('commands', v_commands);
  end loop;

  select array_agg(b.instance_id) as instances, array_agg(b.status) as hows, array_agg(answer_commands.at) as ends into v_ended
  from unnest(beats) with ordinality b
  where b.status in ('stopped', 'crashed') and (answer_commands.answers[b.ordinality] ->> 'ok')::boolean;
  if v_ended.instances is not null then
    perform hp_private.settle_commands(v_ended.instances, v_ended.hows, v_ended.ends, at);
  end if;
  return answers;
end
$$;

-- What the tick does: commands that no process takes expire, those whose process is gone are settled, and a restart after which
-- none came has failed.
create or replace function hp_private.follow_commands(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_ended record;
begin
  select array_agg(e.instance_id) as instances, array_agg(e.how) as hows, array_agg(e.ended_at) as ends into v_ended
  from (
    select distinct on (c.instance_id) c.instance_id, g.how, g.ended_at
    from public.hp_worker_command c
    cross join hp_private.monitor p
    left join public.hp_worker_status w on w.worker_name = c.worker_name
    left join public.hp_worker_instance i on i.instance_id = c.instance_id
    cross join lateral (
      select
        case
          -- Its exit report; or silence, of which judge_silence() knows whether it is ours. A stop by hand is neither.
          when w.instance_id = c.instance_id and w.status in ('stopped', 'crashed') and w.status_since <= w.last_heartbeat then w.status
          when w.instance_id = c.instance_id then case
            when w.status = 'crashed' or (w.status = 'stopped' and silent.until <= at) then 'crashed'
          end
          when i.ended_at is not null then i.status
          when i.instance_id is null or (silent.until <= at and i.lease_expires_at is not null) then 'crashed'
        end as how,
        case
          when w.instance_id = c.instance_id then w.status_since
          else coalesce(i.ended_at, i.lease_expires_at, at)
        end as ended_at
      from (
        select make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
          + greatest(case when w.instance_id = c.instance_id then w.last_heartbeat else i.last_heartbeat end, p.ticking_since) as until
      ) silent
    ) g
    where c.open and c.instance_ended_at is null and g.how is not null
  ) e;
  if v_ended.instances is not null then
    perform hp_private.settle_commands(v_ended.instances, v_ended.hows, v_ended.ends, at);
  end if;

  with late as materialized (
    select c.id from public.hp_worker_command c
    where c.open and c.expires_at <= at
    order by c.id for update skip locked
  )
  update public.hp_worker_command c set
    state = case when c.state = 'acknowledged' then 'failed' else 'expired' end, finished_at = at, expires_at = null,
    message = hp_private.command_message(c, 'late', at)
  from late l where c.id = l.id;
end
$$;

revoke all on function
  hp_private.commands, hp_private.log_levels, hp_private.requester, hp_private.command_state, hp_private.refuse_command,
  hp_private.request_problem, hp_private.target_problem, hp_private.reason_problem, hp_private.reports_problem,
  hp_private.take_reports, hp_private.command_message, hp_private.settle_commands, hp_private.note_successor,
  hp_private.answer_commands, hp_private.follow_commands
from public;
revoke all on function
  public.hp_request_command, public.hp_worker_commands
from public, anon, authenticated, service_role;
grant execute on function hp_private.log_levels to authenticated, service_role;
grant execute on function public.hp_request_command, public.hp_worker_commands to authenticated, service_role;

comment on function hp_private.commands is 'Every command that a worker may get.';
comment on function hp_private.log_levels is 'Levels of log lines, the worst last.';
comment on function hp_private.requester is 'Who requested a command, as far as the reader may know.';
comment on function hp_private.command_state is 'A command as docs/wire.md has it.';
comment on function hp_private.refuse_command is 'Records a refused try, sets the status of the response and returns its body, with the reason.';
comment on function hp_private.reason_problem is 'What is wrong with a reason, or null.';
comment on function hp_private.request_problem is 'What is wrong with a request for a command, or null.';
comment on function hp_private.target_problem is 'Why a process can''t be asked for a command now: HTTP status, problem (null where it can) and hint.';
comment on function public.hp_request_command is 'Asks one process of a worker to do something: restart, stop, drain, resume, breaker_reset, breaker_trip, beat, log_level. Returns the command. Refusals by response.status: 400, 403 not an operator, 404, 409 no such process or under way.';
comment on function public.hp_worker_commands is 'The audit log of a worker, of a group or of all, newest first: {commands, more}. Errors: PT403 not a member.';
comment on function hp_private.reports_problem is 'What can''t be read in the reports of a beat, or null.';
comment on function hp_private.take_reports is 'Stores the reports of beats on commands; adds to the answers what could not be read.';
comment on function hp_private.command_message is 'What happened to a command, as text.';
comment on function hp_private.settle_commands is 'Settles the open commands of processes that have ended: how, and when.';
comment on function hp_private.note_successor is 'A restart is done: another process has the worker''s row.';
comment on function hp_private.answer_commands is 'Adds to the answers of beats the commands of their processes.';
comment on function hp_private.follow_commands is 'Expires commands that no process took, and settles those of processes that have ended.';
