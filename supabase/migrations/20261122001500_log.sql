-- The last lines of each worker's log, kept to be looked at when something went wrong, and no more than that. They come with
-- beats; a line is known by its process and its number there, so that one that is sent again is not stored twice. A missing
-- number is a line that was dropped.
create table if not exists public.hp_worker_log (
  id bigint generated always as identity
    constraint hp_worker_log_pkey primary key,
  worker_name text not null,
  instance_id uuid not null,
  line bigint not null,
  at timestamptz not null,
  level text not null
    constraint hp_worker_log_level_check check (level = any (hp_private.log_levels())),
  message text not null,
  dropped bigint not null default 0
);

create index if not exists hp_worker_log_worker_name_idx on public.hp_worker_log (worker_name, id desc);

alter table public.hp_worker_log enable row level security;

drop policy if exists "members read every log" on public.hp_worker_log;
create policy "members read every log" on public.hp_worker_log
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_log;
create policy "only members, whatever else is allowed" on public.hp_worker_log as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_log from anon, authenticated, service_role;
grant select on table public.hp_worker_log to authenticated, service_role;
-- note: only the functions of the heartbeat write here.

comment on table public.hp_worker_log is 'Last lines of each worker''s log; the settings log_lines, log_days and logs_mb limit it.';
comment on column public.hp_worker_log.id is 'Order of arrival.';
comment on column public.hp_worker_log.worker_name is 'The worker. No foreign key: the log of a replica outlives it, for as many days as logs are kept.';
comment on column public.hp_worker_log.instance_id is 'The process that wrote it.';
comment on column public.hp_worker_log.line is 'Its number, from the start of that process.';
comment on column public.hp_worker_log.at is 'When it was written, by the server''s clock.';
comment on column public.hp_worker_log.level is 'debug, info, warn or error.';
comment on column public.hp_worker_log.message is 'The line.';
comment on column public.hp_worker_log.dropped is 'How many lines of that process are missing before it.';

insert into public.hp_setting (key, value, description) values
  ('log_lines', '500', 'Lines of its log that are kept of each worker.'),
  ('log_days', '7', 'Days for which lines of logs are kept.'),
  ('logs_mb', '50', 'Megabytes that the logs of all workers may hold together; the oldest lines go first.')
on conflict (key) do nothing;

-- Only the first 100 lines and 64 KB of a beat are taken; the answer gives the last line that was taken, and the worker sends the
-- rest again. A line that can't be read is left out, and the answer names it: it must cost neither the beat nor other lines.
create or replace function hp_private.read_logs(
  logs jsonb, after bigint, at timestamptz,
  out lines public.hp_worker_log[], out last_line bigint, out problem jsonb
)
language plpgsql stable set search_path = ''
as $$
declare
  c_ten_years constant bigint := 315360000000;
  -- All lines together first: one by one only where something is wrong.
  v_problems constant boolean := hp_private.json_problem(logs, 262144) is not null;
  v_entry jsonb;
  v_place bigint;
  v_bytes bigint := 0;
  v_before bigint := after;
  v_line bigint;
  v_why text;
  v_read public.hp_worker_log;
