-- How workers come by job leases and give them back.

-- The order of locks: one for the claims of a worker with a token, the key's, workers by their names, the lease's row. All who write a lease hold its worker's row, and
-- share it only with other claims: a beat of the holder, which prolongs what it holds, is over or has not begun.
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
-- And what they tell: a lease that was claimed before the beat was made and is not among them is one whose answer was
-- lost, or whose release was; a 0 among them is a claim on its way, of which that can't be said.
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

-- A worker that holds all leases stops all work, so a stolen token gets but so many of them for each of its names.
insert into public.hp_setting (key, value, description) values
  ('token_leases_per_worker', '100', 'Job leases that a worker may hold at a time where it reports with a worker token.')
on conflict (key) do nothing;

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
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role'
    and coalesce(hp_private.member_role(), '') not in ('operator', 'owner')
  then
    raise exception 'only an operator or an owner may release leases' using errcode = 'PT403';
  end if;
  return hp_private.release_leases(now());
end
$$;

revoke all on function hp_private.claim_lease(text, uuid, text, bigint, timestamptz) from public;
revoke all on function hp_private.answer_leases(hp_private.beat[], jsonb[], timestamptz) from public;
revoke all on function hp_private.has_enough_leases(text, text, integer) from public;
revoke all on function public.hp_claim_lease(text, uuid, text, bigint) from public, anon, authenticated, service_role;
revoke all on function public.hp_release_lease(text, uuid, text, bigint) from public, anon, authenticated, service_role;
revoke all on function public.hp_release_dead_worker_leases() from public, anon, authenticated, service_role;
grant execute on function public.hp_claim_lease(text, uuid, text, bigint) to anon, service_role;
grant execute on function public.hp_release_lease(text, uuid, text, bigint) to anon, service_role;
grant execute on function public.hp_release_dead_worker_leases() to authenticated, service_role;

comment on function hp_private.claim_lease(text, uuid, text, bigint, timestamptz) is 'hp_claim_lease at a given time.';
comment on function hp_private.answer_leases(hp_private.beat[], jsonb[], timestamptz) is 'Adds to the answers of beats that carry leases how long these are good for and which are lost.';
comment on function hp_private.has_enough_leases(text, text, integer) is 'Whether a worker holds so many job leases besides that of a key.';
comment on function public.hp_claim_lease(text, uuid, text, bigint) is 'Claims a job lease for an instance: {ok, token}, or {ok, holder, held_until}. Errors: PT400 key not of 1 to 255 characters, 401 and 403 by response.status.';
comment on function public.hp_release_lease(text, uuid, text, bigint) is 'Gives a job lease back; false where it was lost before. Errors: 401 and 403 by response.status.';
comment on function public.hp_release_dead_worker_leases() is 'Releases the job leases of processes that are dead; returns how many. Errors: PT403 not an operator.';
