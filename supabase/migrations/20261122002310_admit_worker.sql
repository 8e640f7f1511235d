-- How a worker is let in: with a key that may do so for any name, or with a token for some.
--
-- A refusal is returned, with its HTTP status in response.status, and not raised: raised, it would take the count of
-- refused tries back with it. It never depends on how many there were whether a good token is let in: else anybody
-- could lock a worker out.

-- What was tried with tokens that begin like none of ours: counted by a sequence, which locks nothing.
create sequence if not exists hp_private.unknown_token_seq;

create table if not exists hp_private.unknown_token_rate (
  id boolean default true
    constraint unknown_token_rate_pkey primary key
    constraint unknown_token_rate_id_check check (id),
  since timestamptz,
  before bigint not null default 0
);

alter table hp_private.unknown_token_rate enable row level security;
revoke all on table hp_private.unknown_token_rate from anon, authenticated, service_role;
revoke all on sequence hp_private.unknown_token_seq from anon, authenticated, service_role;

comment on table hp_private.unknown_token_rate is 'One row: how often unknown tokens are tried.';
comment on column hp_private.unknown_token_rate.id is 'Always true.';
comment on column hp_private.unknown_token_rate.since is 'When the minute began whose tries are counted; near the last try therefore.';
comment on column hp_private.unknown_token_rate.before is 'Tries before it.';

insert into hp_private.unknown_token_rate (id) values (true) on conflict (id) do nothing;

-- The body of a refusal, as PostgREST would make it of a raised error, and its status. wait_s: 429 instead, the reason
-- all the same in words.
create or replace function hp_private.refuse(status integer, message text, hint text, wait_s integer) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  if wait_s > 0 then
    status := 429;
    message := format('%s; too many tries, wait for %s s', message, wait_s);
    perform set_config('response.headers', format('[{"Retry-After": "%s"}]', wait_s), true);
  end if;
  perform set_config('response.status', status::text, true);
  return jsonb_build_object('code', 'PT' || status, 'message', message, 'details', null, 'hint', hint);
end
$$;

-- How many workers, and processes of workers, a token may add. Its names are within its pattern, but a wide pattern has any
-- number of them, and a name any number of processes: without this, whoever steals a token fills the database. Crash loops of
-- many workers stay well below.
insert into public.hp_setting (key, value, description) values
  ('token_new_names_per_hour', '1000', 'New workers that one worker token may add an hour.'),
  ('token_new_processes_per_hour', '5000', 'Starts of processes that may be reported with one worker token an hour.')
on conflict (key) do nothing;

-- Apart from the token: its row is written by beats that hold no worker yet, and these wait here for one another while they do.
create table if not exists hp_private.worker_token_added (
  token_id bigint
    constraint worker_token_added_pkey primary key
    constraint worker_token_added_token_id_fkey references public.hp_worker_token (token_id) on delete cascade,
  since timestamptz not null,
  names integer not null default 0,
  processes integer not null default 0
);

alter table hp_private.worker_token_added enable row level security;
revoke all on table hp_private.worker_token_added from public, anon, authenticated, service_role;

comment on table hp_private.worker_token_added is 'How many workers and processes each token has added lately.';
comment on column hp_private.worker_token_added.token_id is 'The token.';
comment on column hp_private.worker_token_added.since is 'When the hour began that is counted.';
comment on column hp_private.worker_token_added.names is 'Workers added since then.';
comment on column hp_private.worker_token_added.processes is 'Processes first heard since then.';

-- Counts a refused try against a token: 60 a minute, and what comes above that is told to wait and writes nothing.
-- Returns for how many seconds; 0 while there is room.
create or replace function hp_private.count_refused(token_id bigint, why text, at timestamptz) returns integer
language plpgsql set search_path = ''
as $$
declare
  c_most constant integer := 60;
  v_token public.hp_worker_token;
