-- What workers call. An array of beats in, an answer per beat out, in the same order; the format is docs/wire.md.

-- Refuses the beats that would add more workers or processes than their token may, the latest in the call first.
create or replace function hp_private.refuse_added(
  inout beats hp_private.beat[], inout answers jsonb[], token_id bigint, at timestamptz
)
language plpgsql set search_path = ''
as $$
declare
  v_names text[];
  v_instances uuid[];
  v_over record;
  v_place bigint;
  v_error jsonb;
begin
  select array_agg(distinct b.worker_name) filter (where not exists (
      select from public.hp_worker_status w where w.worker_name = b.worker_name)),
    array_agg(distinct b.instance_id) filter (where not exists (
      select from public.hp_worker_instance i where i.instance_id = b.instance_id))
  into v_names, v_instances
  from unnest(beats) with ordinality b where answers[b.ordinality] is null;
  if v_instances is null then
    return; -- a name that is new has a process that is
  end if;

  v_over := hp_private.count_added(token_id, at, coalesce(cardinality(v_names), 0), cardinality(v_instances));
  if v_over.names = 0 and v_over.processes = 0 then
    return;
  end if;
  v_names := (
    select array_agg(n.name) from (
      select b.worker_name as name from unnest(beats) with ordinality b where b.worker_name = any (v_names)
      group by b.worker_name order by min(b.ordinality) desc limit v_over.names) n);
  v_instances := (
    select array_agg(n.instance) from (
      select b.instance_id as instance from unnest(beats) with ordinality b where b.instance_id = any (v_instances)
      group by b.instance_id order by min(b.ordinality) desc limit v_over.processes) n);
  for v_place, v_error in
    select b.ordinality, case
      when b.worker_name = any (v_names) then hp_private.beat_error('worker_name', format(
        'is new, and its worker token has added as many workers as it may within an hour, %s '
        '(setting token_new_names_per_hour)', coalesce(hp_private.setting('token_new_names_per_hour'), 1000)))
      else hp_private.beat_error('instance_id', format(
        'is new, and its worker token has added as many processes as it may within an hour, %s '
        '(setting token_new_processes_per_hour)', coalesce(hp_private.setting('token_new_processes_per_hour'), 5000)))
    end
    from unnest(beats) with ordinality b
    where answers[b.ordinality] is null and (b.worker_name = any (v_names) or b.instance_id = any (v_instances))
  loop
    answers[v_place] := hp_private.refusal(beats[v_place].worker_name, v_error);
    beats[v_place] := null;
  end loop;
end
$$;

-- Everyone who writes several workers locks them in the order of their names (unsorted: 11 to 16 deadlocks in 6 s). New names
-- are inserted before, in that order too: whoever waits for another's new name then holds no lock that the other wants
-- (inserted after the locks: 15 deadlocks in 40 s with 14 clients). So all that may refuse a new name comes here as well.
create or replace function hp_private.lock_workers(
  inout beats hp_private.beat[], inout answers jsonb[], at timestamptz, names_like text, token_id bigint
)
language plpgsql set search_path = ''
-- note: as for hp_private.apply_steady().
set plan_cache_mode = 'force_generic_plan' set jit = 'off' set enable_seqscan = 'off' set enable_hashjoin = 'off'
set enable_mergejoin = 'off'
as $$
begin
  if exists (
    select from unnest(beats) b where not exists (
      select from public.hp_worker_status w where w.worker_name = b.worker_name and w.instance_id = b.instance_id))
  then
    select r.beats, r.answers into lock_workers.beats, lock_workers.answers
    from hp_private.refuse_beats(beats, coalesce(answers, array_fill(null::jsonb, array[cardinality(beats)])), names_like) r;
    if token_id is not null then
      select r.beats, r.answers into lock_workers.beats, lock_workers.answers
      from hp_private.refuse_added(beats, answers, token_id, at) r;
    end if;
    -- An instance belongs to one worker: a name that hp_private.admit_beat() will refuse for that must not be made.
    insert into public.hp_worker_status (worker_name, expected)
    select n.worker_name, coalesce(n.expected, true)
    from (
      select distinct on (b.instance_id) b.worker_name, b.expected, b.ordinality from unnest(beats) with ordinality b
      where b.worker_name is not null and not exists (
          select from public.hp_worker_instance i where i.instance_id = b.instance_id and i.worker_name <> b.worker_name)
      order by b.instance_id, b.worker_name, b.ordinality
    ) n
    where not exists (select from public.hp_worker_status w where w.worker_name = n.worker_name)
    order by n.worker_name, n.ordinality
    on conflict do nothing;
  end if;
  perform from public.hp_worker_status w where w.worker_name = any (array(select b.worker_name from unnest(beats) b))
  order by w.worker_name for no key update;
