-- A page that shows one worker hears more of it: its log, its events, its commands, on the worker's own channel
-- hp:worker:<worker_name>, members only (the policy stands with the fleet's). Nothing is sent there unless somebody said in
-- the last 150 s that they look. What is sent is a hint: a page asks for what it missed.
create table if not exists hp_private.followed_worker (
  worker_name text
    constraint followed_worker_pkey primary key,
  until timestamptz not null,
  log_id bigint not null default 0,
  sent_at timestamptz not null default '-infinity'
);

alter table hp_private.followed_worker enable row level security;
revoke all on table hp_private.followed_worker from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the functions below use it.

comment on table hp_private.followed_worker is 'Workers of which somebody looks at the page.';
comment on column hp_private.followed_worker.worker_name is 'The worker.';
comment on column hp_private.followed_worker.until is 'Until when somebody looks.';
comment on column hp_private.followed_worker.log_id is 'Last line of its log that was told.';
comment on column hp_private.followed_worker.sent_at is 'When lines were last told.';

-- SECURITY DEFINER: a viewer may say that it looks at a worker and may write nothing else. A worker that nobody followed
-- is nudged, so that it learns at once that its log is wanted.
create or replace function public.hp_watch_worker(worker_name text) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_until constant timestamptz :=
    now() + make_interval(secs => coalesce(hp_private.setting('watch_lasts_s'), 150)::double precision);
  v_worker public.hp_worker_status;
  v_before timestamptz;
  v_log_id bigint;
begin
  if hp_private.asks_as() = 'stranger' then
    raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403';
  end if;
  select * into v_worker from public.hp_worker_status w where w.worker_name = hp_watch_worker.worker_name;
  if not found then
    raise exception 'there is no worker named %', left(hp_watch_worker.worker_name, 128) using errcode = 'PT404';
  end if;
  select f.until into v_before from hp_private.followed_worker f where f.worker_name = v_worker.worker_name;
  select coalesce(max(l.id), 0) into v_log_id from public.hp_worker_log l where l.worker_name = v_worker.worker_name;
  insert into hp_private.followed_worker as f (worker_name, until, log_id) values (v_worker.worker_name, v_until, v_log_id)
  on conflict on constraint followed_worker_pkey do update set until = excluded.until,
    -- What came while nobody looked is not told.
    log_id = case when f.until <= now() then excluded.log_id else f.log_id end;
  update hp_private.pulse p set followed_until = v_until where p.id;
  if coalesce(v_before, '-infinity') <= now() and v_worker.instance_id is not null
    and hp_private.instance_lease(v_worker.worker_name, v_worker.instance_id) > now()
  then
    perform realtime.send('{}', 'nudge', 'hp:nudge:' || v_worker.instance_id, true);
  end if;
  return jsonb_build_object('now', now(), 'watched_until', v_until);
end
$$;

-- One message a second of a worker at most. Few lines are in it; of many only that they are there (4 KB at most: broadcasts
-- are rows that are kept for days), and then the page asks for them.
create or replace function hp_private.send_logs(names text[], at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_followed record;
  v_lines jsonb;
begin
  for v_followed in
    select f.worker_name, f.log_id, l.last_id
    from hp_private.followed_worker f
    cross join lateral (
      select max(k.id) as last_id from public.hp_worker_log k where k.worker_name = f.worker_name) l
    where f.until > at and f.sent_at <= at - interval '1 second' and l.last_id > f.log_id
      and (names is null or f.worker_name = any (names))
    order by f.worker_name for no key update of f skip locked
  loop
    -- The store of activity is not asked: who follows one log wants to, and is told more rarely when this one is used up.
    exit when not hp_private.take_message('log',
      coalesce(hp_private.setting('activity_store'), 600)::double precision,
      1 / greatest(coalesce(hp_private.setting('activity_refill_s'), 10), 0.1)::double precision, '0', at);
    select jsonb_agg(jsonb_build_object('id', l.id, 'at', l.at, 'level', l.level, 'message', l.message,
        'instance_id', l.instance_id, 'line', l.line)
        || case when l.dropped > 0 then jsonb_build_object('dropped', l.dropped) else '{}' end order by l.id)
    into v_lines
    from (
      select k.* from public.hp_worker_log k
      where k.worker_name = v_followed.worker_name and k.id > v_followed.log_id order by k.id limit 101
    ) l;
    update hp_private.followed_worker f set log_id = v_followed.last_id, sent_at = at
    where f.worker_name = v_followed.worker_name;
    perform realtime.send(
      jsonb_build_object('after', v_followed.log_id, 'to', v_followed.last_id)
        || case
          when jsonb_array_length(v_lines) <= 100 and octet_length(v_lines::text) <= 4000
            then jsonb_build_object('lines', v_lines)
          else '{}'
        end,
      'log', 'hp:worker:' || v_followed.worker_name, true);
  end loop;
end
$$;

-- Tells who looks at a worker of something that it is as well to know at once, where the store of transitions lasts.
create or replace function hp_private.tell_follower(worker_name text, event text, payload jsonb) returns void
language plpgsql set search_path = ''
as $$
begin
  if exists (select from hp_private.followed_worker f where f.worker_name = tell_follower.worker_name and f.until > now())
    and hp_private.take_message('transition',
      coalesce(hp_private.setting('transition_store'), 20)::double precision,
      coalesce(hp_private.setting('transition_refill_per_s'), 5)::double precision, '0', clock_timestamp())
  then
    perform realtime.send(payload, event, 'hp:worker:' || tell_follower.worker_name, true);
  end if;
end
$$;

create or replace function hp_private.tg_hp_worker_event__tell() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.worker_name is not null and exists (select from hp_private.pulse p where p.followed_until > now()) then
    perform hp_private.tell_follower(new.worker_name, 'event', jsonb_build_object('event', jsonb_strip_nulls(to_jsonb(new))));
  end if;
  return null;
end
$$;

create or replace function hp_private.tg_hp_worker_command__tell() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.worker_name is not null and exists (select from hp_private.pulse p where p.followed_until > now()) then
    perform hp_private.tell_follower(new.worker_name, 'command',
      jsonb_build_object('command', hp_private.command_state(new, null) - 'requested_by'));
  end if;
  return null;
end
$$;

create or replace trigger _900_tell after insert on public.hp_worker_event
  for each row execute function hp_private.tg_hp_worker_event__tell();
create or replace trigger _900_tell_asked after insert on public.hp_worker_command
  for each row execute function hp_private.tg_hp_worker_command__tell();
create or replace trigger _900_tell_moved after update on public.hp_worker_command
  for each row when (old.state is distinct from new.state or old.instance_ended_at is distinct from new.instance_ended_at)
  execute function hp_private.tg_hp_worker_command__tell();

-- Adds to the answers of beats of workers whose log somebody follows how often it is wanted.
create or replace function hp_private.answer_followed(
  beats hp_private.beat[], answers jsonb[], every_s double precision, at timestamptz
) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
begin
  for v_place in
    select b.ordinality from unnest(beats) with ordinality b
    join hp_private.followed_worker f on f.worker_name = b.worker_name and f.until > answer_followed.at
    where (answer_followed.answers[b.ordinality] ->> 'ok')::boolean
  loop
    answers[v_place] := answers[v_place] || jsonb_build_object('logs_every_s', every_s);
  end loop;
  return answers;
end
$$;

-- The tick's part: what the last beats of a second left untold, and who does not look any more.
create or replace function hp_private.follow_workers(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.send_logs(null, at);
  delete from hp_private.followed_worker f where f.until <= at - interval '1 hour';
end
$$;

revoke all on function public.hp_watch_worker(text) from public, anon, authenticated, service_role;
revoke all on function hp_private.send_logs(text[], timestamptz) from public;
revoke all on function hp_private.tell_follower(text, text, jsonb) from public;
revoke all on function hp_private.tg_hp_worker_event__tell() from public;
revoke all on function hp_private.tg_hp_worker_command__tell() from public;
revoke all on function hp_private.answer_followed(hp_private.beat[], jsonb[], double precision, timestamptz) from public;
revoke all on function hp_private.follow_workers(timestamptz) from public;
grant execute on function public.hp_watch_worker(text) to authenticated, service_role;

comment on function public.hp_watch_worker(text) is 'Says that somebody looks at a worker; its channel speaks only then. Call once a minute. Errors: PT403 not a member, PT404 no such worker.';
comment on function hp_private.send_logs(text[], timestamptz) is 'Tells new lines of these workers, or of all, to who follows them.';
comment on function hp_private.tell_follower(text, text, jsonb) is 'Sends one message on a worker''s channel, where somebody looks.';
comment on function hp_private.tg_hp_worker_event__tell() is 'Tells who looks at a worker of its new event.';
comment on function hp_private.tg_hp_worker_command__tell() is 'Tells who looks at a worker of a command that was asked for or moved on.';
comment on function hp_private.answer_followed(hp_private.beat[], jsonb[], double precision, timestamptz) is 'Adds to the answers of beats how often the lines of a followed log are wanted.';
comment on function hp_private.follow_workers(timestamptz) is 'Tells lines that are untold; forgets who does not look any more.';
