-- What workers call. An array of beats in, an answer per beat out, in the same order; the format is docs/wire.md.

-- The beats that would add more workers or processes than their token may, the latest in the call first, and their answers.
create or replace function hp_private.refuse_added(
  token_id bigint, beats hp_private.beat[], answers jsonb[], at timestamptz
) returns table (place bigint, answer jsonb)
language plpgsql set search_path = ''
as $$
declare
  v_names text[];
  v_instances uuid[];
  v_over record;
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
  return query
    select b.ordinality, jsonb_build_object('worker_name', b.worker_name, 'ok', false, 'error', case
      when b.worker_name = any (v_names) then hp_private.beat_error('worker_name', format(
        'is new, and its worker token has added as many workers as it may within an hour, %s '
        '(setting token_new_names_per_hour)', coalesce(hp_private.setting('token_new_names_per_hour'), 1000)))
      else hp_private.beat_error('instance_id', format(
        'is new, and its worker token has added as many processes as it may within an hour, %s '
        '(setting token_new_processes_per_hour)', coalesce(hp_private.setting('token_new_processes_per_hour'), 5000)))
    end)
    from unnest(beats) with ordinality b
    where answers[b.ordinality] is null and (b.worker_name = any (v_names) or b.instance_id = any (v_instances));
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
  v_count integer;
  v_beats hp_private.beat[];
  v_errors jsonb[];
  v_answers jsonb[];
  v_names text[];
  v_distinct integer;
  v_leases boolean;
  v_more boolean;
  v_monitor record;
  v_pacing jsonb := '{}';
  v_left integer;
  v_place bigint;
  v_answer jsonb;
  v_misplaced boolean := false;
