-- What a worker carries beside the publishable key, instead of the secret one: whoever steals it may report under the
-- names that it is for, and read nothing.
--
-- Only its hash is stored. 32 random bytes can't be guessed, so a plain SHA-256 is enough, and as the primary key it
-- leaves nothing to compare and to time. Its first characters are kept as they are, for people to tell tokens apart.
create table if not exists public.hp_worker_token (
  token_hash bytea
    constraint hp_worker_token_pkey primary key
    constraint hp_worker_token_token_hash_check check (octet_length(token_hash) = 32),
  token_id bigint generated always as identity
    constraint hp_worker_token_token_id_key unique,
  token_start text not null
    constraint hp_worker_token_token_start_check check (token_start ~ '^hbt_[A-Za-z0-9_-]{6}$'),
  label text not null
    constraint hp_worker_token_label_check check (char_length(label) between 1 and 100),
  name_pattern text not null
    constraint hp_worker_token_name_pattern_check check (name_pattern ~ '^[A-Za-z0-9%][A-Za-z0-9@:._/%-]{0,127}$'),
  created_by uuid
    constraint hp_worker_token_created_by_fkey references auth.users (id) on delete set null,
  by_secret_key boolean not null default false,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  refused_count bigint not null default 0,
  refused_at timestamptz,
  refused_why text,
  refused_since timestamptz,
  refused_lately integer not null default 0
);

create index if not exists hp_worker_token_token_start_idx on public.hp_worker_token (token_start);

alter table public.hp_worker_token enable row level security;

revoke all on table public.hp_worker_token from anon, authenticated, service_role;
-- note: read and written by the functions below alone: the hashes stay inside, and so does what is refused.

comment on table public.hp_worker_token is 'What workers carry beside the publishable key; each is for certain names.';
comment on column public.hp_worker_token.token_hash is 'SHA-256 of the token, which itself is stored nowhere.';
comment on column public.hp_worker_token.token_id is 'What people and pages call it by.';
comment on column public.hp_worker_token.token_start is 'Its first ten characters, hbt_ included.';
comment on column public.hp_worker_token.label is 'What it is for.';
comment on column public.hp_worker_token.name_pattern is 'Names of workers that it may report: % stands for any characters.';
comment on column public.hp_worker_token.created_by is 'The owner who made it; null for one made with the secret key, or whose maker''s account is gone.';
comment on column public.hp_worker_token.by_secret_key is 'Whether it was made with the secret key, and not by somebody who was signed in.';
comment on column public.hp_worker_token.created_at is 'When it was made.';
comment on column public.hp_worker_token.last_used_at is 'When it was last let in, to the minute.';
comment on column public.hp_worker_token.expires_at is 'From when on it is refused; null: never.';
comment on column public.hp_worker_token.revoked_at is 'Since when it is refused, by an owner''s decision.';
comment on column public.hp_worker_token.refused_count is 'Refused tries with it, or with one that begins like it, as far as they were counted.';
comment on column public.hp_worker_token.refused_at is 'The last of them.';
comment on column public.hp_worker_token.refused_why is 'Why that one was refused.';
comment on column public.hp_worker_token.refused_since is 'The first of those that count towards the limit.';
comment on column public.hp_worker_token.refused_lately is 'How many count towards the limit.';

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

comment on table hp_private.unknown_token_rate is 'One row: how often unknown tokens are tried.';
comment on column hp_private.unknown_token_rate.id is 'Always true.';
comment on column hp_private.unknown_token_rate.since is 'When the minute began whose tries are counted; near the last try therefore.';
comment on column hp_private.unknown_token_rate.before is 'Tries before it.';

insert into hp_private.unknown_token_rate (id) values (true) on conflict (id) do nothing;

revoke all on sequence hp_private.unknown_token_seq from anon, authenticated, service_role;

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
comment on column hp_private.worker_token_added.processes is 'Processes that reported first since then.';

