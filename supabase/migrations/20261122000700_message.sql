-- Messages to open pages: what they may hold, what they may cost, and who may receive them. The table is the truth, a message
-- is a hint: realtime.send may lose one without an error, and a viewer finds that out by revision and header.

insert into public.hp_setting (key, value, description) values
  ('digest_every_s', '10', 'Seconds between two digests to open pages.'),
  ('activity_store', '600', 'Activity messages that may be sent one a second before the rate falls to the refill.'),
  ('activity_refill_s', '10', 'Seconds in which one activity message is added to the store.'),
  ('messages_mb', '100', 'Megabytes that activity and digests may take in realtime.messages, which keeps up to four days of them.'),
  ('transition_store', '20', 'Transitions that may be sent at once before they are joined.'),
  ('transition_refill_per_s', '5', 'Transition messages added to their store a second.')
on conflict (key) do nothing;

-- Broadcasts are rows, metered, and a channel closes above 100 messages a second: a store per kind of message.
create table if not exists hp_private.message_budget (
  kind text
    constraint message_budget_pkey primary key
    constraint message_budget_kind_check check (kind in ('transition', 'activity', 'log')),
  stored double precision not null,
  filled_at timestamptz not null,
  sent_at timestamptz not null,
  bytes bigint not null default 0
) with (fillfactor = 50);

insert into hp_private.message_budget (kind, stored, filled_at, sent_at)
values ('transition', 0, '-infinity', '-infinity'), ('activity', 0, '-infinity', '-infinity'),
  ('log', 0, '-infinity', '-infinity')
on conflict (kind) do nothing;

alter table hp_private.message_budget enable row level security;

revoke all on table hp_private.message_budget from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the functions that send use it.

comment on table hp_private.message_budget is 'How many messages of a kind may still be sent at once.';
comment on column hp_private.message_budget.kind is 'Kind of message.';
comment on column hp_private.message_budget.stored is 'Messages in store at filled_at.';
comment on column hp_private.message_budget.filled_at is 'When stored was last worked out; -infinity before the first message, when the store is full.';
comment on column hp_private.message_budget.sent_at is 'When the last message of the kind was sent.';
comment on column hp_private.message_budget.bytes is 'How large the last digest or activity message was in memory.';