begin
  select * into v_token from public.hp_worker_token t where t.token_id = count_refused.token_id;
  if v_token.refused_lately >= c_most and v_token.refused_since > at - interval '1 minute' then
    return ceil(extract(epoch from v_token.refused_since + interval '1 minute' - at));
  end if;
  update public.hp_worker_token t set
    refused_count = t.refused_count + 1, refused_at = at, refused_why = why,
    refused_since = case when t.refused_since > at - interval '1 minute' then t.refused_since else at end,
    refused_lately = case when t.refused_since > at - interval '1 minute' then t.refused_lately + 1 else 1 end
  -- Where another try is being counted, nobody waits for it.
  where t.token_hash = (select l.token_hash from public.hp_worker_token l
    where l.token_hash = v_token.token_hash for no key update skip locked);
  return 0;
end
$$;

-- The same for tokens that nobody made: 300 a minute, all together.
create or replace function hp_private.count_unknown(at timestamptz) returns integer
language plpgsql set search_path = ''
as $$
declare
  c_most constant integer := 300;
  v_count constant bigint := nextval('hp_private.unknown_token_seq');
  v_rate hp_private.unknown_token_rate;
begin
  select * into v_rate from hp_private.unknown_token_rate;
  if coalesce(v_rate.since, '-infinity') <= at - interval '1 minute' then
    update hp_private.unknown_token_rate r set since = at, before = v_count - 1
    where r.id = (select l.id from hp_private.unknown_token_rate l where l.id for no key update skip locked);
    return 0;
  elsif v_count - v_rate.before <= c_most then
    return 0;
  end if;
  return ceil(extract(epoch from v_rate.since + interval '1 minute' - at));
end
$$;

-- A token is for other names.
create or replace function hp_private.refuse_name(token_id bigint, worker_name text, at timestamptz) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_pattern constant text := (
    select t.name_pattern from public.hp_worker_token t where t.token_id = refuse_name.token_id);
  v_message constant text := format(
    'the worker token is for names like %s, not for %s', v_pattern, coalesce(left(worker_name, 128), 'none'));
begin
  return hp_private.refuse(403, v_message, 'Make a token for this name in Settings, Worker tokens.',
    hp_private.count_refused(refuse_name.token_id, v_message, at));
end
$$;

-- Counts what a token is about to add, and returns how many of each it may not. Comes after the locks on workers that
-- exist, so that who waits here holds nothing that who is counted still wants.
create or replace function hp_private.count_added(
  token_id bigint, at timestamptz, inout names integer, inout processes integer
)
language plpgsql set search_path = ''
as $$
declare
  v_most_names constant integer := coalesce(hp_private.setting('token_new_names_per_hour'), 1000);
  v_most_processes constant integer := coalesce(hp_private.setting('token_new_processes_per_hour'), 5000);
  v_added hp_private.worker_token_added;
  v_names integer;
  v_processes integer;
begin
  insert into hp_private.worker_token_added as t (token_id, since)
  values (count_added.token_id, count_added.at) on conflict do nothing;
  select * into v_added from hp_private.worker_token_added t where t.token_id = count_added.token_id for update;
  if v_added.since <= at - interval '1 hour' then
    v_added.since := at;
    v_added.names := 0;
    v_added.processes := 0;
  end if;
  v_names := least(names, greatest(v_most_names - v_added.names, 0));
  v_processes := least(processes, greatest(v_most_processes - v_added.processes, 0));
  if v_names > 0 or v_processes > 0 then
    update hp_private.worker_token_added t
    set since = v_added.since, names = v_added.names + v_names, processes = v_added.processes + v_processes
    where t.token_id = count_added.token_id;
  end if;
  if v_names < names or v_processes < processes then
    perform hp_private.count_refused(count_added.token_id, case
      when v_names < names then format('more than %s new workers within an hour', v_most_names)
      else format('more than %s new processes within an hour', v_most_processes)
    end, at);
  end if;
  names := names - v_names;
  processes := processes - v_processes;
end
$$;

-- Who calls. refused: what to answer instead. names_like: the LIKE pattern of the names that it may speak for; null
-- for any name. worker_name: the one that it wants to speak for, where that is one.
create or replace function hp_private.admit_worker(
  worker_name text, at timestamptz, out names_like text, out token_id bigint, out refused jsonb
)
language plpgsql set search_path = ''
as $$
declare
  v_role text := current_setting('role');
  v_given text;
  v_why text;
  v_token public.hp_worker_token;