-- SECURITY DEFINER: no role has a right on the table, so the caller is checked here.
create or replace function public.hp_create_worker_token(
  label text, name_pattern text, expires_in interval default null
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  -- People know * from elsewhere.
  v_pattern constant text := translate(trim(hp_create_worker_token.name_pattern), '*', '%');
  v_label constant text := trim(hp_create_worker_token.label);
  v_token text;
  v_made public.hp_worker_token;
begin
  perform hp_private.require_owner('make worker tokens');
  if coalesce(char_length(v_label), 0) not between 1 and 100 then
    raise exception 'label is % characters long; it must be 1 to 100', coalesce(char_length(v_label), 0)
      using errcode = 'PT400';
  end if;
  if v_pattern is null or v_pattern !~ '^[A-Za-z0-9%][A-Za-z0-9@:._/%-]{0,127}$' then
    raise exception 'name_pattern must be the name of a worker, in which %% may stand for any characters'
      using errcode = 'PT400';
  end if;
  if expires_in <= interval '0' or expires_in > interval '10 years' then
    raise exception 'expires_in is %; it must be above 0 and at most 10 years', expires_in using errcode = 'PT400';
  end if;

  -- Made here and not by the caller, so that it is in no statement that a log may keep. Three random uuids hold 366
  -- random bits; pgcrypto may not be there.
  v_token := 'hbt_' || translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    || uuid_send(gen_random_uuid())), 'base64'), '+/=', '-_');
  insert into public.hp_worker_token as t (
    token_hash, token_start, label, name_pattern, created_by, by_secret_key, expires_at)
  values (sha256(convert_to(v_token, 'UTF8')), left(v_token, 10), v_label, v_pattern, auth.uid(), auth.uid() is null,
    now() + expires_in)
  returning t.* into v_made;
  return jsonb_build_object('token', v_token, 'token_id', v_made.token_id, 'token_start', v_made.token_start,
    'label', v_made.label, 'name_pattern', v_made.name_pattern, 'expires_at', v_made.expires_at);
end
$$;

-- SECURITY DEFINER: as above.
create or replace function public.hp_revoke_worker_token(token_id bigint) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_token public.hp_worker_token;
begin
  perform hp_private.require_owner('revoke worker tokens');
  update public.hp_worker_token t set revoked_at = coalesce(t.revoked_at, now())
  where t.token_id = hp_revoke_worker_token.token_id
  returning t.* into v_token;
  if not found then
    raise exception 'there is no worker token %', hp_revoke_worker_token.token_id using errcode = 'PT404';
  end if;
  return jsonb_build_object('token_id', v_token.token_id, 'label', v_token.label, 'revoked_at', v_token.revoked_at);
end
$$;

-- SECURITY DEFINER: as above. Hashes are not in it.
create or replace function public.hp_list_worker_tokens() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform hp_private.require_owner('see worker tokens');
  return jsonb_build_object(
    'tokens', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'token_id', t.token_id, 'token_start', t.token_start, 'label', t.label, 'name_pattern', t.name_pattern,
        'created_by', u.email, 'by_secret_key', t.by_secret_key, 'created_at', t.created_at, 'last_used_at', t.last_used_at, 'expires_at', t.expires_at,
        'revoked_at', t.revoked_at, 'refused_count', t.refused_count, 'refused_at', t.refused_at,
        'refused_why', t.refused_why, 'state', case
          when t.revoked_at is not null then 'revoked' when t.expires_at <= now() then 'expired' else 'valid'
        end) order by t.revoked_at is not null, t.expires_at <= now() is true, t.token_id desc), '[]')
      from public.hp_worker_token t left join auth.users u on u.id = t.created_by),
    'unknown', (select jsonb_build_object('count', case when s.is_called then s.last_value else 0 end, 'at', r.since)
      from hp_private.unknown_token_seq s, hp_private.unknown_token_rate r));
end
$$;