begin
  if jsonb_typeof(raw) is distinct from 'array' then
    raise exception 'beats is %; it must be an array of 1 to 1000 beats', coalesce(jsonb_typeof(raw), 'missing')
      using errcode = 'PT400';
  end if;
  v_count := jsonb_array_length(raw);
  if v_count not between 1 and 1000 then
    raise exception 'beats holds % beats; it must hold 1 to 1000', v_count using errcode = 'PT400';
  end if;

  select p.tick_at, p.viewed_until, p.activity_every_s, p.stretch, p.followed_until,
    -- By the partial index of open commands: as fast as a flag.
    exists (select from public.hp_worker_command c where c.open) as commands_open,
    (select jsonb_object_agg(g.worker_type, g.heartbeat_interval_s) from public.hp_worker_group g
      where g.heartbeat_interval_s is not null) as group_intervals
  into v_monitor
  from hp_private.monitor p;
  select r.beats, r.errors into v_beats, v_errors from hp_private.read_beats(raw) r;
  select array_agg(b.worker_name), count(distinct b.worker_name), bool_or(b.leases is not null),
    bool_or(b.commands is not null or b.logs is not null)
  into v_names, v_distinct, v_leases, v_more
  from unnest(v_beats) with ordinality b where v_errors[b.ordinality] is null;

  -- A misplaced name must not cost the others of its process. Looking through the names is cheap; through the beats not.
  if names_like is not null then
    if v_errors is null and v_count = 1 then
      v_misplaced := v_names[1] not like names_like;
    else
      v_misplaced := v_errors is not null or exists (select from unnest(v_names) n where n not like names_like);
    end if;
  end if;
  if v_misplaced then
    v_left := v_count;
    for v_place in
      select b.ordinality from unnest(v_beats) with ordinality b where b.worker_name not like names_like
    loop
      v_errors[v_place] := hp_private.beat_error('worker_name',
        format('is outside of what the worker token is for, %s', replace(names_like, '\_', '_')));
      v_left := v_left - 1;
    end loop;
    if v_left = 0 then
      return null;
    end if;
    select array_agg(b.worker_name), count(distinct b.worker_name), bool_or(b.leases is not null),
      bool_or(b.commands is not null or b.logs is not null)
    into v_names, v_distinct, v_leases, v_more
    from unnest(v_beats) with ordinality b where v_errors[b.ordinality] is null;
  end if;

  -- Everyone who writes several workers locks them in the order of their names (unsorted: 11 to 16 deadlocks in 6 s).
  if v_count > 1 then
    perform from public.hp_worker_status w where w.worker_name = any (v_names)
    order by w.worker_name for no key update;
  end if;

  v_answers := array_fill(null::jsonb, array[v_count]);
  v_left := v_count;
  if v_errors is not null then
    for v_place in select g from generate_series(1, v_count) g where v_errors[g] is not null loop
      v_answers[v_place] := jsonb_build_object(
        'worker_name', (v_beats[v_place]).worker_name, 'ok', false, 'error', v_errors[v_place]);
      v_beats[v_place] := null;
      v_left := v_left - 1;
    end loop;
  end if;

  -- A worker that is twice in one call takes the slow way below, one beat after the other.
  if v_distinct = cardinality(v_names) then
    for v_place, v_answer in select a.place, a.answer from hp_private.apply_beats(
        v_beats, at, coalesce(v_monitor.stretch, 1), v_monitor.group_intervals) a
    loop
      v_answers[v_place] := v_answer;
      v_left := v_left - 1;
    end loop;
  end if;
  -- Workers and processes that are new, of which a token may add so many. Only beats that hold no row come this far.
  if v_left > 0 and token_id is not null then
    for v_place, v_answer in select r.place, r.answer from hp_private.refuse_added(token_id, v_beats, v_answers, at) r loop
      v_answers[v_place] := v_answer;
      v_beats[v_place] := null;
      v_left := v_left - 1;
    end loop;
  end if;
  if v_left > 0 then
    for v_place in
      select b.ordinality from unnest(v_beats) with ordinality b
      where v_answers[b.ordinality] is null order by b.worker_name, b.ordinality
    loop
      v_answers[v_place] := hp_private.admit_beat(
        v_beats[v_place], at, coalesce(v_monitor.stretch, 1), v_monitor.group_intervals);
    end loop;
  end if;

  if v_leases then
    v_answers := hp_private.answer_leases(v_beats, v_answers, at);
  end if;
  if v_more then
    v_answers := hp_private.store_logs(v_beats, v_answers, at);
    v_answers := hp_private.take_reports(v_beats, v_answers, at);
  end if;
  if v_monitor.commands_open then
    v_answers := hp_private.answer_commands(v_beats, v_answers, at);
  end if;
  if v_monitor.followed_until > at then
    v_answers := hp_private.answer_followed(v_beats, v_answers, v_monitor.activity_every_s, at);
    if v_more then
      perform hp_private.send_logs(v_names, at);
    end if;
  end if;

  if v_monitor.viewed_until > at then
    v_pacing := hp_private.send_changes(v_names, v_began, v_monitor.activity_every_s);
  end if;
  -- A project without a cron still lives: the beats themselves run an overdue tick.
  perform hp_private.tick_if_overdue(v_monitor.tick_at, at);

  return (
    select jsonb_agg(case when (u.answer ->> 'ok')::boolean then u.answer || v_pacing else u.answer end order by u.place)
    from unnest(v_answers) with ordinality u (answer, place));
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

revoke all on function hp_private.refuse_added, hp_private.heartbeat from public;
revoke all on function public.hp_heartbeat from public, anon, authenticated, service_role;
grant execute on function public.hp_heartbeat to anon, service_role;

comment on function hp_private.refuse_added is 'Beats that would add more than their token may, by their places, with their answers.';
comment on function hp_private.heartbeat is 'hp_heartbeat at a given time, for names that are like something, with a worker token.';
comment on function public.hp_heartbeat is 'Reports of workers: an array of 1 to 1000 beats in, an answer per beat out. Errors: PT400 not such an array, 401 and 403 by response.status.';