end
$$;

-- Beats that say more than "still alive", or come from an instance that does not hold its worker's row.
create or replace function hp_private.apply_others(
  inout beats hp_private.beat[], inout answers jsonb[], repeats boolean, at timestamptz, stretch double precision,
  group_intervals jsonb, names_like text, token_id bigint
)
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_answer jsonb;
begin
  select r.beats, r.answers into apply_others.beats, apply_others.answers
  from hp_private.refuse_beats(beats, answers, names_like) r;
  -- A worker that is twice in one call goes one beat after the other.
  if not repeats then
    for v_place, v_answer in select a.place, a.answer from hp_private.apply_beats(beats, at, stretch, group_intervals) a loop
      answers[v_place] := v_answer;
    end loop;
  end if;
  -- Of several, hp_private.lock_workers() has refused before it locked any.
  if token_id is not null and cardinality(beats) = 1 and answers[1] is null then
    select r.beats, r.answers into apply_others.beats, apply_others.answers
    from hp_private.refuse_added(beats, answers, token_id, at) r;
  end if;
  for v_place in
    select b.ordinality from unnest(beats) with ordinality b
    where answers[b.ordinality] is null order by b.worker_name, b.ordinality
  loop
    answers[v_place] := hp_private.admit_beat(beats[v_place], at, stretch, group_intervals);
  end loop;
end
$$;

-- What beats bring besides, and what their workers are answered besides: leases, logs, commands, followers.
create or replace function hp_private.answer_more(
  beats hp_private.beat[], inout answers jsonb[], leases boolean, more boolean, commands_open boolean, followed boolean,
  activity_every_s double precision, at timestamptz
)
language plpgsql set search_path = ''
as $$
begin
  if leases then
    answers := hp_private.answer_leases(beats, answers, at);
  end if;
  if more then
    answers := hp_private.store_logs(beats, answers, at);
    answers := hp_private.take_reports(beats, answers, at);
  end if;
  if commands_open then
    answers := hp_private.answer_commands(beats, answers, at);
  end if;
  if followed then
    answers := hp_private.answer_followed(beats, answers, activity_every_s, at);
    if more then
      perform hp_private.send_logs(array(select b.worker_name from unnest(beats) b where b.worker_name is not null), at);
    end if;
  end if;
end
$$;

-- What a call needs to know of the monitor and of the fleet's settings, in one look.
create or replace function hp_private.call_state(
  at timestamptz, out overdue boolean, out viewed boolean, out followed boolean, out commands_open boolean,
  out stretch double precision, out activity_every_s double precision, out group_intervals jsonb
)
-- note: plpgsql keeps its plan.
language plpgsql stable set search_path = ''
as $$
begin
  select (p.tick_at + p.overdue_after > call_state.at) is not true, coalesce(p.viewed_until > call_state.at, false),
    coalesce(p.followed_until > call_state.at, false),
    -- By the partial index of open commands: as fast as a flag.
    exists (select from public.hp_worker_command c where c.open),
    coalesce(p.stretch, 1), p.activity_every_s,
    (select jsonb_object_agg(g.worker_type, g.heartbeat_interval_s) from public.hp_worker_group g
      where g.heartbeat_interval_s is not null)
  into overdue, viewed, followed, commands_open, stretch, activity_every_s, group_intervals
  from hp_private.monitor p;
end
$$;