begin
  last_line := after;
  if jsonb_typeof(logs) <> 'array' then
    problem := hp_private.beat_error('logs', 'must be an array of [line, age_ms, level, message]');
    return;
  end if;
  for v_entry, v_place in select e.value, e.ordinality from jsonb_array_elements(logs) with ordinality e loop
    v_why := case when v_problems then hp_private.json_problem(v_entry, 65536) end;
    v_bytes := v_bytes + case when v_why is null then octet_length(v_entry::text) else pg_column_size(v_entry) end;
    if v_place > 100 or v_bytes > 65536 then
      problem := coalesce(problem, hp_private.beat_error('logs', format(
        'holds %s lines and %s bytes; at most 100 and 65536: the rest was not taken', jsonb_array_length(logs),
        case when v_problems then pg_column_size(logs) else octet_length(logs::text) end)));
      return;
    end if;

    v_line := case
      when jsonb_typeof(v_entry) = 'array' and jsonb_typeof(v_entry -> 0) = 'number' and v_entry ->> 0 ~ '^[0-9]{1,15}$'
        then (v_entry ->> 0)::bigint
    end;
    v_why := case
      when v_why is not null then v_why
      when coalesce(v_line, 0) < 1 then 'must be [line, age_ms, level, message], line a whole number from 1 up'
      when jsonb_typeof(v_entry -> 1) is distinct from 'number' or v_entry ->> 1 !~ '^[0-9]{1,12}(\.[0-9]+)?$'
        or (v_entry ->> 1)::numeric > c_ten_years then format('age_ms must be from 0 to %s', c_ten_years)
      when coalesce(v_entry ->> 2, '') <> all (hp_private.log_levels()) then 'level must be debug, info, warn or error'
      when jsonb_typeof(v_entry -> 3) is distinct from 'string' then 'message must be a text'
      when char_length(v_entry ->> 3) > 2000 then format('message is %s characters long; at most 2000', char_length(v_entry ->> 3))
    end;
    if v_why is not null then
      problem := coalesce(problem, hp_private.beat_error(format('logs[%s]', v_place - 1), v_why));
    end if;
    -- Sent again, or out of order.
    continue when v_line is null or v_line <= last_line;
    last_line := v_line;
    continue when v_why is not null;

    v_read.line := v_line;
    v_read.at := at - make_interval(secs => (v_entry ->> 1)::double precision / 1000);
    v_read.level := v_entry ->> 2;
    v_read.message := v_entry ->> 3;
    v_read.dropped := v_line - v_before - 1;
    v_before := v_line;
    lines := lines || v_read;
  end loop;
end
$$;

-- Keeps the lines that beats bring, and adds to their answers how far they have come. Workers are locked: no other call
-- stores lines of the same process now. Trimmed with the first lines of an instance, for there may be many with few lines, and
-- with each 50 further lines, so a few more are kept.
create or replace function hp_private.store_logs(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_most constant integer := coalesce(hp_private.setting('log_lines'), 500);
  b hp_private.beat;
  v_place bigint;
  v_instance public.hp_worker_instance;
  v_read record;
begin
  for v_place in
    select u.ordinality from unnest(beats) with ordinality u where u.logs is not null order by u.worker_name, u.ordinality
  loop
    continue when not (answers[v_place] ->> 'ok')::boolean;
    b := beats[v_place];
    select * into v_instance from public.hp_worker_instance i where i.instance_id = b.instance_id;
    continue when not found;
    v_read := hp_private.read_logs(b.logs, v_instance.log_line, at);

    insert into public.hp_worker_log (worker_name, instance_id, line, at, level, message, dropped)
    select b.worker_name, b.instance_id, l.line, l.at, l.level, l.message, l.dropped
    from unnest(v_read.lines) l where v_most > 0 order by l.line;
    if v_read.last_line > v_instance.log_line or b.logs_dropped > v_instance.logs_dropped then
      update public.hp_worker_instance i
      set log_line = v_read.last_line, logs_dropped = greatest(i.logs_dropped, b.logs_dropped)
      where i.instance_id = b.instance_id;
    end if;
    if v_read.last_line > v_instance.log_line and (v_instance.log_line = 0 or v_read.last_line / 50 > v_instance.log_line / 50) then
      delete from public.hp_worker_log l
      where l.worker_name = b.worker_name and l.id <= (
        select k.id from public.hp_worker_log k where k.worker_name = b.worker_name
        order by k.id desc offset v_most limit 1);
    end if;

    answers[v_place] := answers[v_place] || jsonb_build_object('logs_to', v_read.last_line)
      || case when v_read.problem is not null then jsonb_build_object('ignored', v_read.problem) else '{}' end;
  end loop;
  return answers;
end
$$;

-- A level includes what is worse. Lines that a level or a search hides are not dropped; the number of lines that were dropped
-- between two visible ones comes with the second.
create or replace function public.hp_worker_logs(
  worker_name text, most integer default 100, level text default 'debug', search text default null, before bigint default null
) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant integer := least(greatest(coalesce(most, 100), 1), 500);
  v_levels constant text[] := (hp_private.log_levels())[
    coalesce(array_position(hp_private.log_levels(), hp_worker_logs.level), 1):];
  v_search constant text := lower(left(coalesce(hp_worker_logs.search, ''), 200));
begin
  perform hp_private.require_member();
  if hp_worker_logs.level is not null and hp_worker_logs.level <> all (hp_private.log_levels()) then
    raise exception 'level is %; it must be debug, info, warn or error', left(hp_worker_logs.level, 64) using errcode = 'PT400';
  end if;
  return (
    with kept as (
      select l.*, sum(l.dropped) over (partition by l.instance_id order by l.id) as dropped_before
      from public.hp_worker_log l
      where l.worker_name = hp_worker_logs.worker_name and (hp_worker_logs.before is null or l.id < hp_worker_logs.before)
    ),
    found as (
      select k.*, row_number() over (order by k.id desc) as place,
        k.dropped_before - coalesce(lag(k.dropped_before) over (partition by k.instance_id order by k.id),
          k.dropped_before - k.dropped) as dropped_since
      from kept k
      where k.level = any (v_levels) and (v_search = '' or strpos(lower(k.message), v_search) > 0)
    )
    select jsonb_build_object(
      'lines', coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'at', f.at, 'level', f.level, 'message', f.message,
          'instance_id', f.instance_id, 'line', f.line)
          || case when f.dropped_since > 0 then jsonb_build_object('dropped', f.dropped_since) else '{}' end
        order by f.id) filter (where f.place <= v_most), '[]'),
      'more', count(*) > v_most)
    from found f);
