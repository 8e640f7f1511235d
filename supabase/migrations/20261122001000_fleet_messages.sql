-- Messages to open pages. The table is the truth, a message is a hint: realtime.send may lose one without an error,
-- and a viewer finds that out by revision and header.

-- Splits the lists of a message into chunks of about 180 kB and sends them: with its envelope each stays
-- under 200 kB, and a free plan refuses 256. beats holds tuples as text, of which there may be thousands: JSON that is joined
-- as text and read once takes half the time of JSON that is built value by value. Returns how many bytes they are in memory.
create or replace function hp_private.send_fleet(
  event text, header jsonb, workers jsonb[], beats text[], groups jsonb[] default null
) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_chunks jsonb[];
begin
  with item as (
    select 'workers' as list, u.value::text, u.place from unnest(workers) with ordinality u (value, place)
    union all
    select 'beats', u.value, u.place from unnest(beats) with ordinality u (value, place)
    union all
    select 'groups', u.value::text, u.place from unnest(groups) with ordinality u (value, place)
  ),
  placed as (
    select i.*,
      sum(octet_length(i.value) + 2) over (order by i.list, i.place rows unbounded preceding) / 180000 as chunk
    from item i
  ),
  listed as (
    select p.chunk, p.list, string_agg(p.value, ',' order by p.place) as items from placed p group by p.chunk, p.list
  ),
  chunked as (
    select l.chunk, concat('{', string_agg(concat('"', l.list, '":[', l.items, ']'), ','), '}')::jsonb as body
    from listed l group by l.chunk
  )
  select array_agg(c.body order by c.chunk) into v_chunks from chunked c;

  v_chunks := coalesce(v_chunks, array['{}'::jsonb]);
  for v_part in 1 .. cardinality(v_chunks) loop
    perform realtime.send(
      v_chunks[v_part]
        || jsonb_build_object('part', v_part, 'parts', cardinality(v_chunks))
        || case when header is null then '{}' else jsonb_build_object('header', header) end,
      event, 'hp:fleet', true);
  end loop;
  return (select sum(pg_column_size(u.chunk)) from unnest(v_chunks) u (chunk));
end
$$;

-- The full state of some workers, at once.
create or replace function hp_private.send_transition(names text[]) returns void
language plpgsql set search_path = ''
as $$
declare
  v_workers jsonb[];
begin
  select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_id) into v_workers
  from hp_private.worker_state s where s.worker_name = any (names);
  perform hp_private.send_fleet('transition', null, v_workers, null);
end
$$;

-- Who beat and what changed since a time. `since` lies a while before the last such message, because
-- transactions don't commit in the order of their clocks (a cursor missed 958 of 2.6 million).
create or replace function hp_private.send_digest(event text, since timestamptz, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_header jsonb;
  v_workers jsonb[];
  v_beats text[];
  v_groups jsonb[];
  v_now constant double precision := date_part('epoch', at);
begin
  -- One statement, so that the header and all lists are of one snapshot. Its expressions are written out: a function with a
  -- search_path of its own is not inlined, and date_part is four times as quick as extract.
  with recent as materialized (
    select w.worker_name, w.worker_id, w.updated_at > send_digest.since as changed,
      concat('[', w.worker_id, ',', w.revision, ',',
        array_position(array[
          'unknown', 'starting', 'idle', 'processing', 'running', 'error', 'stopping', 'stopped', 'crashed'], w.status) - 1, ',',
        coalesce(((v_now - date_part('epoch', w.last_heartbeat)) * 1000)::bigint::text, 'null'), ',',
        w.jobs_processed, ',', w.error_count, ',', w.jobs_active, ',',
        coalesce(((v_now - date_part('epoch', w.last_run_at)) * 1000)::bigint::text, 'null'), ',',
        coalesce(w.processed_count::text, 'null'), ',', coalesce(w.last_run_errors::text, 'null'),
        case
          when w.activity_seen_at > send_digest.since then concat(',',
            coalesce(((v_now - date_part('epoch', w.status_updated_at)) * 1000)::bigint::text, 'null'), ',',
            coalesce(to_json(w.current_status)::text, 'null'), ',', coalesce(to_json(w.current_job_id)::text, 'null'), ',',
            coalesce(to_json(w.current_job_type)::text, 'null'))
        end, ']') as beat
    from public.hp_worker_status w
    where w.last_heartbeat > send_digest.since or w.updated_at > send_digest.since
  )
  select hp_private.fleet_header(send_digest.at),
    (select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_id) from hp_private.worker_state s
      -- By the index: mostly none has changed, or a few.
      where s.worker_name = any ((select array_agg(r.worker_name) from recent r where r.changed)::text[])),
    (select array_agg(r.beat order by r.worker_id) from recent r where not r.changed),
    (select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_type)
      from hp_private.group_state s join public.hp_worker_group g using (worker_type)
      where g.updated_at > send_digest.since)
  into v_header, v_workers, v_beats, v_groups;
  perform hp_private.count_message(event, hp_private.send_fleet(event, v_header, v_workers, v_beats, v_groups));
