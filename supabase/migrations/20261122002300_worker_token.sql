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
-- note: nobody reads or writes it but through the functions below: the hashes stay inside, and so does who is refused.

comment on table public.hp_worker_token is 'What workers carry beside the publishable key; each is for certain names.';
comment on column public.hp_worker_token.token_hash is 'SHA-256 of the token, which itself is stored nowhere.';
comment on column public.hp_worker_token.token_id is 'What people and pages call it by.';
comment on column public.hp_worker_token.token_start is 'Its first ten characters, hbt_ included.';
comment on column public.hp_worker_token.label is 'What it is for, in words.';
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

-- SECURITY DEFINER: nobody has a right on the table, so the role is asked for here.
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
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role'
    and coalesce(hp_private.member_role(), '') <> 'owner'
  then
    raise exception 'only an owner may make worker tokens' using errcode = 'PT403';
  end if;
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
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role'
    and coalesce(hp_private.member_role(), '') <> 'owner'
  then
    raise exception 'only an owner may revoke worker tokens' using errcode = 'PT403';
  end if;
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
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role'
    and coalesce(hp_private.member_role(), '') <> 'owner'
  then
    raise exception 'only an owner may see worker tokens' using errcode = 'PT403';
  end if;
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

revoke all on function public.hp_create_worker_token(text, text, interval) from public, anon, authenticated, service_role;
revoke all on function public.hp_revoke_worker_token(bigint) from public, anon, authenticated, service_role;
revoke all on function public.hp_list_worker_tokens() from public, anon, authenticated, service_role;
grant execute on function public.hp_create_worker_token(text, text, interval) to authenticated, service_role;
grant execute on function public.hp_revoke_worker_token(bigint) to authenticated, service_role;
grant execute on function public.hp_list_worker_tokens() to authenticated, service_role;

comment on function public.hp_create_worker_token(text, text, interval) is 'Makes a worker token and returns it, this once. Errors: PT400 label, name_pattern or expires_in, PT403 not an owner.';
comment on function public.hp_revoke_worker_token(bigint) is 'Refuses a worker token from now on. Errors: PT403 not an owner, PT404 no such token.';
comment on function public.hp_list_worker_tokens() is 'Every worker token, without its hash, and how many tries there were with unknown ones. Errors: PT403 not an owner.';