begin
  -- The role of the request, which a SECURITY DEFINER function does not change. Not the claims: without any, nobody
  -- would be anon.
  if v_role = 'none' then
    v_role := session_user;
  end if;
  if v_role = 'service_role' or (v_role <> 'anon' and pg_has_role(v_role, 'service_role', 'usage')) then
    return;
  end if;

  v_given := nullif(current_setting('request.headers', true), '')::json ->> 'x-worker-token';
  if coalesce(v_given, '') = '' then
    refused := hp_private.refuse(401, 'no worker token came with this key',
      'Set HEARTBEAT_TOKEN beside SUPABASE_PUBLISHABLE_KEY, or use the secret key.', 0);
    return;
  end if;

  select * into v_token from public.hp_worker_token t where t.token_hash = sha256(convert_to(v_given, 'UTF8'));
  if not found then
    v_why := case when v_given ~ '^hbt_[A-Za-z0-9_-]{43}$' then 'the worker token is not known'
      else 'the worker token is none: it must be hbt_ and 43 characters' end;
    -- Most are cut off or of another project. One that begins like a token of ours is told to its owner.
    select t.token_id into v_token.token_id from public.hp_worker_token t where t.token_start = left(v_given, 10) limit 1;
    refused := hp_private.refuse(401, v_why, 'Make one in Settings, Worker tokens.', case
      when v_token.token_id is null then hp_private.count_unknown(at)
      else hp_private.count_refused(v_token.token_id, 'one that begins like it, but is another or not all of it', at)
    end);
    return;
  end if;

  v_why := case
    when v_token.revoked_at is not null then 'was revoked at ' || to_char(v_token.revoked_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
    when v_token.expires_at <= at then 'expired at ' || to_char(v_token.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
  end;
  if v_why is not null then
    v_why := 'the worker token ' || v_why;
    refused := hp_private.refuse(401, v_why, 'Make a new one in Settings, Worker tokens.',
      hp_private.count_refused(v_token.token_id, v_why, at));
    return;
  end if;

  -- An underscore is itself: people who write crawl_1 mean that name.
  names_like := replace(v_token.name_pattern, '_', '\_');
  token_id := v_token.token_id;
  if worker_name is not null and worker_name not like names_like then
    refused := hp_private.refuse_name(v_token.token_id, worker_name, at);
    return;
  end if;
  -- Once a minute, by whoever gets the row: per beat it cost four fifths of the throughput.
  if coalesce(v_token.last_used_at, '-infinity') <= at - interval '1 minute' then
    update public.hp_worker_token t set last_used_at = at
    where t.token_hash = (select l.token_hash from public.hp_worker_token l
      where l.token_hash = v_token.token_hash for no key update skip locked);
  end if;
end
$$;

revoke all on function hp_private.refuse(integer, text, text, integer) from public;
revoke all on function hp_private.count_refused(bigint, text, timestamptz) from public;
revoke all on function hp_private.count_unknown(timestamptz) from public;
revoke all on function hp_private.refuse_name(bigint, text, timestamptz) from public;
revoke all on function hp_private.count_added(bigint, timestamptz, integer, integer) from public;
revoke all on function hp_private.admit_worker(text, timestamptz) from public;

comment on function hp_private.refuse(integer, text, text, integer) is 'Sets the response''s status and returns the body that says why.';
comment on function hp_private.count_refused(bigint, text, timestamptz) is 'Counts a refused try against a token; returns for how long to wait where there were too many.';
comment on function hp_private.count_unknown(timestamptz) is 'Counts a try with an unknown token; returns for how long to wait where there were too many.';
comment on function hp_private.refuse_name(bigint, text, timestamptz) is 'Refuses a name that a token is not for.';
comment on function hp_private.count_added(bigint, timestamptz, integer, integer) is 'Counts workers and processes that a token is about to add; returns how many of each it may not.';
comment on function hp_private.admit_worker(text, timestamptz) is 'Whether the caller may report, and under which names.';
