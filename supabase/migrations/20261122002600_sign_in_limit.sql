-- How often somebody may try to sign in through the dashboard, to make an account, or to have a link mailed. Supabase Auth limits by address, and behind the dashboard
-- all come from one: without this, whoever guesses passwords through it has the dashboard's allowance, and uses up everybody's.
--
-- Serverless functions remember nothing together, so tries are counted here, by where they come from and by that and
-- the account. Only hashes are kept. Whoever has the publishable key may call this and count tries that never were: the
-- table has a fixed number of places (a newcomer takes a place over), so that it can't be filled. By the same calls anybody
-- can lock a network out for ten minutes, of one account or of all; never an account for other networks.
-- It slows guessing through the form down. Who calls Auth itself with the publishable key is under Auth's own limits alone.

-- Places are drawn with a secret: otherwise whoever computes a second account of the same place has a counter forgotten at will.
create table if not exists hp_private.sign_in_salt (
  id boolean default true
    constraint sign_in_salt_pkey primary key
    constraint sign_in_salt_id_check check (id),
  -- Two of them have 244 random bits, and need no extension.
  salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);

alter table hp_private.sign_in_salt enable row level security;

revoke all on table hp_private.sign_in_salt from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the functions below use it.

comment on table hp_private.sign_in_salt is 'One row: the secret of this installation by which tries to sign in find their places.';
comment on column hp_private.sign_in_salt.id is 'Always true.';
comment on column hp_private.sign_in_salt.salt is 'Goes before what is hashed. Made once; a new one forgets all counts.';

insert into hp_private.sign_in_salt (id) values (true) on conflict (id) do nothing;

create unlogged table if not exists hp_private.sign_in_try (
  place integer
    constraint sign_in_try_pkey primary key
    constraint sign_in_try_place_check check (place between 0 and 65535),
  who bytea not null,
  tries integer not null,
  began_at timestamptz not null
) with (fillfactor = 80);

alter table hp_private.sign_in_try enable row level security;

revoke all on table hp_private.sign_in_try from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the functions below use it.

comment on table hp_private.sign_in_try is 'Tries to sign in within the last minutes, in a fixed number of places. Unlogged: a crash may forget them.';
comment on column hp_private.sign_in_try.place is 'Out of the hash; who comes later takes it over.';
comment on column hp_private.sign_in_try.who is 'SHA-256 of the salt and where the tries come from, or of that and the account.';
comment on column hp_private.sign_in_try.tries is 'How many since then.';
comment on column hp_private.sign_in_try.began_at is 'When the first one was.';

create or replace function hp_private.sign_in_hash(what text) returns bytea
language sql stable set search_path = ''
return (select sha256(s.salt || convert_to(sign_in_hash.what, 'UTF8')) from hp_private.sign_in_salt s);

-- Counts a try; gives the seconds to wait, 0 where it is admitted.
create or replace function hp_private.count_try(what text, most integer, span interval, at timestamptz) returns integer
language sql set search_path = ''
as $$
  with hash as (select hp_private.sign_in_hash(count_try.what) as who)
  insert into hp_private.sign_in_try as t (place, who, tries, began_at)
  select get_byte(h.who, 0) * 256 + get_byte(h.who, 1), h.who, 1, count_try.at from hash h
  on conflict (place) do update set
    who = excluded.who,
    tries = case when t.who = excluded.who and t.began_at > count_try.at - count_try.span then least(t.tries, 1000000) + 1 else 1 end,
    began_at = case when t.who = excluded.who and t.began_at > count_try.at - count_try.span then t.began_at else excluded.began_at end
  returning case
    when t.tries > count_try.most then ceil(extract(epoch from t.began_at + count_try.span - count_try.at))::integer
    else 0
  end;
$$;

drop function if exists public.hp_admit_sign_in(text, text);

-- What there is to try, and how often within ten minutes: from one network in all, and from one network for one account (or
-- one link). Each is counted by itself. Making accounts and asking for mails is for a newcomer, a few times; a mail goes to
-- somebody who may not have asked for it.
create or replace function hp_private.sign_in_limits(kind text, out from_network integer, out for_account integer)
language sql immutable set search_path = ''
begin atomic
  select l.from_network, l.for_account
  from (values ('sign-in', 100, 10), ('sign-up', 20, 5), ('link', 30, 3), ('confirm', 100, 10))
    l (kind, from_network, for_account)
  where l.kind = sign_in_limits.kind;
end;

-- SECURITY DEFINER because nobody signed in yet may write. `network` is what the dashboard knows of the caller's address.
create or replace function public.hp_admit_sign_in(network text, email text, kind text default 'sign-in') returns integer
language plpgsql security definer set search_path = ''
as $$
declare
  v_span constant interval := '10 minutes';
  v_account constant text := lower(trim(hp_admit_sign_in.email));
  v_most constant record := hp_private.sign_in_limits(hp_admit_sign_in.kind);
  v_network text;
begin
  if network is null or char_length(network) > 128 then
    raise exception 'network must have at most 128 characters' using errcode = 'PT400';
  end if;
  if v_account is null or char_length(v_account) > 320 then
    raise exception 'email must have at most 320 characters' using errcode = 'PT400';
  end if;
  if v_most.from_network is null then
    raise exception 'kind must be sign-in, sign-up, link or confirm' using errcode = 'PT400';
  end if;
  v_network := network || case when hp_admit_sign_in.kind = 'sign-in' then '' else E'\t' || hp_admit_sign_in.kind end;
  -- Both are counted, whatever the first one says.
  return greatest(
    hp_private.count_try(v_network, v_most.from_network, v_span, now()),
    hp_private.count_try(v_network || E'\n' || v_account, v_most.for_account, v_span, now()));
end
$$;

-- SECURITY DEFINER: as above. One who knows the password is no guesser; of other accounts nothing is forgotten.
create or replace function public.hp_forget_sign_in(network text) returns void
language sql security definer set search_path = ''
as $$
  delete from hp_private.sign_in_try t
  where t.who = hp_private.sign_in_hash(hp_forget_sign_in.network || E'\n' || lower(auth.jwt() ->> 'email'))
    and t.place = get_byte(t.who, 0) * 256 + get_byte(t.who, 1);
$$;

revoke all on function hp_private.sign_in_hash(text) from public;
revoke all on function hp_private.count_try(text, integer, interval, timestamptz) from public;
revoke all on function hp_private.sign_in_limits(text) from public;
revoke all on function public.hp_admit_sign_in(text, text, text) from public, anon, authenticated, service_role;
revoke all on function public.hp_forget_sign_in(text) from public, anon, authenticated, service_role;
grant execute on function public.hp_admit_sign_in(text, text, text) to anon, authenticated, service_role;
grant execute on function public.hp_forget_sign_in(text) to authenticated;

comment on function hp_private.sign_in_hash(text) is 'Who tries, as it is kept.';
comment on function hp_private.count_try(text, integer, interval, timestamptz) is 'Counts a try; gives the seconds to wait where there were more than so many in a span.';
comment on function hp_private.sign_in_limits(text) is 'How often something may be tried within ten minutes; null for what there is not.';
comment on function public.hp_admit_sign_in(text, text, text) is 'Counts a try to sign in, to sign up, to have a link mailed or to use one: 0, or how many seconds to wait. Errors: PT400 network, email, kind.';
comment on function public.hp_forget_sign_in(text) is 'Forgets the tries for the caller''s own account from this network, after signing in.';
