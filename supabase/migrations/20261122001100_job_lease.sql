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

alter table public.hp_job_lease enable row level security;

drop policy if exists "members read every lease" on public.hp_job_lease;
create policy "members read every lease" on public.hp_job_lease
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_job_lease;
create policy "only members, whatever else is allowed" on public.hp_job_lease as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_job_lease from anon, authenticated, service_role;
grant select on table public.hp_job_lease to authenticated, service_role;
-- note: only the functions below write here: a lease that goes while its holder lives would be held by two.

comment on table public.hp_job_lease is 'Which process may work on what; a released lease leaves no row.';
comment on column public.hp_job_lease.key is 'What the lease is of, named by the workers.';
comment on column public.hp_job_lease.worker_name is 'The worker that holds it.';
comment on column public.hp_job_lease.instance_id is 'Its process; the lease is valid while that one''s own lease is.';
comment on column public.hp_job_lease.token is 'Fencing token: of one key, each is higher than all before.';
comment on column public.hp_job_lease.sequence is 'The last beat that the process had made when it claimed; a later one knows of the lease.';
comment on column public.hp_job_lease.claimed_at is 'When it was claimed.';

-- One sequence for all keys: a lease that is released leaves no row behind, and the next token of its key is higher all
-- the same.
create sequence if not exists hp_private.lease_token_seq;

insert into public.hp_setting (key, value, description) values
  ('token_leases_per_worker', '100', 'Job leases that a worker may hold at a time where it reports with a worker token.')
on conflict (key) do nothing;

-- Until when the last beat of a process vouches for it; null once it has ended, no row for one that is not known. Not
-- simply lease_expires_at: that of a scheduled worker lasts for a whole run, beats or none, and a stop by hand ends it,
-- though the process may live for all that the person knows. What was promised is kept until the silence has lasted.
create or replace view hp_private.process_lease with (security_invoker = true) as
select w.worker_name, w.instance_id,
  case when not (w.status in ('stopped', 'crashed') and w.status_since <= w.last_heartbeat) then
    greatest(case when w.kind = 'resident' then w.lease_expires_at end,
      w.last_heartbeat + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s))
  end as lease_until
from public.hp_worker_status w
union all
select i.worker_name, i.instance_id,
  greatest(i.lease_expires_at, i.last_heartbeat + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s))
from public.hp_worker_instance i join public.hp_worker_status w on w.worker_name = i.worker_name
where i.ended_at is null and w.instance_id is distinct from i.instance_id;

revoke all on table hp_private.process_lease from public, anon, authenticated, service_role;

comment on view hp_private.process_lease is 'Until when the last beat of each process vouches for it; null where it has ended.';

create or replace function hp_private.instance_lease(worker_name text, instance_id uuid) returns timestamptz
language sql stable set search_path = ''
return (
  select p.lease_until from hp_private.process_lease p
  where p.worker_name = instance_lease.worker_name and p.instance_id = instance_lease.instance_id);

-- The exit report of an instance releases what it holds.
create or replace function hp_private.release_leases_of(worker_name text, instance_id uuid) returns void
language sql set search_path = ''
begin atomic
  delete from public.hp_job_lease l
  where l.worker_name = release_leases_of.worker_name and l.instance_id = release_leases_of.instance_id
    and hp_private.instance_lease(l.worker_name, l.instance_id) is null;
end;

-- All at once: to ask instance_lease() for each costs a tick of thousands of leases more than all else that it does.
create or replace function hp_private.dead_leases(at timestamptz)
returns table (key text, worker_name text, instance_id uuid, token bigint)
language sql stable set search_path = ''
begin atomic
  select l.key, l.worker_name, l.instance_id, l.token
  from public.hp_job_lease l
  left join hp_private.process_lease p on p.worker_name = l.worker_name and p.instance_id = l.instance_id
  where coalesce(p.lease_until, '-infinity') <= dead_leases.at;
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

-- How workers come by job leases and give them back.

