-- Job leases: the right of one process, of all that there are, to work on something, known by a key.
--
-- A lease belongs to an instance and is valid for as long as that instance's own lease is, so holding one costs no
-- write. Its token is for fencing: a process that was paused for longer than its lease does not know that it lost it, so
-- what it writes carries the token, and whoever keeps what is written refuses a token lower than one it has seen.
create table if not exists public.hp_job_lease (
  key text
    constraint hp_job_lease_pkey primary key
    constraint hp_job_lease_key_check check (key <> '' and char_length(key) <= 255),
  worker_name text not null
    constraint hp_job_lease_worker_name_fkey
      references public.hp_worker_status (worker_name) on delete cascade on update cascade,
  instance_id uuid not null,
  token bigint not null,
  sequence bigint not null,
  claimed_at timestamptz not null
);

create index if not exists hp_job_lease_worker_name_idx on public.hp_job_lease (worker_name, instance_id);

-- One sequence for all keys: a lease that is released leaves no row behind, and the next token of its key is higher all
-- the same.
create sequence if not exists hp_private.lease_token_seq;

alter table public.hp_job_lease enable row level security;

drop policy if exists "members read every lease" on public.hp_job_lease;
create policy "members read every lease" on public.hp_job_lease
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_job_lease from anon, authenticated, service_role;
grant select on table public.hp_job_lease to authenticated, service_role;
-- note: nobody writes it but the functions below: a lease that goes while its holder lives would be held by two.

comment on table public.hp_job_lease is 'Which process may work on what; a released lease leaves no row.';
comment on column public.hp_job_lease.key is 'What the lease is of, in the workers'' own words.';
comment on column public.hp_job_lease.worker_name is 'The worker that holds it.';
comment on column public.hp_job_lease.instance_id is 'Its process; the lease is valid while that one''s own lease is.';
comment on column public.hp_job_lease.token is 'Fencing token: of one key, each is higher than all before.';
comment on column public.hp_job_lease.sequence is 'The last beat that the process had made when it claimed; a later one knows of the lease.';
comment on column public.hp_job_lease.claimed_at is 'When it was claimed.';

-- Until when the last beat of an instance vouches for it, or null for one that has said goodbye or is not known. Not
-- simply lease_expires_at: that of a scheduled worker lasts for a whole run, beats or none, and a stop by hand ends it,
-- though the process may live for all that the person knows. What was promised is kept until the silence has lasted.
create or replace function hp_private.instance_lease(worker_name text, instance_id uuid) returns timestamptz
language sql stable set search_path = ''
return (
  select case
    when w.instance_id is distinct from instance_lease.instance_id then (
      select greatest(i.lease_expires_at,
        i.last_heartbeat + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s))
      from public.hp_worker_instance i
      where i.instance_id = instance_lease.instance_id and i.worker_name = w.worker_name and i.ended_at is null)
    when w.status in ('stopped', 'crashed') and w.status_since <= w.last_heartbeat then null
    else greatest(case when w.kind = 'resident' then w.lease_expires_at end,
      w.last_heartbeat + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s))
  end
  from public.hp_worker_status w where w.worker_name = instance_lease.worker_name);

-- Its own last words release what an instance holds.
create or replace function hp_private.release_leases_of(worker_name text, instance_id uuid) returns void
language sql set search_path = ''
begin atomic
  delete from public.hp_job_lease l
  where l.worker_name = release_leases_of.worker_name and l.instance_id = release_leases_of.instance_id
    and hp_private.instance_lease(l.worker_name, l.instance_id) is null;
end;

-- The leases of instances that nothing vouches for any more: instance_lease for all at once, which to call for each costs
-- a tick of thousands of leases more than all else that it does.
create or replace function hp_private.dead_leases(at timestamptz)
returns table (key text, worker_name text, instance_id uuid, token bigint)
language sql stable set search_path = ''
begin atomic
  select l.key, l.worker_name, l.instance_id, l.token
  from public.hp_job_lease l
  join public.hp_worker_status w on w.worker_name = l.worker_name
  left join public.hp_worker_instance i on i.instance_id = l.instance_id and i.worker_name = w.worker_name
    and i.ended_at is null and w.instance_id is distinct from l.instance_id
  where coalesce(case
    when w.instance_id is distinct from l.instance_id then greatest(i.lease_expires_at,
      i.last_heartbeat + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s))
    when w.status in ('stopped', 'crashed') and w.status_since <= w.last_heartbeat then null
    else greatest(case when w.kind = 'resident' then w.lease_expires_at end,
      w.last_heartbeat + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s))
  end, '-infinity') <= dead_leases.at;
end;

-- Removes the leases of instances that nothing vouches for any more: order, not safety, for a claim looks for itself.
-- Workers first, as everywhere, and a locked one is skipped: it is being beaten.
create or replace function hp_private.release_leases(at timestamptz) returns integer
language plpgsql set search_path = ''
as $$
declare
  v_names text[];
  v_released integer := 0;
begin
  select array_agg(s.worker_name) into v_names from (
    select w.worker_name from public.hp_worker_status w
    where w.worker_name in (select d.worker_name from hp_private.dead_leases(release_leases.at) d)
    order by w.worker_name for share skip locked
  ) s;
  if v_names is not null then
    with dead as materialized (
      select l.key from public.hp_job_lease l
      -- The token, for another may claim it until the row is locked.
      join hp_private.dead_leases(release_leases.at) d on d.key = l.key and d.token = l.token
      where d.worker_name = any (v_names)
      order by l.key for update of l
    )
    delete from public.hp_job_lease l using dead d where l.key = d.key;
    get diagnostics v_released = row_count;
  end if;
  return v_released;
end
$$;

revoke all on function hp_private.instance_lease(text, uuid) from public;
revoke all on function hp_private.release_leases_of(text, uuid) from public;
revoke all on function hp_private.dead_leases(timestamptz) from public;
revoke all on function hp_private.release_leases(timestamptz) from public;

comment on function hp_private.instance_lease(text, uuid) is 'Until when an instance is vouched for; null when it has ended or is not known.';
comment on function hp_private.release_leases_of(text, uuid) is 'Releases the job leases of an instance that has said goodbye.';
comment on function hp_private.dead_leases(timestamptz) is 'The job leases of instances that are dead.';
comment on function hp_private.release_leases(timestamptz) is 'Releases the job leases of instances that are dead; returns how many.';