end
$$;

-- Old lines, and the oldest of all where they are too many together: by their number, as if all were alike, and 50,000 at
-- once, for the tick waits (2 s for 300,000 of them).
create or replace function hp_private.prune_logs(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_most_bytes constant double precision := coalesce(hp_private.setting('logs_mb'), 50) * 1e6;
  v_kept record;
begin
  update hp_private.monitor p set logs_pruned_at = at where p.id;
  delete from public.hp_worker_log l
  where l.at < prune_logs.at - hp_private.setting_days('log_days', 7);
  -- Asked for exactly only where the table is large, holes and all.
  if pg_total_relation_size('public.hp_worker_log') > v_most_bytes then
    -- 90: the row's head, its numbers and its place in two indexes.
    select count(*) as lines, sum(90 + pg_column_size(l.message) + octet_length(l.worker_name)) as bytes into v_kept
    from public.hp_worker_log l;
    if v_kept.bytes > v_most_bytes then
      delete from public.hp_worker_log l where l.id <= (
        select o.id from public.hp_worker_log o order by o.id
        offset least(50000, floor(v_kept.lines * (1 - v_most_bytes / v_kept.bytes))::bigint) limit 1);
    end if;
  end if;
end
$$;

-- The tick's part: in an hour many workers may log much.
create or replace function hp_private.prune_large_logs(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  if (select (p.logs_pruned_at > at - interval '5 minutes') is not true from hp_private.monitor p)
    and pg_relation_size('public.hp_worker_log') > 2 * coalesce(hp_private.setting('logs_mb'), 50) * 1e6
  then
    perform hp_private.prune_logs(at);
  end if;
end
$$;

revoke all on function
  hp_private.read_logs, hp_private.store_logs, hp_private.prune_logs, hp_private.prune_large_logs
from public;
revoke all on function public.hp_worker_logs from public, anon, authenticated, service_role;
grant execute on function public.hp_worker_logs to authenticated, service_role;

comment on function hp_private.read_logs is 'The lines of a beat after one, how far they go, and what is wrong with the first that can''t be read.';
comment on function hp_private.store_logs is 'Keeps the lines that beats bring; adds to the answers how far.';
comment on function public.hp_worker_logs is 'Last lines of a worker''s log, oldest first: {lines, more}. level: that and worse. before: an id. Errors: PT400 level, PT403 not a member.';
comment on function hp_private.prune_logs is 'Removes lines that are too old, or too many.';
comment on function hp_private.prune_large_logs is 'prune_logs() where the table has grown large since it last ran.';
