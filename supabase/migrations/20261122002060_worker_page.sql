-- What the page of one worker asks for. Row level security decides, as everywhere; a stranger gets an error rather than
-- a worker that is not there.

-- Like hp_fleet(), of one worker and those beside it: header, workers and groups have the same form, so that the page
-- follows them by the same messages. `workers` is empty where there is no worker of that name, and `details` null: a page
-- that is open learns so that its worker was removed.
create or replace function public.hp_worker_page(worker_name text) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  -- So many of its group are told of one by one; more are a number.
  v_most constant integer := 100;
  v_most_beside constant integer := 20;
  v_worker public.hp_worker_status;
begin
  if current_user = 'authenticated' then
    if not hp_private.is_member() then
      raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403';
    end if;
  end if;
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
        from public.hp_worker_status w cross join hp_private.pulse p
        where w.worker_type = nullif(v_worker.worker_type, '')),
      -- What else lives in its process: a restart ends that, too.
      'beside', (
        select coalesce(jsonb_agg(b.worker_name order by b.worker_name), '[]')
        from (
          select w.worker_name from public.hp_worker_status w cross join hp_private.pulse p
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
          select i.instance_id, i.epoch, i.status, i.started_at, i.hostname, i.pid, i.version, i.runtime, i.counted_jobs,
            i.counted_errors, i.last_heartbeat, i.lease_expires_at, i.registered_at, i.took_over_at, i.superseded_at,
            i.ended_at, i.last_exit
          from public.hp_worker_instance i where i.worker_name = v_worker.worker_name
          order by i.epoch desc limit 12) i)) end);
end
$$;

-- What happened to a worker, the latest first, and what happened to the watch itself: a gap in which nobody looked
-- explains why nothing else is told of that time.
create or replace function public.hp_worker_events(
  worker_name text, before timestamptz default null, before_id bigint default null, kinds text[] default null,
  max_count integer default 50
) returns setof public.hp_worker_event
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant integer := least(greatest(coalesce(max_count, 50), 1), 200);
begin
  if current_user = 'authenticated' then
    if not hp_private.is_member() then
      raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403';
    end if;
  end if;
  return query
    select found.* from (
      (select e.* from public.hp_worker_event e
        where e.worker_name = hp_worker_events.worker_name
          and (before is null or (e.at, e.id) < (before, coalesce(before_id, 0)))
          and (kinds is null or e.type = any (kinds))
        order by e.at desc, e.id desc limit v_most)
      union all
      (select e.* from public.hp_worker_event e
        where e.worker_name is null
          and (before is null or (e.at, e.id) < (before, coalesce(before_id, 0)))
          and (kinds is null or e.type = any (kinds))
        order by e.at desc, e.id desc limit v_most)
    ) found
    order by found.at desc, found.id desc limit v_most;
end
$$;

revoke all on function public.hp_worker_page(text) from public, anon, authenticated, service_role;
revoke all on function public.hp_worker_events(text, timestamptz, bigint, text[], integer)
  from public, anon, authenticated, service_role;
grant execute on function public.hp_worker_page(text) to authenticated, service_role;
grant execute on function public.hp_worker_events(text, timestamptz, bigint, text[], integer) to authenticated, service_role;

comment on function public.hp_worker_page(text) is 'One worker at one instant: header, it and those of its group, and what only its own page shows. Errors: PT403 not a member.';
comment on function public.hp_worker_events(text, timestamptz, bigint, text[], integer) is 'Events of a worker and of the watch, the latest first; before and before_id continue after the last one told. Errors: PT403 not a member.';
