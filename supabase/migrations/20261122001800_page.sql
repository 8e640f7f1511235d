-- What an open page asks for: the fleet, one worker, and the worker's own channel. Row level security decides; a stranger gets
-- an error rather than an empty fleet. Last, what `npm run doctor` asks for.

-- Security invoker, so that row level security decides; a stranger gets an error rather than an empty fleet.
create or replace function public.hp_fleet() returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  perform hp_private.require_member();
  return (
    select jsonb_build_object(
      'header', hp_private.fleet_header(now()),
      'workers', coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_name), '[]'),
      'groups', (
        select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(g)) order by g.worker_type), '[]')
        from hp_private.group_state g))
    from hp_private.worker_state s);
end
$$;

-- What the page of one worker asks for. Row level security decides, as everywhere; a stranger gets an error rather than
-- a worker that is not there.

-- Like hp_fleet(), of one worker and those beside it: header, workers and groups have the same form, so that the page
-- follows them by the same messages. `workers` is empty where there is no worker of that name, and `details` null: a page
-- that is open learns so that its worker was removed.
create or replace function public.hp_worker_page(worker_name text) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  -- So many of its group come with their rows; more are a number.
  v_most constant integer := 100;
  v_most_beside constant integer := 20;
  v_worker public.hp_worker_status;
begin
  perform hp_private.require_member();
  select w.* into v_worker from public.hp_worker_status w where w.worker_name = hp_worker_page.worker_name;
  return jsonb_build_object(
    'header', hp_private.fleet_header(now()),
    'workers', (
      with beside as (
        select w.worker_name from public.hp_worker_status w
        where w.worker_type = nullif(v_worker.worker_type, '') and w.worker_name <> v_worker.worker_name
        order by w.worker_name limit v_most
      )
      select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_name), '[]')
      from hp_private.worker_state s
      where s.worker_name = v_worker.worker_name or s.worker_name in (select b.worker_name from beside b)),
    'groups', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(g))), '[]')
      from hp_private.group_state g where g.worker_type = nullif(v_worker.worker_type, '')),
    'details', case when v_worker.worker_name is not null then jsonb_build_object(
      'metadata', v_worker.metadata, 'metadata_at', v_worker.metadata_at,
      'instance_id', v_worker.instance_id, 'epoch', v_worker.epoch, 'created_at', v_worker.created_at,
      'counted_jobs', v_worker.counted_jobs, 'counted_errors', v_worker.counted_errors,
      'jobs_processed', v_worker.jobs_processed, 'error_count', v_worker.error_count,
      'group', (
        select jsonb_build_object('workers', count(*),
          'alive', count(*) filter (where hp_private.is_alive(w, now(), p.watching_since)))
        from public.hp_worker_status w cross join hp_private.monitor p
        where w.worker_type = nullif(v_worker.worker_type, '')),
      -- What else lives in its process: a restart ends that, too.
      'beside', (
        select coalesce(jsonb_agg(b.worker_name order by b.worker_name), '[]')
        from (
          select w.worker_name from public.hp_worker_status w cross join hp_private.monitor p
          where w.hostname = v_worker.hostname and w.pid = v_worker.pid and w.worker_name <> v_worker.worker_name
            and w.instance_id is not null and hp_private.is_alive(w, now(), p.watching_since)
          order by w.worker_name limit v_most_beside) b),
      'leases', (
        select jsonb_build_object('held', count(*), 'first', coalesce(jsonb_agg(l.lease order by l.place)
          filter (where l.place <= 50), '[]'))
        from (
          select row_number() over (order by l.claimed_at desc, l.key) as place, jsonb_build_object('key', l.key,
            'token', l.token, 'instance_id', l.instance_id, 'claimed_at', l.claimed_at) as lease
          from public.hp_job_lease l where l.worker_name = v_worker.worker_name) l),
      'instances', (
        select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(i)) order by i.epoch desc), '[]')
        from (
          -- What the process that holds the row has done stands there until it is superseded or has ended.
          select i.instance_id, i.epoch, i.status, i.started_at, i.hostname, i.pid, i.version, i.runtime, i.parts,
            greatest(i.counted_jobs, w.counted_jobs) as counted_jobs,
            greatest(i.counted_errors, w.counted_errors) as counted_errors,
            greatest(i.last_heartbeat, w.last_heartbeat) as last_heartbeat,
            i.lease_expires_at, i.registered_at, i.took_over_at, i.superseded_at, i.ended_at, i.last_exit
          from public.hp_worker_instance i
          left join public.hp_worker_status w on w.worker_name = i.worker_name and w.instance_id = i.instance_id
          where i.worker_name = v_worker.worker_name
          order by i.epoch desc limit 12) i)) end);