-- Takes one message out of a store, where there is one. The row is read without a lock and changed by compare-and-swap
-- under a try-lock, so that beats never wait for each other here (16 clients: 14,200 beats a second; with
-- select for update 4,900). Call it after all worker rows are written.
create or replace function hp_private.take_message(
  kind text, capacity double precision, per_second double precision, spacing interval, at timestamptz
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_budget hp_private.message_budget;
  v_stored double precision;
begin
  select * into v_budget from hp_private.message_budget b where b.kind = take_message.kind;
  v_stored := case
    when isfinite(v_budget.filled_at) then least(capacity, v_budget.stored
      + per_second * greatest(0, extract(epoch from at - v_budget.filled_at)::double precision))
    else capacity
  end;
  if at - spacing < v_budget.sent_at or v_stored < 1
    or not pg_try_advisory_xact_lock(hashtext('hp_private.message_budget'), hashtext(take_message.kind))
  then
    return false;
  end if;
  update hp_private.message_budget b
  set stored = v_stored - 1, filled_at = take_message.at, sent_at = take_message.at
  where b.kind = take_message.kind
    and b.sent_at = v_budget.sent_at and b.filled_at = v_budget.filled_at and b.stored = v_budget.stored;
  return found;
end
$$;

create or replace function hp_private.take_transition() returns boolean
language sql set search_path = ''
return hp_private.take_message('transition', coalesce(hp_private.setting('transition_store'), 20)::double precision,
  coalesce(hp_private.setting('transition_refill_per_s'), 5)::double precision, '0', clock_timestamp());

-- Seconds that lie between two messages as large as the last one, where nothing else hurries: as often as the digest, or
-- as rarely as the room for messages demands, but soon enough for a page, which calls itself not live after 25 s.
create or replace function hp_private.message_every_s(bytes bigint) returns double precision
language sql stable set search_path = ''
return greatest(
  coalesce(nullif(hp_private.setting('digest_every_s'), 0), 10)::double precision,
  -- 0.6: PostgreSQL compresses more than half of it away, and adds TOAST and two indexes. Partitions of four days are kept.
  least(20, bytes * 0.6 * 4 * 86400 / (greatest(coalesce(hp_private.setting('messages_mb'), 100), 1) * 1e6)));

-- Whether a page waits for a digest: an activity message is one too. Half a tick early is on time: the two periods are
-- rarely in step.
create or replace function hp_private.digest_due(digest_at timestamptz, tick_every interval, at timestamptz) returns boolean
language sql stable set search_path = ''
return (
  select coalesce(greatest(digest_due.digest_at, b.sent_at)
    <= digest_due.at - make_interval(secs => hp_private.message_every_s(b.bytes)) + least(tick_every / 2, interval '2.5 seconds'), true)
  from hp_private.message_budget b where b.kind = 'activity'
);

-- Notes how large an activity message or a digest was. A digest is sent without asking the store, and
-- taken from it afterwards, so that both together are no more than it allows. Doesn't wait for locks.
create or replace function hp_private.count_message(event text, bytes bigint) returns void
language plpgsql set search_path = ''
as $$
begin
  if pg_try_advisory_xact_lock(hashtext('hp_private.message_budget'), hashtext('activity')) then
    update hp_private.message_budget b set
      bytes = count_message.bytes,
      stored = case when event = 'digest' and isfinite(b.filled_at) then greatest(-10, b.stored - 1) else b.stored end
    where b.kind = 'activity';
  end if;
end
$$;

-- What a member's page gets of a worker and of a group: the views name the columns, so that a new column is never
-- sent by accident.
create or replace view hp_private.worker_state with (security_invoker = true) as
select
  worker_id, worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason, seen_at,
  instance_id, epoch, started_at, hostname, pid, version, runtime, parts, last_exit, name_conflict_since,
  status, status_since, status_reason, last_heartbeat, heartbeat_interval_s, requested_interval_s, interval_override_s,
  late_after_intervals,
  lost_after_intervals, lease_expires_at, clock_skew_ms, revision,
  -- Left out of the JSON where it is false.
  nullif(draining, false) as draining, jobs_active, current_status, current_job_id, current_job_type, status_updated_at, poll_interval_s, last_run_at,
  last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule, jobs_processed, error_count,
  last_error, last_error_at,
  circuit_breaker_open, circuit_breaker_state, circuit_breaker_failures, circuit_breaker_threshold,
  circuit_breaker_opened_at, circuit_breaker_retry_at, circuit_breaker_reason,
  cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, event_loop_blocked_ms
from public.hp_worker_status;

revoke all on table hp_private.worker_state from public, anon, authenticated, service_role;
grant select on table hp_private.worker_state to authenticated, service_role;

comment on view hp_private.worker_state is 'The columns of a worker that snapshots and messages carry.';

create or replace view hp_private.group_state with (security_invoker = true) as
select
  worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s, paused_until,
  paused_reason, revision
from public.hp_worker_group;

revoke all on table hp_private.group_state from public, anon, authenticated, service_role;
grant select on table hp_private.group_state to authenticated, service_role;

comment on view hp_private.group_state is 'The columns of a group that snapshots and messages carry.';

-- The header lets a viewer see that it has missed something: it compares workers, groups, revision and generation.
-- note: read by members under their own rights, who may not call hp_private.setting().
create or replace function hp_private.fleet_header(at timestamptz) returns jsonb
language sql stable set search_path = ''
return (
  select jsonb_build_object(
    'generation', p.generation, 'now', fleet_header.at, 'received_until', fleet_header.at,
    'workers', w.workers, 'groups', g.groups, 'revision', greatest(w.revision, g.revision),
    'tick_at', p.tick_at, 'tick_every_s', coalesce(t.tick_every_s, 5),
    'watching_since', p.watching_since, 'impaired_since', p.impaired_since,
    'stretch', p.stretch, 'beats_per_second', t.beats_per_second)
  from hp_private.monitor p,
    (select count(*) as workers, coalesce(max(s.revision), 0) as revision from public.hp_worker_status s) w,
    (select count(*) as groups, coalesce(max(s.revision), 0) as revision from public.hp_worker_group s) g,
    (select max(n.value) filter (where n.key = 'tick_every_s') as tick_every_s,
        max(n.value) filter (where n.key = 'beats_per_second') as beats_per_second
      from (
        select s.key, case when jsonb_typeof(s.value) = 'number' then s.value::numeric end as value
        from public.hp_setting s where s.key in ('tick_every_s', 'beats_per_second')
      ) n) t
);

-- The lists of a message as the members of JSON objects, in chunks of at most 180 kB: with its envelope each stays under 200 kB,
-- and a free plan refuses 256. As text, for there may be thousands of items: joined as text and read once they take a quarter
-- of the time of JSON that is built value by value.
create or replace function hp_private.fleet_chunks(workers text[], beats text[], groups text[]) returns text[]
language plpgsql immutable set search_path = ''
as $$
declare
  c_room constant integer := 180000;
  v_chunks text[] := '{}';
  v_chunk text;
  v_list text;
  v_items text[];
  v_first integer;
  v_take integer;
  v_members text;
  v_size integer;
begin
  foreach v_list in array array['workers', 'beats', 'groups'] loop
    v_items := case v_list when 'workers' then workers when 'beats' then beats else groups end;
    v_first := 1;
    v_take := cardinality(v_items);
    while v_first <= cardinality(v_items) loop
      v_members := concat_ws(',', v_chunk,
        format('"%s":[%s]', v_list, array_to_string(v_items[v_first:v_first + v_take - 1], ',')));
      v_size := octet_length(v_members);
      if v_size > c_room and v_take > 1 then
        -- As many as there is room for, if they are of like size.
        v_take := least(v_take, cardinality(v_items) - v_first + 1);
        v_take := greatest(1, least(v_take - 1, floor(v_take * 0.97 * c_room / v_size)::integer));
      elsif v_size > c_room and v_chunk is not null then
        v_chunks := v_chunks || v_chunk;
        v_chunk := null;
      else
        v_chunk := v_members;
        v_first := v_first + v_take;
        if v_first <= cardinality(v_items) then
          v_chunks := v_chunks || v_chunk;
          v_chunk := null;
          v_take := v_take + v_take / 16 + 1;
        end if;
      end if;
    end loop;
  end loop;
  return case when v_chunk is null and v_chunks <> '{}' then v_chunks else v_chunks || coalesce(v_chunk, '') end;
end
$$;

-- beats holds tuples as text. Returns how many bytes the lists are in memory.
create or replace function hp_private.send_fleet(
  event text, header jsonb, workers jsonb[], beats text[], groups jsonb[] default null
) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_chunks constant text[] := hp_private.fleet_chunks(workers::text[], beats, groups::text[]);
  v_envelope constant text := format('"parts":%s%s', cardinality(v_chunks), ',"header":' || header::text);
  v_message jsonb;
  v_bytes bigint := 0;
begin
  for v_part in 1 .. cardinality(v_chunks) loop
    v_message := concat('{', nullif(v_chunks[v_part], '') || ',', v_envelope, ',"part":', v_part, '}')::jsonb;
    perform realtime.send(v_message, event, 'hp:fleet', true);
    v_bytes := v_bytes + pg_column_size(v_message) - coalesce(pg_column_size(header), 0);
  end loop;
  return v_bytes;
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
      concat('[', array_to_string(array[w.worker_id, w.revision, array_position(hp_private.statuses(), w.status) - 1,
          ((v_now - date_part('epoch', w.last_heartbeat)) * 1000)::bigint, w.jobs_processed, w.error_count, w.jobs_active,
          case when isfinite(w.last_run_at) then ((v_now - date_part('epoch', w.last_run_at)) * 1000)::bigint end, w.processed_count, w.last_run_errors], ',', 'null'),
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

-- What workers call. An array of beats in, an answer per beat out, in the same order; the format is docs/wire.md.

-- Sends open pages what writes to these workers changed, as far as the stores of messages last, and returns the
-- pacing for the answers. Comes after all rows are written. began is the clock at the start of the writes.
create or replace function hp_private.send_changes(names text[], began timestamptz, activity_every_s double precision) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_setting record;
  v_transitioned text[];
  v_active boolean;
  v_budget hp_private.message_budget;
  v_again_ms double precision;
begin
  -- A setting that is missing or makes no sense must not cost a beat: the migration's default counts then.
  select
    coalesce(max(s.n) filter (where s.key = 'transition_store'), 20) as transition_store,
    coalesce(max(s.n) filter (where s.key = 'transition_refill_per_s'), 5) as transition_refill_per_s,
    coalesce(max(s.n) filter (where s.key = 'activity_store'), 600) as activity_store,
    coalesce(max(s.n) filter (where s.key = 'activity_refill_s' and s.n > 0), 10) as activity_refill_s
  into v_setting
  from (
    select s.key, least(greatest(s.value::numeric, 0), 1e9)::double precision as n from public.hp_setting s
    where jsonb_typeof(s.value) = 'number' and s.key in (
      'transition_store', 'transition_refill_per_s', 'activity_store', 'activity_refill_s')
  ) s;

  select * into v_budget from hp_private.message_budget b where b.kind = 'activity';
  -- What was held back is untold still when its worker beats once more, though that beat changes nothing.
  select array_agg(w.worker_name) filter (where w.transitioned_at >= began),
    bool_or(greatest(w.activity_seen_at, w.updated_at) >= least(began, nullif(v_budget.sent_at, '-infinity'))
      and (w.transitioned_at is null or w.transitioned_at < began))
  into v_transitioned, v_active
  from public.hp_worker_status w where w.worker_name = any (names);

  if v_transitioned is not null then
    if hp_private.take_message('transition', v_setting.transition_store, v_setting.transition_refill_per_s, '0', v_now) then
      perform hp_private.send_transition(v_transitioned);
    else
      v_active := true; -- joined with what else happens in this second
    end if;
  end if;

  if v_active then
    if hp_private.take_message('activity', v_setting.activity_store,
      1 / greatest(v_setting.activity_refill_s, hp_private.message_every_s(v_budget.bytes)), '1 second', v_now) then
      -- Two seconds for transactions that began before the last message and committed after it.
      perform hp_private.send_digest('activity',
        greatest(v_budget.sent_at, v_now - interval '1 minute') - interval '2 seconds', v_now);
    elsif v_budget.stored >= 1 then
      v_again_ms := greatest(50, 1050 - extract(epoch from v_now - v_budget.sent_at)::double precision * 1000);
    end if;
  end if;

  return jsonb_strip_nulls(jsonb_build_object(
    'activity_every_s', send_changes.activity_every_s, 'again_ms', round(v_again_ms::numeric)));
end
$$;

-- Sends open pages the worker's new state; that of a group is sent by the group's own trigger.
create or replace function hp_private.send_edit(worker_name text, began timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_monitor hp_private.monitor;
begin
  select * into v_monitor from hp_private.monitor;
  if v_monitor.viewed_until > now() then
    perform hp_private.send_changes(array[send_edit.worker_name], began, v_monitor.activity_every_s);
  end if;
end
$$;

-- An edit of groups is sent at once, however many one statement edits; where the store of messages is used up, with the
-- next digest. Of a removed group only its name and last revision are sent.
create or replace function hp_private.tg_hp_worker_group__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_groups jsonb[];
begin
  if not exists (select from hp_private.monitor p where p.viewed_until > now()) then
    return null;
  end if;
  if tg_op = 'DELETE' then
    select array_agg(jsonb_build_object('worker_type', g.worker_type, 'revision', g.revision, 'gone', true))
    into v_groups from gone g;
  else
    select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_type) into v_groups
    from hp_private.group_state s where s.worker_type in (select e.worker_type from edited e);
  end if;
  if v_groups is not null and hp_private.take_transition() then
    perform hp_private.send_fleet('transition', null, null, null, v_groups);
  end if;
  return null;
end
$$;

-- A plain write that changed a worker's state is sent as well.
create or replace function hp_private.tg_hp_worker_status__plain_send() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_monitor hp_private.monitor;
begin
  if current_setting('application_name') = 'lastseen own write' then
    return null;
  end if;
  select * into v_monitor from hp_private.monitor;
  if v_monitor.viewed_until > now() then
    begin
      perform hp_private.send_changes(array[new.worker_name], greatest(new.updated_at, new.activity_seen_at), v_monitor.activity_every_s);
    exception when others then
      raise warning 'open pages got no message of this: %', sqlerrm; -- a message looks at other workers too
    end;
  end if;
  return null;
end
$$;

-- note: a trigger with a transition table may have one event only.
create or replace trigger _900_send_added after insert on public.hp_worker_group
  referencing new table as edited for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_send_edited after update on public.hp_worker_group
  referencing new table as edited for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_send_removed after delete on public.hp_worker_group
  referencing old table as gone for each statement execute function hp_private.tg_hp_worker_group__send();
-- note: a short condition, for every beat comes by here. Our own writes that are no beats are told apart by the function.
create or replace trigger _900_plain_send after update on public.hp_worker_status
  for each row when (new.sequence = old.sequence
    and (old.revision is distinct from new.revision or old.activity_seen_at is distinct from new.activity_seen_at))
  execute function hp_private.tg_hp_worker_status__plain_send();
create or replace trigger _900_plain_send_first after insert on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_send();

-- The only thing that may be declared in the realtime schema of a hosted project: who may listen.
-- One policy for all that a signed-in user may receive; the wake-up of a process is empty, so its reader needs no membership.
drop policy if exists "members listen to the fleet" on realtime.messages;
create policy "members listen to the fleet" on realtime.messages
  for select to authenticated using (
    realtime.messages.extension = 'broadcast'
    and (
      ((select realtime.topic()) = 'hp:fleet' and (select hp_private.is_member()))
      or ((select realtime.topic()) like 'hp:worker:%' and (select hp_private.is_member()))
      or (select realtime.topic()) like 'hp:wake-up:%'
    )
  );

-- A worker listens with the publishable key, as anon.
drop policy if exists "workers listen for their wake-up" on realtime.messages;
create policy "workers listen for their wake-up" on realtime.messages
  for select to anon using (
    realtime.messages.extension = 'broadcast'
    and (select realtime.topic()) like 'hp:wake-up:%'
  );

-- Many projects let everybody who is signed in receive and send on all topics. On ours this one goes on top: received by whom
-- the policies above let in, sent by nobody but the database. It leaves the topics of others alone.
drop policy if exists "ours alone on topics of Lastseen" on realtime.messages;
create policy "ours alone on topics of Lastseen" on realtime.messages as restrictive
  for all to public using (
    ((select realtime.topic()) like 'hp:%') is not true
    or (realtime.messages.extension = 'broadcast'
      and ((select realtime.topic()) like 'hp:wake-up:%'
        or (((select realtime.topic()) = 'hp:fleet' or (select realtime.topic()) like 'hp:worker:%')
          and (select hp_private.is_member()))))
  )
  with check (((select realtime.topic()) like 'hp:%') is not true);

-- note: no insert policy; only the database sends on these channels.

revoke all on function
  hp_private.take_message, hp_private.take_transition, hp_private.message_every_s, hp_private.digest_due,
  hp_private.count_message, hp_private.fleet_header, hp_private.fleet_chunks, hp_private.send_fleet, hp_private.send_transition,
  hp_private.send_digest, hp_private.send_changes, hp_private.send_edit, hp_private.tg_hp_worker_group__send,
  hp_private.tg_hp_worker_status__plain_send
from public;
grant execute on function hp_private.fleet_header to authenticated, service_role;

comment on function hp_private.take_message is 'Takes one message of a kind out of its store; false when there is none, when the last was too recent, or when another transaction is taking one.';
comment on function hp_private.take_transition is 'Takes one transition message out of its store, by the settings.';
comment on function hp_private.message_every_s is 'Seconds between two messages of that size.';
comment on function hp_private.digest_due is 'Whether it is time for a digest.';
comment on function hp_private.count_message is 'Keeps account of a message that was sent.';
comment on function hp_private.fleet_header is 'Head of a snapshot and of a digest.';
comment on function hp_private.fleet_chunks is 'The lists of a message as text, in chunks.';
comment on function hp_private.send_fleet is 'Sends one message of docs/wire.md, in chunks. Returns their size in memory, without the header.';
comment on function hp_private.send_transition is 'Sends open pages the full state of these workers.';
comment on function hp_private.send_digest is 'Sends open pages what happened since a time; event is digest or activity.';
comment on function hp_private.send_changes is 'Sends what has changed of these workers, and returns how soon they may send more.';
comment on function hp_private.send_edit is 'Sends open pages a worker that was edited.';
comment on function hp_private.tg_hp_worker_group__send is 'Sends open pages groups that were added, edited or removed.';
comment on function hp_private.tg_hp_worker_status__plain_send is 'Sends open pages a plain write that changed a worker''s state or activity.';