-- Counts a refused try against a token: 60 a minute; above that the answer is to wait, and nothing is written.
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
  -- Doesn't wait for another try that is being counted.
  where t.token_hash = (select l.token_hash from public.hp_worker_token l
    where l.token_hash = v_token.token_hash for no key update skip locked);
  return 0;
end
$$;

-- The same for unknown tokens: 300 a minute, all together.
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

-- Most are cut off or of another project. A try with one that begins like a token of ours is shown to its owner.
create or replace function hp_private.refuse_unknown(given text, at timestamptz) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_like constant bigint := (select t.token_id from public.hp_worker_token t where t.token_start = left(given, 10) limit 1);
begin
  return hp_private.refuse(401, case
      when given ~ '^hbt_[A-Za-z0-9_-]{43}$' then 'the worker token is not known'
      else 'the worker token is none: it must be hbt_ and 43 characters'
    end, 'Make one in Settings, Worker tokens.', case
      when v_like is null then hp_private.count_unknown(at)
      else hp_private.count_refused(v_like, 'one that begins like it, but is another or not all of it', at)
    end);
end
$$;

create or replace function hp_private.refuse_ended(token public.hp_worker_token, at timestamptz) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_why constant text := 'the worker token ' || case when token.revoked_at is not null then 'was revoked' else 'expired' end
    || to_char(coalesce(token.revoked_at, token.expires_at) at time zone 'UTC', ' "at" YYYY-MM-DD HH24:MI "UTC"');
begin
  return hp_private.refuse(401, v_why, 'Make a new one in Settings, Worker tokens.',
    hp_private.count_refused(token.token_id, v_why, at));
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

-- Who calls. refused: what to answer instead. names_like: the LIKE pattern of the names that it may report; null
-- for any name. worker_name: the one that it wants to report, where that is one.
create or replace function hp_private.admit_worker(
  worker_name text, at timestamptz, out names_like text, out token_id bigint, out refused jsonb
)
language plpgsql set search_path = ''
as $$
declare
  v_role text := current_setting('role');
  v_given text;
  v_token public.hp_worker_token;
begin
  -- The role of the request, which a SECURITY DEFINER function does not change. Not the claims: a request without
  -- any would not be anon.
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
  refused := case
    when not found then hp_private.refuse_unknown(v_given, at)
    when v_token.revoked_at is not null or v_token.expires_at <= at then hp_private.refuse_ended(v_token, at)
  end;
  if refused is not null then
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

revoke all on function
  hp_private.count_refused, hp_private.count_unknown, hp_private.refuse_name, hp_private.refuse_unknown, hp_private.refuse_ended,
  hp_private.count_added, hp_private.admit_worker
from public;
revoke all on function
  public.hp_create_worker_token, public.hp_revoke_worker_token, public.hp_list_worker_tokens
from public, anon, authenticated, service_role;
grant execute on function
  public.hp_create_worker_token, public.hp_revoke_worker_token, public.hp_list_worker_tokens
to authenticated, service_role;

comment on function public.hp_create_worker_token is 'Makes a worker token and returns it, this once. Errors: PT400 label, name_pattern or expires_in, PT403 not an owner.';
comment on function public.hp_revoke_worker_token is 'Refuses a worker token from now on. Errors: PT403 not an owner, PT404 no such token.';
comment on function public.hp_list_worker_tokens is 'Every worker token, without its hash, and how many tries there were with unknown ones. Errors: PT403 not an owner.';
comment on function hp_private.count_refused is 'Counts a refused try against a token; returns for how long to wait where there were too many.';
comment on function hp_private.count_unknown is 'Counts a try with an unknown token; returns for how long to wait where there were too many.';
comment on function hp_private.refuse_name is 'Refuses a name that a token is not for.';
comment on function hp_private.refuse_unknown is 'Refuses a token that is none of ours.';
comment on function hp_private.refuse_ended is 'Refuses a token that was revoked or has expired.';
comment on function hp_private.count_added is 'Counts workers and processes that a token is about to add; returns how many of each it may not.';
comment on function hp_private.admit_worker is 'Whether the caller may report, and under which names.';