end
$$;

-- A page that shows one worker receives more of it: its log, its events, its commands, on the worker's own channel
-- hp:worker:<worker_name>, members only (the policy stands with the fleet's). Nothing is sent there without a call of
-- hp_watch_worker() in the last 150 s. What is sent is a hint: a page asks for what it missed.
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

comment on table hp_private.followed_worker is 'Workers with an open page of their own.';
comment on column hp_private.followed_worker.worker_name is 'The worker.';
comment on column hp_private.followed_worker.until is 'Until when the page is taken for open.';
comment on column hp_private.followed_worker.log_id is 'Last line of its log that was sent.';
comment on column hp_private.followed_worker.sent_at is 'When lines were last sent.';

-- SECURITY DEFINER: a viewer may follow a worker and may write nothing else. A worker without a follower
-- is woken up, so that it learns at once that its log is wanted.
create or replace function public.hp_watch_worker(worker_name text) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_until constant timestamptz :=
    now() + make_interval(secs => coalesce(hp_private.setting('viewer_lasts_s'), 150)::double precision);
  v_worker public.hp_worker_status;
  v_before timestamptz;
  v_log_id bigint;
begin
  perform hp_private.require_member();
  select * into v_worker from public.hp_worker_status w where w.worker_name = hp_watch_worker.worker_name;
  if not found then
    raise exception 'there is no worker named %', left(hp_watch_worker.worker_name, 128) using errcode = 'PT404';
  end if;
  select f.until into v_before from hp_private.followed_worker f where f.worker_name = v_worker.worker_name;
  select coalesce(max(l.id), 0) into v_log_id from public.hp_worker_log l where l.worker_name = v_worker.worker_name;
  insert into hp_private.followed_worker as f (worker_name, until, log_id) values (v_worker.worker_name, v_until, v_log_id)
  on conflict on constraint followed_worker_pkey do update set until = excluded.until,
    -- Lines from a time without followers are not sent.
    log_id = case when f.until <= now() then excluded.log_id else f.log_id end;
  update hp_private.monitor p set followed_until = v_until where p.id;
  if coalesce(v_before, '-infinity') <= now() and v_worker.instance_id is not null
    and hp_private.instance_lease(v_worker.worker_name, v_worker.instance_id) > now()
  then
    perform realtime.send('{}', 'wake-up', 'hp:wake-up:' || v_worker.instance_id, true);
  end if;
  return jsonb_build_object('now', now(), 'viewed_until', v_until);
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
    -- A store of its own, not that of activity: messages become rarer when it is used up.
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

-- Sends followers of a worker what they should know at once, where the store of transitions lasts.
create or replace function hp_private.send_to_followers(worker_name text, event text, payload jsonb) returns void
language plpgsql set search_path = ''
as $$
begin
  if exists (select from hp_private.followed_worker f where f.worker_name = send_to_followers.worker_name and f.until > now())
    and hp_private.take_transition()
  then
    perform realtime.send(payload, event, 'hp:worker:' || send_to_followers.worker_name, true);
  end if;
end
$$;

create or replace function hp_private.tg_hp_worker_event__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.worker_name is not null and exists (select from hp_private.monitor p where p.followed_until > now()) then
    perform hp_private.send_to_followers(new.worker_name, 'event', jsonb_build_object('event', jsonb_strip_nulls(to_jsonb(new))));
  end if;
  return null;
end
$$;

create or replace function hp_private.tg_hp_worker_command__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.worker_name is not null and exists (select from hp_private.monitor p where p.followed_until > now()) then
    perform hp_private.send_to_followers(new.worker_name, 'command',
      jsonb_build_object('command', hp_private.command_state(new, null) - 'requested_by'));
  end if;
  return null;
end
$$;

create or replace trigger _900_send after insert on public.hp_worker_event
  for each row execute function hp_private.tg_hp_worker_event__send();
create or replace trigger _900_send_requested after insert on public.hp_worker_command
  for each row execute function hp_private.tg_hp_worker_command__send();
create or replace trigger _900_send_moved after update on public.hp_worker_command
  for each row when (old.state is distinct from new.state or old.instance_ended_at is distinct from new.instance_ended_at)
  execute function hp_private.tg_hp_worker_command__send();

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

-- The tick's part: lines that the last beats of a second did not send, and followers that are gone.
create or replace function hp_private.follow_workers(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.send_logs(null, at);
  delete from hp_private.followed_worker f where f.until <= at - interval '1 hour';
end
$$;

-- The job of pg_cron that runs the tick, with its last run; null where there is none.
create or replace function hp_private.cron_job() returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_job jsonb;
begin
  -- pg_cron's tables are there only where it is.
  if to_regclass('cron.job') is not null then
    begin
      execute $query$
        select jsonb_build_object('schedule', j.schedule, 'active', j.active, 'last_run', (
          select jsonb_build_object('status', d.status, 'message', left(d.return_message, 500))
          from cron.job_run_details d where d.jobid = j.jobid and d.end_time is not null order by d.runid desc limit 1))
        from cron.job j where j.jobname = 'lastseen-tick'
      $query$ into v_job;
    exception when others then
      v_job := jsonb_build_object('error', sqlerrm);
    end;
  end if;
  return v_job;
end
$$;

-- Our functions, tables and views, with the roles that may use each, and how; of columns, what roles may that we never name.
create or replace function hp_private.object_rights() returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_object_agg(o.name, o.rights) from (
    select n.nspname || '.' || p.proname as name, (
      select coalesce(jsonb_agg(distinct coalesce(nullif(a.grantee, 0)::regrole::text, 'public') || ' execute'), '[]')
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> p.proowner) as rights
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'hp_private' or (n.nspname = 'public' and p.proname like 'hp\_%')
    union all
    select n.nspname || '.' || c.relname, (
      select coalesce(jsonb_agg(distinct g.role || ' ' || lower(g.privilege)), '[]')
      from (
        select coalesce(nullif(a.grantee, 0)::regrole::text, 'public') as role, a.privilege_type as privilege
        from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a where a.grantee <> c.relowner
        union all
        select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), a.privilege_type
        from pg_catalog.pg_attribute t cross join lateral aclexplode(t.attacl) a
        where t.attrelid = c.oid and a.grantee <> c.relowner
          and a.grantee::regrole::text not in ('authenticated', 'service_role')
      ) g)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v') and not c.relispartition and (n.nspname = 'hp_private' or (n.nspname = 'public' and c.relname like 'hp\_%'))
  ) o
$$;

-- What `npm run doctor` reads of a database: facts, no judgement. What they should be the doctor knows from the migrations
-- beside it.
--
-- SECURITY DEFINER because pg_cron shows its jobs to their owner alone, and hp_private its state to nobody. For the
-- secret key only. It changes nothing, and runs no tick: that would hide that nobody else does.
create or replace function public.hp_diagnosis() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return jsonb_build_object(
    'now', clock_timestamp(),
    'server_version', current_setting('server_version'),
    'cron', jsonb_build_object(
      'available', exists (select from pg_catalog.pg_available_extensions e where e.name = 'pg_cron'),
      'job', hp_private.cron_job()),
    'tick', (
      select jsonb_build_object('age_s', extract(epoch from clock_timestamp() - p.tick_at),
        'every_s', hp_private.setting('tick_every_s'), 'impaired_since', p.impaired_since)
      from hp_private.monitor p),
    'history', (
      select jsonb_build_object('failed_since', h.failed_at, 'failure', h.failure) from hp_private.history h),
    'digest_every_s', hp_private.setting('digest_every_s'),
    -- What is there, and who may use it.
    'objects', hp_private.object_rights(),
    'unguarded', (
      select coalesce(jsonb_agg(c.relname order by c.relname), '[]')
      from pg_catalog.pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname like 'hp\_%' and not c.relrowsecurity),
    'policies', (
      select coalesce(jsonb_agg(p.policyname order by p.policyname), '[]') from pg_catalog.pg_policies p
      where p.schemaname = 'realtime' and p.tablename = 'messages'),
    'table_policies', (
      select coalesce(jsonb_agg(jsonb_build_array(p.schemaname || '.' || p.tablename, p.policyname)
        order by p.tablename, p.policyname), '[]')
      from pg_catalog.pg_policies p
      where p.schemaname = 'hp_private' or (p.schemaname = 'public' and p.tablename like 'hp\_%')),
    'members', (select count(*) from public.hp_member),
    'owners', (select count(*) from public.hp_member m where m.role = 'owner'),
    'tokens', (
      select jsonb_build_object(
        'valid', count(*) filter (where t.revoked_at is null and (t.expires_at > now()) is not false),
        'ending', coalesce(jsonb_agg(t.label order by t.label) filter (
          where t.revoked_at is null and t.expires_at between now() and now() + interval '14 days'), '[]'),
        'refused', coalesce(jsonb_agg(jsonb_build_array(t.label, t.refused_why) order by t.refused_at desc) filter (
          where t.refused_at > now() - interval '1 day'), '[]'))
      from public.hp_worker_token t),
    'workers', (
      select jsonb_build_object(
        'all', count(*),
        'never_reported', coalesce(jsonb_agg(w.worker_name order by w.worker_name)
          filter (where w.last_heartbeat is null and w.expected), '[]'),
        'conflicts', coalesce(jsonb_agg(w.worker_name order by w.worker_name) filter (where w.name_conflict_since is not null), '[]'),
        'skewed', coalesce(jsonb_agg(jsonb_build_array(w.worker_name, w.clock_skew_ms) order by w.worker_name)
          filter (where abs(w.clock_skew_ms) > 30000 and w.last_heartbeat > now() - interval '1 day'), '[]'))
      from public.hp_worker_status w));
end
$$;

revoke all on function
  hp_private.send_logs, hp_private.send_to_followers, hp_private.tg_hp_worker_event__send,
  hp_private.tg_hp_worker_command__send, hp_private.answer_followed, hp_private.follow_workers, hp_private.cron_job,
  hp_private.object_rights
from public;
revoke all on function
  public.hp_fleet, public.hp_worker_page, public.hp_watch_worker, public.hp_diagnosis
from public, anon, authenticated, service_role;
grant execute on function public.hp_fleet, public.hp_worker_page, public.hp_watch_worker to authenticated, service_role;
grant execute on function public.hp_diagnosis to service_role;

comment on function public.hp_fleet is 'Snapshot of the fleet: header, workers and groups, from one instant. Errors: PT403 not a member.';
comment on function public.hp_worker_page is 'One worker at one instant: header, it and those of its group, and what only its own page shows. Errors: PT403 not a member.';
comment on function public.hp_watch_worker is 'Follows a worker for 150 s: messages on its channel flow only then. Call once a minute. Errors: PT403 not a member, PT404 no such worker.';
comment on function hp_private.send_logs is 'Sends new lines of these workers, or of all, to their followers.';
comment on function hp_private.send_to_followers is 'Sends one message on a worker''s channel, where it has followers.';
comment on function hp_private.tg_hp_worker_event__send is 'Sends a worker''s new event to its followers.';
comment on function hp_private.tg_hp_worker_command__send is 'Sends a worker''s command that is new or has moved on to its followers.';
comment on function hp_private.answer_followed is 'Adds to the answers of beats how often the lines of a followed log are wanted.';
comment on function hp_private.follow_workers is 'Sends lines that were not sent yet; forgets followers that are gone.';
comment on function hp_private.cron_job is 'The job of pg_cron that runs the tick, or null.';
comment on function hp_private.object_rights is 'Roles that may use each of our functions, tables and views.';
comment on function public.hp_diagnosis is 'Facts about this installation for npm run doctor: objects and their rights, the tick, pg_cron, members, workers in doubt. Changes nothing.';