end
$$;

revoke all on function hp_private.send_fleet(text, jsonb, jsonb[], text[], jsonb[]) from public;
revoke all on function hp_private.send_transition(text[]) from public;
revoke all on function hp_private.send_digest(text, timestamptz, timestamptz) from public;

comment on function hp_private.send_fleet(text, jsonb, jsonb[], text[], jsonb[]) is 'Sends one message of docs/wire.md, in chunks. Returns their size in memory, without the header.';
comment on function hp_private.send_transition(text[]) is 'Tells open pages the full state of these workers.';
comment on function hp_private.send_digest(text, timestamptz, timestamptz) is 'Tells open pages what happened since a time; event is digest or activity.';

-- An edit of groups is told at once, however many one statement edits; where the store of messages is used up, with the
-- next digest. A group that is gone is told by its name and last revision alone.
create or replace function hp_private.tg_hp_worker_group__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_groups jsonb[];
begin
  if not exists (select from hp_private.pulse p where p.watched_until > now()) then
    return null;
  end if;
  if tg_op = 'DELETE' then
    select array_agg(jsonb_build_object('worker_type', g.worker_type, 'revision', g.revision, 'gone', true))
    into v_groups from gone g;
  else
    select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_type) into v_groups
    from hp_private.group_state s where s.worker_type in (select e.worker_type from edited e);
  end if;
  if v_groups is not null and hp_private.take_message('transition',
    coalesce(hp_private.setting('transition_store'), 20)::double precision,
    coalesce(hp_private.setting('transition_refill_per_s'), 5)::double precision, '0', clock_timestamp())
  then
    perform hp_private.send_fleet('transition', null, null, null, v_groups);
  end if;
  return null;
end
$$;

revoke all on function hp_private.tg_hp_worker_group__send() from public;

comment on function hp_private.tg_hp_worker_group__send() is 'Tells open pages of groups that were added, edited or removed.';

-- note: a trigger with a transition table may have one event only.
create or replace trigger _900_send_added after insert on public.hp_worker_group
  referencing new table as edited for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_send_edited after update on public.hp_worker_group
  referencing new table as edited for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_send_removed after delete on public.hp_worker_group
  referencing old table as gone for each statement execute function hp_private.tg_hp_worker_group__send();

-- The only thing that may be declared in the realtime schema of a hosted project: who may listen.
-- One policy for all that somebody who is signed in may hear; the nudge of a process says nothing, so nobody need be a member.
drop policy if exists "members listen to the fleet" on realtime.messages;
create policy "members listen to the fleet" on realtime.messages
  for select to authenticated using (
    realtime.messages.extension = 'broadcast'
    and (
      ((select realtime.topic()) = 'hp:fleet' and (select hp_private.is_member()))
      or ((select realtime.topic()) like 'hp:worker:%' and (select hp_private.is_member()))
      or (select realtime.topic()) like 'hp:nudge:%'
    )
  );

-- A worker listens with the publishable key, and comes as nobody in particular.
drop policy if exists "workers listen for their nudge" on realtime.messages;
create policy "workers listen for their nudge" on realtime.messages
  for select to anon using (
    realtime.messages.extension = 'broadcast'
    and (select realtime.topic()) like 'hp:nudge:%'
  );
-- note: no insert policy; only the database speaks on these channels.
