-- What need not be kept. A worker that is expected stays, dead or alive; a replica or a one-off process that has ended would
-- otherwise stay on the page for ever. Its events stay as long as others.

insert into public.hp_setting (key, value, description) values
  ('cleanup_after_s', '86400', 'Seconds after which stopped and crashed workers that are not expected are removed; 0: never.'),
  ('instance_days', '7', 'Days for which ended instances are kept.')
on conflict (key) do nothing;

create or replace function hp_private.cleanup_stale_workers(older_than interval, at timestamptz) returns text[]
language plpgsql set search_path = ''
as $$
declare
  v_names text[];
begin
  -- note: a scheduled worker is stopped between its runs too, and its lease then lasts until the next.
  with stale as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.status in ('stopped', 'crashed') and not w.expected
      and w.status_since <= at - older_than and not coalesce(w.lease_expires_at > at, false)
    order by w.worker_name for update skip locked
  ),
  removed as (
    delete from public.hp_worker_status w using stale s where w.worker_name = s.worker_name returning w.worker_name
  )
  select array_agg(r.worker_name order by r.worker_name) into v_names from removed r;
  return v_names;
end
$$;

-- Once an hour.
create or replace function hp_private.prune(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_stale_after_s double precision := coalesce(hp_private.setting('cleanup_after_s'), 86400);
begin
  update hp_private.monitor p set pruned_at = prune.at
  where p.id and (p.pruned_at is null or p.pruned_at <= prune.at - interval '1 hour');
  if not found then
    return;
  end if;
  delete from public.hp_worker_event e
  where e.recorded_at < prune.at - hp_private.setting_days('event_days', 90);
  delete from public.hp_worker_instance i
  where greatest(i.last_heartbeat, i.ended_at, i.superseded_at)
      < prune.at - hp_private.setting_days('instance_days', 7)
    and not exists (select from public.hp_worker_status w where w.instance_id = i.instance_id);
  -- Until then a worker that still carries it gets the reason of its refusal.
  delete from public.hp_worker_token t
  where least(t.revoked_at, t.expires_at)
    < prune.at - hp_private.setting_days('event_days', 90);
  delete from public.hp_worker_command c
  where c.requested_at < prune.at - hp_private.setting_days('command_days', 365)
    and not c.open;
  perform hp_private.prune_logs(at);
  if v_stale_after_s > 0 then
    perform hp_private.cleanup_stale_workers(make_interval(secs => v_stale_after_s), at);
  end if;
end
$$;

-- SECURITY DEFINER: an operator may remove these and nothing else; the function checks the role.
create or replace function public.hp_cleanup_stale_workers(older_than interval default '60 minutes') returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_names text[];
begin
  perform hp_private.require_operator('remove workers');
  if older_than is null or older_than < interval '0' then
    raise exception 'older_than is %; it must be an interval from 0 up', coalesce(older_than::text, 'null')
      using errcode = 'PT400';
  end if;

  v_names := hp_private.cleanup_stale_workers(older_than, now());
  -- Open pages count the workers in the header.
  if v_names is not null and exists (select from hp_private.monitor p where p.viewed_until > now()) then
    perform hp_private.send_digest('digest', now() - interval '10 seconds', now());
  end if;
  return jsonb_build_object('removed', coalesce(cardinality(v_names), 0), 'names', coalesce(to_jsonb(v_names), '[]'));
end
$$;

revoke all on function hp_private.cleanup_stale_workers, hp_private.prune from public;
revoke all on function public.hp_cleanup_stale_workers from public, anon, authenticated, service_role;
grant execute on function public.hp_cleanup_stale_workers to authenticated, service_role;

comment on function hp_private.cleanup_stale_workers is 'Removes workers that ended long ago and are not expected; returns their names or null.';
comment on function hp_private.prune is 'Removes old events, ended instances, stale workers and tokens that ended long ago, once an hour.';
comment on function public.hp_cleanup_stale_workers is 'Removes stopped and crashed workers that are not expected and have been so for older_than. Returns {removed, names}. Errors: PT400 older_than, PT403 not an operator.';
