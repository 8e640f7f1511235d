-- How commands come to the processes that they are for, and what is heard of them. They travel in the answers to beats, with
-- each answer until the worker speaks of them, and the worker's word comes back in its beats: at least once, both ways.
--
-- Who writes a command holds its worker's row, or skips what is locked (the tick).

-- What can't be read in what a beat says of commands, or null.
create or replace function hp_private.reports_problem(commands jsonb) returns jsonb
language sql immutable set search_path = ''
return case
  when jsonb_typeof(commands) <> 'array' then hp_private.beat_error('commands', 'must be an array of {id, state, message}')
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

-- What beats say of commands. A restart is done when a new process is there, and a stop when the worker has said goodbye:
-- of these "done" means no more than "at it". What comes after the time was over still counts, for it was done.
create or replace function hp_private.take_reports(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_again boolean;
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

  with said as (
    select b.worker_name, b.instance_id, b.status, b.ordinality, r.ordinality as line,
      case when r.value ->> 'id' ~ '^[0-9]{1,18}$' then (r.value ->> 'id')::bigint end as id,
      r.value ->> 'state' as state, left(r.value ->> 'message', 500) as message
    from unnest(take_reports.beats) with ordinality b
    cross join lateral jsonb_array_elements(
      case when jsonb_typeof(b.commands) = 'array' then b.commands else '[]' end) with ordinality r
    where (take_reports.answers[b.ordinality] ->> 'ok')::boolean and r.ordinality <= 100 and jsonb_typeof(r.value) = 'object'
  ),
  last_word as (
    select distinct on (s.id) s.*,
      case
        when s.state = 'done' and exists (select from public.hp_worker_command c
          where c.id = s.id and (c.command = 'restart' or (c.command = 'stop' and s.status <> 'stopped'))) then 'acknowledged'
        else s.state
      end as now_is
    from said s
    where s.id is not null and s.state in ('acknowledged', 'done', 'failed', 'refused')
    order by s.id, s.ordinality desc, s.line desc
  ),
  written as (
    update public.hp_worker_command c set
      state = l.now_is,
      acknowledged_at = case when l.now_is in ('acknowledged', 'done') then coalesce(c.acknowledged_at, at) else c.acknowledged_at end,
      finished_at = case when l.now_is <> 'acknowledged' then at end,
      -- A worker drains for as long as its jobs last.
      expires_at = case when l.now_is = 'acknowledged' then at + interval '1 hour' end,
      message = nullif(coalesce(l.message, case when c.state <> 'expired' then c.message end), '')
    from last_word l
    where c.id = l.id and c.worker_name = l.worker_name and c.instance_id = l.instance_id and c.delivered_at is not null
      and (c.state in ('delivered', 'expired') or (c.state = 'acknowledged' and l.now_is <> 'acknowledged'))
    returning c.state
  )
  select bool_or(w.state = 'acknowledged') into v_again from written w;
  if v_again then
    update hp_private.pulse p set commands_open = true where p.id and not p.commands_open;
  end if;
  return answers;
end
$$;

-- What becomes of the commands of processes that have ended. how: stopped, for one that said goodbye, or crashed.
create or replace function hp_private.settle_commands(instances uuid[], hows text[], ends timestamptz[], at timestamptz) returns void
language sql set search_path = ''
begin atomic
  with open as materialized (
    select c.id, e.how, e.ended_at
    from unnest(instances, hows, ends) e (instance_id, how, ended_at)
    join public.hp_worker_command c on c.instance_id = e.instance_id
    where c.state in ('requested', 'delivered', 'acknowledged') and c.instance_ended_at is null
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
    message = case
      when c.state = 'requested' then 'the process ended before it heard of it'
      when c.command = 'restart' then case when o.how = 'stopped' then 'it has ended; waiting for a new instance'
        else 'it ended without a goodbye; waiting for a new instance' end
      when c.command = 'stop' and o.how = 'stopped' then c.message
      when c.command = 'stop' then 'it ended without a goodbye'
      else 'the process ended before it was done'
    end
  from open o where c.id = o.id;
end;

-- A new process has taken a worker's row: what was asked of the one before it has come about.
create or replace function hp_private.note_successor(successor public.hp_worker_instance, at timestamptz) returns void
-- note: plpgsql, for it keeps its plan: every new process comes by here.
language plpgsql set search_path = ''
as $$
begin
  update public.hp_worker_command c set
    state = 'done', finished_at = at, new_instance_id = successor.instance_id, expires_at = null,
    acknowledged_at = coalesce(c.acknowledged_at, at),
    message = case when c.state = 'failed'
      then format('a new instance has come, %s after the old one ended', hp_private.in_words(at - c.instance_ended_at))
      else 'a new instance has come' end
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
      where c.state in ('requested', 'delivered') and c.expires_at > answer_commands.at
        and (answer_commands.answers[b.ordinality] ->> 'ok')::boolean and b.status not in ('stopped', 'crashed')
      -- What is locked is being expired by the tick, or is told by the next beat.
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

-- What the tick does: commands that nobody hears expire, those whose process is gone are settled, and a restart after which
-- none came has failed. Then beats need not look any more, where none is open.
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
    cross join hp_private.pulse p
    left join public.hp_worker_status w on w.worker_name = c.worker_name
    left join public.hp_worker_instance i on i.instance_id = c.instance_id
    cross join lateral (
      select
        case
          -- Its own last words; or silence, of which judge_silence() knows whether it is ours. A stop by hand is neither.
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
    where c.state in ('requested', 'delivered', 'acknowledged') and c.instance_ended_at is null and g.how is not null
  ) e;
  if v_ended.instances is not null then
    perform hp_private.settle_commands(v_ended.instances, v_ended.hows, v_ended.ends, at);
  end if;

  with late as materialized (
    select c.id from public.hp_worker_command c
    where c.state in ('requested', 'delivered', 'acknowledged') and c.expires_at <= at
    order by c.id for update skip locked
  )
  update public.hp_worker_command c set
    state = case when c.state = 'acknowledged' then 'failed' else 'expired' end, finished_at = at, expires_at = null,
    message = case
      when c.state = 'requested' then 'it was not heard in ' || hp_private.in_words(at - c.requested_at)
      when c.state = 'delivered' then 'it was delivered, but the worker said nothing of it'
      when c.instance_ended_at is not null then
        format('it ended %s ago, and no new instance came', hp_private.in_words(at - c.instance_ended_at))
      else format('it began %s ago, and is not done', hp_private.in_words(at - c.acknowledged_at))
    end
  from late l where c.id = l.id;

  -- Under the lock of those who ask, in a statement of its own: none can come unseen.
  if pg_try_advisory_xact_lock(hashtext('hp_worker_command'), 0) then
    update hp_private.pulse p set commands_open = false
    where p.id and p.commands_open and not exists (
      select from public.hp_worker_command c where c.state in ('requested', 'delivered', 'acknowledged'));
  end if;
end
$$;

revoke all on function hp_private.reports_problem(jsonb) from public;
revoke all on function hp_private.take_reports(hp_private.beat[], jsonb[], timestamptz) from public;
revoke all on function hp_private.settle_commands(uuid[], text[], timestamptz[], timestamptz) from public;
revoke all on function hp_private.note_successor(public.hp_worker_instance, timestamptz) from public;
revoke all on function hp_private.answer_commands(hp_private.beat[], jsonb[], timestamptz) from public;
revoke all on function hp_private.follow_commands(timestamptz) from public;

comment on function hp_private.reports_problem(jsonb) is 'What can''t be read in the reports of a beat, or null.';
comment on function hp_private.take_reports(hp_private.beat[], jsonb[], timestamptz) is 'Takes down what beats say of commands; adds to the answers what could not be read.';
comment on function hp_private.settle_commands(uuid[], text[], timestamptz[], timestamptz) is 'Settles the open commands of processes that have ended: how, and when.';
comment on function hp_private.note_successor(public.hp_worker_instance, timestamptz) is 'A restart is done: another process has the worker''s row.';
comment on function hp_private.answer_commands(hp_private.beat[], jsonb[], timestamptz) is 'Adds to the answers of beats the commands of their processes.';
comment on function hp_private.follow_commands(timestamptz) is 'Expires commands that nobody heard, follows those that somebody did.';