-- Adds to the answers that a worker may send changed activity, and when again.
create or replace function hp_private.answer_pacing(answers jsonb[], pacing jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if pacing is null then
    return to_jsonb(answers);
  end if;
  return (
    select jsonb_agg(case when (u.answer ->> 'ok')::boolean then u.answer || pacing else u.answer end order by u.place)
    from unnest(answers) with ordinality u (answer, place));
end
$$;

-- names_like: the LIKE pattern of the names that the caller may speak for, or null for any. Null is returned where it may
-- not speak for a single one. token_id: the worker token that it came with, or null.
create or replace function hp_private.heartbeat(
  raw jsonb, at timestamptz, names_like text default null, token_id bigint default null
) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_read constant record := hp_private.read_beats(raw);
  v_state constant record := hp_private.call_state(at);
  v_beats hp_private.beat[] := v_read.beats;
  v_answers jsonb[] := v_read.answers;
  v_pacing jsonb;
begin
  if names_like is not null and hp_private.all_foreign(v_beats, names_like) then
    return null;
  end if;

  if cardinality(v_beats) > 1 then
    select l.beats, l.answers into v_beats, v_answers
    from hp_private.lock_workers(v_beats, v_answers, at, names_like, token_id) l;
  end if;
  if not v_read.repeats then
    v_answers := hp_private.apply_steady(v_beats, v_answers, at, v_state.stretch, v_state.group_intervals, names_like);
  end if;
  if v_read.repeats or array_position(v_answers, null) is not null then
    select o.beats, o.answers into v_beats, v_answers
    from hp_private.apply_others(v_beats, coalesce(v_answers, array_fill(null::jsonb, array[cardinality(v_beats)])),
      v_read.repeats, at, v_state.stretch, v_state.group_intervals, names_like, token_id) o;
  end if;

  if v_read.leases or v_read.more or v_state.commands_open or v_state.followed then
    v_answers := hp_private.answer_more(v_beats, v_answers, v_read.leases, v_read.more, v_state.commands_open,
      v_state.followed, v_state.activity_every_s, at);
  end if;
  -- Both look at other workers too, whose rows must not cost this call.
  if v_state.viewed or v_state.overdue then
    begin
      if v_state.viewed then
        v_pacing := hp_private.send_changes(array(select b.worker_name from unnest(v_beats) b where b.worker_name is not null),
          v_began, v_state.activity_every_s);
      end if;
      -- A project without a cron still lives: the beats themselves run an overdue tick.
      if v_state.overdue then
        perform hp_private.tick_if_overdue(at);
      end if;
    exception when others then
      perform hp_private.note_failure('heartbeat', sqlerrm, at);
    end;
  end if;
  return hp_private.answer_pacing(v_answers, v_pacing);
end
$$;

-- SECURITY DEFINER: a worker may report and nothing else; it has no right on any table. anon may call, and needs a worker's
-- token to be heard.
create or replace function public.hp_heartbeat(beats jsonb) returns jsonb
-- note: plpgsql keeps its plan; a security definer function in sql is planned anew with every call.
language plpgsql security definer set search_path = ''
as $$
declare
  v_pass record;
  v_answers jsonb;
begin
  -- The secret key is told apart here already: it is what most of the traffic of a simple set-up comes with.
  if current_setting('role') = 'service_role' then
    return hp_private.heartbeat(hp_heartbeat.beats, now());
  end if;
  v_pass := hp_private.admit_worker(null, now());
  if v_pass.refused is not null then
    return v_pass.refused;
  end if;
  v_answers := hp_private.heartbeat(hp_heartbeat.beats, now(), v_pass.names_like, v_pass.token_id);
  return coalesce(v_answers,
    hp_private.refuse_name(v_pass.token_id, hp_heartbeat.beats -> 0 ->> 'worker_name', now()));
end
$$;

revoke all on function
  hp_private.refuse_added, hp_private.lock_workers, hp_private.apply_others, hp_private.answer_more, hp_private.call_state,
  hp_private.answer_pacing, hp_private.heartbeat
from public;
revoke all on function public.hp_heartbeat from public, anon, authenticated, service_role;
grant execute on function public.hp_heartbeat to anon, service_role;

comment on function hp_private.refuse_added is 'Refuses beats that would add more than their token may.';
comment on function hp_private.lock_workers is 'Makes the workers of new names and locks all workers of a request, in the order of their names.';
comment on function hp_private.apply_others is 'Applies the beats that apply_steady() left, or refuses them.';
comment on function hp_private.answer_more is 'Takes what beats bring besides, and adds to the answers what waits for their workers.';
comment on function hp_private.call_state is 'What a call of workers needs to know of the monitor and the settings.';
comment on function hp_private.answer_pacing is 'The answers as JSON, with how often activity may change.';
comment on function hp_private.heartbeat is 'hp_heartbeat at a given time, for names that are like something, with a worker token.';
comment on function public.hp_heartbeat is 'Reports of workers: an array of 1 to 1000 beats in, an answer per beat out. Errors: PT400 not such an array, 401 and 403 by response.status.';