-- The order of locks: one for the claims of a worker with a token, the key's, workers by their names, the lease's row. Every
-- writer of a lease holds its worker's row, and shares it only with other claims: a beat of the holder, which prolongs what it
-- holds, is over or has not begun.
create or replace function hp_private.claim_lease(
  worker_name text, instance_id uuid, key text, sequence bigint, at timestamptz
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_held public.hp_job_lease;
  v_until timestamptz;
  v_token bigint;
begin
  for v_try in 1..2 loop
    -- note: the first try takes no lock. To refuse is always safe, and most claims of a lease that others want are.
    if v_try = 2 then
      perform pg_advisory_xact_lock(hashtextextended('hp_job_lease ' || claim_lease.key, 0));
      select * into v_held from public.hp_job_lease l where l.key = claim_lease.key;
      perform from public.hp_worker_status w where w.worker_name in (claim_lease.worker_name, v_held.worker_name)
      order by w.worker_name for share;
    end if;
    select * into v_held from public.hp_job_lease l where l.key = claim_lease.key;
    if v_held.instance_id <> claim_lease.instance_id then
      v_until := hp_private.instance_lease(v_held.worker_name, v_held.instance_id);
      if v_until > claim_lease.at then
        return jsonb_build_object('ok', false, 'holder', v_held.worker_name, 'held_until', v_until);
      end if;
    end if;
  end loop;

  v_until := hp_private.instance_lease(claim_lease.worker_name, claim_lease.instance_id);
  if v_until is null or v_until <= claim_lease.at then
    return jsonb_build_object('ok', false, 'holder', null);
  end if;
  insert into public.hp_job_lease as l (key, worker_name, instance_id, token, sequence, claimed_at)
  values (claim_lease.key, claim_lease.worker_name, claim_lease.instance_id, nextval('hp_private.lease_token_seq'),
    claim_lease.sequence, claim_lease.at)
  on conflict on constraint hp_job_lease_pkey do update set
    worker_name = excluded.worker_name, instance_id = excluded.instance_id, token = excluded.token,
    sequence = excluded.sequence, claimed_at = excluded.claimed_at
  returning l.token into v_token;
  return jsonb_build_object('ok', true, 'token', v_token);
end
$$;

-- What beats that carry leases want to know: how long the instance is vouched for, and which of its leases it has lost.
-- And what they report: a lease that was claimed before the beat was made and is not among them is one whose answer was
-- lost, or whose release was; a 0 among them is a claim on its way, for which that doesn't hold.
create or replace function hp_private.answer_leases(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  b hp_private.beat;
  v_place bigint;
  v_held bigint[];
  v_until timestamptz;
begin
  for v_place in
    select u.ordinality from unnest(beats) with ordinality u where u.leases is not null order by u.worker_name, u.ordinality
  loop
    b := beats[v_place];
    if 0 <> all (b.leases) then
      delete from public.hp_job_lease l
      where l.worker_name = b.worker_name and l.instance_id = b.instance_id
        and l.sequence < b.sequence and l.token <> all (b.leases);
    end if;
    select coalesce(array_agg(l.token), '{}') into v_held from public.hp_job_lease l
    where l.worker_name = b.worker_name and l.instance_id = b.instance_id;
    v_until := hp_private.instance_lease(b.worker_name, b.instance_id);
    answers[v_place] := answers[v_place] || jsonb_build_object(
      'lease_ms', greatest(0, round(extract(epoch from v_until - at) * 1000)),
      'leases_lost', (select coalesce(jsonb_agg(t), '[]') from unnest(b.leases) t where t > 0 and t <> all (v_held)));
  end loop;
  return answers;
end
$$;

-- Whether a worker holds as many leases as it may, other than that of this key. Its claims come one after another from here on.
create or replace function hp_private.has_enough_leases(worker_name text, key text, most integer) returns boolean
language plpgsql set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('hp_job_lease of ' || has_enough_leases.worker_name, 0));
  return most <= (
    select count(*) from public.hp_job_lease l
    where l.worker_name = has_enough_leases.worker_name and l.key <> has_enough_leases.key);
end
$$;

create or replace function public.hp_claim_lease(worker_name text, instance_id uuid, key text, sequence bigint default 0)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_most constant integer := coalesce(hp_private.setting('token_leases_per_worker'), 100);
  v_pass record;
  v_answer jsonb;
begin
  v_pass := hp_private.admit_worker(hp_claim_lease.worker_name, now());
  if v_pass.refused is not null then
    return v_pass.refused;
  end if;
  if coalesce(char_length(hp_claim_lease.key), 0) not between 1 and 255 then
    raise exception 'key is % characters long; it must be 1 to 255', coalesce(char_length(hp_claim_lease.key), 0)
      using errcode = 'PT400';
  end if;
  if v_pass.token_id is not null and hp_private.has_enough_leases(hp_claim_lease.worker_name, hp_claim_lease.key, v_most) then
    return hp_private.refuse(403, format('%s holds %s job leases already, the most with a worker token', hp_claim_lease.worker_name, v_most),
      'Release some, or raise the setting token_leases_per_worker.', 0);
  end if;
  v_answer := hp_private.claim_lease(hp_claim_lease.worker_name, hp_claim_lease.instance_id, hp_claim_lease.key,
    hp_claim_lease.sequence, now());
  -- A token is not to learn who else there is.
  if v_answer ->> 'holder' not like v_pass.names_like then
    v_answer := v_answer || '{"holder": "another worker"}';
  end if;
  return v_answer;
end
$$;

create or replace function public.hp_release_lease(worker_name text, instance_id uuid, key text, token bigint) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_pass record;
begin
  v_pass := hp_private.admit_worker(hp_release_lease.worker_name, now());
  if v_pass.refused is not null then
    return v_pass.refused;
  end if;
  -- The token, for the same instance may have claimed the key anew by the time that this comes.
  delete from public.hp_job_lease l
  where l.key = hp_release_lease.key and l.worker_name = hp_release_lease.worker_name
    and l.instance_id = hp_release_lease.instance_id and l.token = hp_release_lease.token;
  return to_jsonb(found);
end
$$;

create or replace function public.hp_release_dead_worker_leases() returns integer
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.require_operator('release leases');
  return hp_private.release_leases(now());
end
$$;

revoke all on function
  hp_private.instance_lease, hp_private.release_leases_of, hp_private.dead_leases, hp_private.release_leases,
  hp_private.claim_lease, hp_private.answer_leases, hp_private.has_enough_leases
from public;
revoke all on function
  public.hp_claim_lease, public.hp_release_lease, public.hp_release_dead_worker_leases
from public, anon, authenticated, service_role;
grant execute on function public.hp_claim_lease, public.hp_release_lease to anon, service_role;
grant execute on function public.hp_release_dead_worker_leases to authenticated, service_role;

comment on function hp_private.instance_lease is 'Until when an instance is vouched for; null when it has ended or is not known.';
comment on function hp_private.release_leases_of is 'Releases the job leases of an instance that has ended.';
comment on function hp_private.dead_leases is 'The job leases of instances that are dead.';
comment on function hp_private.release_leases is 'Releases the job leases of instances that are dead; returns how many.';
comment on function hp_private.claim_lease is 'hp_claim_lease at a given time.';
comment on function hp_private.answer_leases is 'Adds to the answers of beats that carry leases how long these are good for and which are lost.';
comment on function hp_private.has_enough_leases is 'Whether a worker holds so many job leases besides that of a key.';
comment on function public.hp_claim_lease is 'Claims a job lease for an instance: {ok, token}, or {ok, holder, held_until}. Errors: PT400 key not of 1 to 255 characters, 401 and 403 by response.status.';
comment on function public.hp_release_lease is 'Gives a job lease back; false where it was lost before. Errors: 401 and 403 by response.status.';
comment on function public.hp_release_dead_worker_leases is 'Releases the job leases of processes that are dead; returns how many. Errors: PT403 not an operator.';
