-- Who may look and act. Everything that is not part of the API lives in hp_private: the Data API does not expose that schema,
-- so nothing in it can be called or read from outside, whatever its grants.

create schema if not exists hp_private;

comment on schema hp_private is 'Lastseen''s inner functions and state; not exposed by the Data API.';

revoke all on schema hp_private from public;
-- authenticated: row level security policies call hp_private.is_member() as the reader.
grant usage on schema hp_private to authenticated, service_role;

-- An Auth user has no rights here without a row in this table.
create table if not exists public.hp_member (
  user_id uuid
    constraint hp_member_pkey primary key
    constraint hp_member_user_id_fkey references auth.users (id) on delete cascade,
  role text not null default 'viewer'
    constraint hp_member_role_check check (role in ('viewer', 'operator', 'owner')),
  created_at timestamptz not null default now()
);

alter table public.hp_member enable row level security;

-- A token is good until it ends, an hour, whatever becomes of its session: one that was signed out on another device must do
-- nothing more. A token that names no session has none that could end. Asked each time, for Auth makes its tables when it
-- starts; and where our owner may not read them the token's end has to do.
create or replace function hp_private.session_lives() returns boolean
language plpgsql stable set search_path = ''
as $$
declare
  v_session constant text := auth.jwt() ->> 'session_id';
  v_sessions constant oid := to_regclass('auth.sessions');
begin
  if v_session is null or v_sessions is null
    or not has_table_privilege(v_sessions, 'select') or row_security_active(v_sessions)
  then
    return true;
  end if;
  return exists (select from auth.sessions s where s.id = v_session::uuid and s.user_id = auth.uid());
end
$$;

-- SECURITY DEFINER because a policy on hp_member that reads hp_member would recurse, and because
-- the other tables' policies must not depend on what a reader may see of hp_member.
create or replace function hp_private.member_role() returns text
language sql stable security definer set search_path = ''
return (select m.role from public.hp_member m where m.user_id = auth.uid() and hp_private.session_lives());

create or replace function hp_private.is_member() returns boolean
language sql stable security definer set search_path = ''
return exists (select from public.hp_member m where m.user_id = auth.uid() and hp_private.session_lives());

drop policy if exists "members see their own row" on public.hp_member;
create policy "members see their own row" on public.hp_member
  for select to authenticated using (user_id = (select auth.uid()));

-- Policies of one command add up: one of somebody else, such as "for all using (true)", which circulates as a fix for
-- "permission denied", would open the table. A restrictive one goes on top of all others. To public, and not to the roles of the
-- API: else a role that somebody made would be let through. Hence everybody may run what these policies ask.
drop policy if exists "only their own row, whatever else is allowed" on public.hp_member;
create policy "only their own row, whatever else is allowed" on public.hp_member as restrictive
  for all to public using (user_id = (select auth.uid()));

revoke all on table public.hp_member from anon, authenticated, service_role;
grant select on table public.hp_member to authenticated, service_role;
-- note: only functions that check their caller write here, and the SQL editor: no API key makes an owner.

comment on table public.hp_member is 'Who may use the dashboard, and as what.';
comment on column public.hp_member.user_id is 'The Auth user.';
comment on column public.hp_member.role is 'viewer reads, operator also acts on workers, owner also manages members and settings.';
comment on column public.hp_member.created_at is 'When the membership began.';

-- Who is asking. A request without a token comes from the SQL editor, which may do what the secret key may.
create or replace function hp_private.caller_role() returns text
language sql stable set search_path = ''
return case
  when coalesce(nullif(auth.role(), ''), 'service_role') = 'service_role' then 'secret key'
  else coalesce(hp_private.member_role(), 'stranger')
end;

-- The Auth user who is asking; null for the secret key.
create or replace function hp_private.caller_id() returns uuid
language sql stable set search_path = ''
return case when hp_private.caller_role() <> 'secret key' then auth.uid() end;

create or replace function hp_private.may_operate() returns boolean
language sql stable set search_path = ''
return hp_private.caller_role() in ('operator', 'owner', 'secret key');

create or replace function hp_private.require_member() returns void
language plpgsql stable set search_path = ''
as $$
begin
  if hp_private.caller_role() = 'stranger' then
    raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403',
      hint = 'An owner can add you: select hp_add_member(''you@example.com'');';
  end if;
end
$$;

create or replace function hp_private.require_operator(action text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not hp_private.may_operate() then
    raise exception 'only an operator or an owner may %', action using errcode = 'PT403';
  end if;
end
$$;

create or replace function hp_private.require_owner(action text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if hp_private.caller_role() not in ('owner', 'secret key') then
    raise exception 'only an owner may %', action using errcode = 'PT403';
  end if;
end
$$;

-- The body of a refusal, as PostgREST would make it of a raised error, and its status. With wait_s the status is 429, and the
-- message still gives the reason.
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

-- What owners do with members: signed in themselves, for no API key makes an owner.
create or replace function hp_private.require_signed_in_owner() returns void
language plpgsql stable set search_path = ''
as $$
begin
  if hp_private.caller_role() <> 'owner' then
    raise exception 'only an owner may see or change members' using errcode = 'PT403';
  end if;
end
$$;

-- Two owners who demote each other at once would each find the other one still there. So changes of members wait for
-- each other here, before any of them has locked a row or asked who calls.
create or replace function hp_private.lock_members() returns void
language sql set search_path = ''
return pg_advisory_xact_lock(hashtextextended('hp_member', 0));

create or replace function hp_private.require_role_name(role text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if require_role_name.role is null or require_role_name.role not in ('viewer', 'operator', 'owner') then
    raise exception 'role is %; it must be viewer, operator or owner', left(coalesce(require_role_name.role, 'null'), 50)
      using errcode = 'PT400';
  end if;
end
$$;

-- There is always an owner who can let others in: the last one is neither removed nor demoted, by any way.

create or replace function hp_private.tg_hp_member__one_at_a_time() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.lock_members();
  return null;
end
$$;

-- SECURITY DEFINER: when an account is deleted, its membership goes with it, and up to PostgreSQL 17 this runs as the
-- one who deletes accounts, who may not read hp_member.
create or replace function hp_private.tg_hp_member__keep_an_owner() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if not exists (select from v_before b where b.role = 'owner') then
    return null;
  end if;
  -- Locked, so that a transaction with an old view of the table fails here instead of being mistaken.
  perform from public.hp_member m where m.role = 'owner' limit 1 for share;
  if not found then
    raise exception 'this is the last owner' using errcode = 'PT409',
      hint = 'Make somebody else an owner first.';
  end if;
  return null;
end
$$;

create or replace trigger _100_one_at_a_time before update or delete on public.hp_member
  for each statement execute function hp_private.tg_hp_member__one_at_a_time();

-- A trigger that compares with what was before may serve one command only.
create or replace trigger _900_keep_an_owner_at_update after update on public.hp_member
  referencing old table as v_before
  for each statement execute function hp_private.tg_hp_member__keep_an_owner();
create or replace trigger _900_keep_an_owner_at_delete after delete on public.hp_member
  referencing old table as v_before
  for each statement execute function hp_private.tg_hp_member__keep_an_owner();

-- An invite waits for somebody who can prove that the address is theirs. It is claimed when they open the dashboard.
create table if not exists public.hp_member_invite (
  email text
    constraint hp_member_invite_pkey primary key
    constraint hp_member_invite_email_check check (email = lower(email) and email ~ '^[^@\s]+@[^@\s]+$' and char_length(email) <= 254),
  role text not null default 'viewer'
    constraint hp_member_invite_role_check check (role in ('viewer', 'operator', 'owner')),
  created_at timestamptz not null default now()
);

alter table public.hp_member_invite enable row level security;

revoke all on table public.hp_member_invite from anon, authenticated, service_role;
-- note: no policy and no grant. Addresses are personal; owners see them through hp_members().

comment on table public.hp_member_invite is 'Who has been invited and has not come yet.';
comment on column public.hp_member_invite.email is 'The address, in lower case.';
comment on column public.hp_member_invite.role is 'What they will be.';
comment on column public.hp_member_invite.created_at is 'When they were invited last.';

-- Whoever becomes a member, on whatever way, needs no invite any more; one that stayed would let them in again after
-- they were removed. SECURITY DEFINER: nobody else may write invites.
create or replace function hp_private.tg_hp_member__settle_invite() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  delete from public.hp_member_invite i using auth.users u where u.id = new.user_id and i.email = lower(u.email);
  return null;
end
$$;

create or replace trigger _500_settle_invite after insert on public.hp_member
  for each row execute function hp_private.tg_hp_member__settle_invite();

-- The first owner is made in the SQL editor: select hp_add_member('you@example.com', 'owner');
create or replace function public.hp_add_member(email text, role text default 'viewer') returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  perform hp_private.require_role_name(hp_add_member.role);

  select u.id into v_user_id from auth.users u where lower(u.email) = lower(trim(hp_add_member.email));
  if v_user_id is null then
    raise exception 'nobody has signed up with the address %', hp_add_member.email
      using errcode = 'PT404', hint = 'Add the user under Authentication, Users, then run this again.';
  end if;

  insert into public.hp_member as m (user_id, role) values (v_user_id, hp_add_member.role)
  on conflict (user_id) do update set role = excluded.role;
end
$$;

-- SECURITY DEFINER: it makes the caller, and nobody else, what an owner has invited their address to be. The address is
-- the account's own, never one that the caller names or their token claims, and counts only once it is confirmed.
create or replace function public.hp_claim_invite() returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_email text;
  v_role text;
begin
  if not hp_private.session_lives() then
    raise exception 'this session was signed out' using errcode = 'PT401';
  end if;
  if not exists (select from public.hp_member m where m.user_id = auth.uid()) then
    select lower(u.email) into v_email from auth.users u where u.id = auth.uid() and u.email_confirmed_at is not null;
    -- Locked rather than removed: the trigger does that, when there is a member.
    select i.role into v_role from public.hp_member_invite i where i.email = v_email for update;
    if found then
      insert into public.hp_member (user_id, role) values (auth.uid(), v_role) on conflict (user_id) do nothing;
    end if;
  end if;
  -- Read anew: a second page of the same person may have been faster.
  return (select m.role from public.hp_member m where m.user_id = auth.uid());
end
$$;

create or replace function public.hp_members()
returns table (user_id uuid, email text, role text, pending boolean, since timestamptz, last_sign_in_at timestamptz, is_me boolean)
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform hp_private.require_signed_in_owner();
  return query
    select m.user_id, u.email::text, m.role, false, m.created_at, u.last_sign_in_at, m.user_id = auth.uid()
    from public.hp_member m join auth.users u on u.id = m.user_id
    union all
    select null, i.email, i.role, true, i.created_at, null, false from public.hp_member_invite i
    order by 4, 2;
end
$$;

create or replace function public.hp_invite_member(email text, role text default 'viewer') returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_email constant text := lower(trim(hp_invite_member.email));
begin
  perform hp_private.lock_members();
  perform hp_private.require_signed_in_owner();
  perform hp_private.require_role_name(hp_invite_member.role);
  if v_email is null or v_email !~ '^[^@\s]+@[^@\s]+$' or char_length(v_email) > 254 then
    raise exception 'email is not an address' using errcode = 'PT400';
  end if;
  if exists (select from public.hp_member m join auth.users u on u.id = m.user_id where lower(u.email) = v_email) then
    raise exception '% is a member already', v_email using errcode = 'PT409';
  end if;
  insert into public.hp_member_invite as i (email, role) values (v_email, hp_invite_member.role)
  on conflict on constraint hp_member_invite_pkey do update set role = excluded.role, created_at = now();
end
$$;

create or replace function public.hp_withdraw_invite(email text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.lock_members();
  perform hp_private.require_signed_in_owner();
  delete from public.hp_member_invite i where i.email = lower(trim(hp_withdraw_invite.email));
  if not found then
    raise exception 'no invite waits for %', left(hp_withdraw_invite.email, 254) using errcode = 'PT404';
  end if;
end
$$;

create or replace function public.hp_set_member_role(user_id uuid, role text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.lock_members();
  perform hp_private.require_signed_in_owner();
  perform hp_private.require_role_name(hp_set_member_role.role);
  update public.hp_member m set role = hp_set_member_role.role where m.user_id = hp_set_member_role.user_id;
  if not found then
    raise exception 'there is no such member' using errcode = 'PT404';
  end if;
end
$$;

create or replace function public.hp_remove_member(user_id uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.lock_members();
  perform hp_private.require_signed_in_owner();
  delete from public.hp_member m where m.user_id = hp_remove_member.user_id;
  if not found then
    raise exception 'there is no such member' using errcode = 'PT404';
  end if;
  -- An address that they took on later may have been invited too.
  delete from public.hp_member_invite i using auth.users u
  where u.id = hp_remove_member.user_id and i.email = lower(u.email);
end
$$;

-- Limits of sign-ins through the dashboard, of new accounts and of links by mail. Supabase Auth limits by address, and behind
-- the dashboard all users have one: without this, a guesser of passwords has the dashboard's allowance, and uses up that of all.
--
-- Serverless functions share no memory, so tries are counted here, by network, and by network and account. Only hashes are
-- kept. With the publishable key anyone may call this and count tries that never were: the table has a fixed number of places
-- (a new try takes a place over), so that it can't be filled. Such calls can lock a network out for ten minutes, of one account
-- or of all; never an account for other networks. Calls to Auth itself are under Auth's own limits alone.

-- Places are drawn with a secret: otherwise an attacker computes a second account of the same place, and resets a counter at will.
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

-- What there is to try, and how often within ten minutes: from one network in all, and from one network for one account (or
-- one link). Each is counted by itself. New accounts and mails are needed a few times; and a mail may go to a person
-- who did not request it.
create or replace function hp_private.sign_in_limits(kind text, out from_network integer, out for_account integer)
language sql immutable set search_path = ''
begin atomic
  select l.from_network, l.for_account
  from (values ('sign-in', 100, 10), ('sign-up', 20, 5), ('link', 30, 3), ('confirm', 100, 10))
    l (kind, from_network, for_account)
  where l.kind = sign_in_limits.kind;
end;

-- SECURITY DEFINER because a caller who is not signed in yet may not write. `network` is what the dashboard knows of the caller's address.
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
  -- Both are counted, also where the first one refuses.
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

revoke all on function
  hp_private.session_lives, hp_private.caller_role, hp_private.caller_id,
  hp_private.may_operate, hp_private.require_member, hp_private.require_operator, hp_private.require_owner,
  hp_private.refuse, hp_private.require_signed_in_owner, hp_private.lock_members, hp_private.require_role_name,
  hp_private.tg_hp_member__one_at_a_time, hp_private.tg_hp_member__keep_an_owner,
  hp_private.tg_hp_member__settle_invite, hp_private.sign_in_hash, hp_private.count_try, hp_private.sign_in_limits
from public;
revoke all on function
  public.hp_add_member, public.hp_claim_invite, public.hp_members, public.hp_invite_member, public.hp_withdraw_invite,
  public.hp_set_member_role, public.hp_remove_member, public.hp_admit_sign_in, public.hp_forget_sign_in
from public, anon, authenticated, service_role;
-- note: see the restrictive policies. They say no more than who asks is.
grant execute on function hp_private.member_role, hp_private.is_member to public;
grant execute on function
  public.hp_claim_invite, public.hp_members, public.hp_invite_member,
  public.hp_withdraw_invite, public.hp_set_member_role, public.hp_remove_member, public.hp_forget_sign_in
to authenticated;
grant execute on function hp_private.caller_role, hp_private.require_member to authenticated, service_role;
grant execute on function public.hp_admit_sign_in to anon, authenticated, service_role;
-- note: hp_add_member() to nobody, its owner runs it in the SQL editor; and what owners do with members not to service_role. No
-- API key makes an owner.

comment on function hp_private.session_lives is 'Whether the session of the caller''s token has not been signed out, as far as that can be known.';
comment on function hp_private.member_role is 'The caller''s role, or null for somebody who is no member or was signed out.';
comment on function hp_private.is_member is 'Whether the caller is a member, in any role, and not signed out.';
comment on function hp_private.caller_role is 'Who is asking: owner, operator, viewer, stranger or secret key.';
comment on function hp_private.caller_id is 'The Auth user who is asking, or null.';
comment on function hp_private.may_operate is 'Whether the caller is an operator, an owner or the secret key.';
comment on function hp_private.require_member is 'Refuses strangers. Error: PT403.';
comment on function hp_private.require_operator is 'Refuses the action to viewers and strangers. Error: PT403.';
comment on function hp_private.require_owner is 'Refuses the action to everybody but owners and the secret key. Error: PT403.';
comment on function hp_private.refuse is 'Sets the status of the response and returns its body, with the reason.';
comment on function hp_private.require_signed_in_owner is 'Refuses everybody but owners who are signed in. Error: PT403.';
comment on function hp_private.lock_members is 'Lets one change of members at a time go ahead, until its transaction ends.';
comment on function hp_private.require_role_name is 'Refuses what is no role. Error: PT400.';
comment on function hp_private.tg_hp_member__one_at_a_time is 'Lets one change of members at a time go ahead.';
comment on function hp_private.tg_hp_member__keep_an_owner is 'Refuses to leave no owner. Error: PT409.';
comment on function hp_private.tg_hp_member__settle_invite is 'Removes the invite of somebody who has become a member.';
comment on function public.hp_add_member is 'Makes the Auth user with this address a member, or changes the role. Errors: PT400 role, PT404 no such user.';
comment on function public.hp_claim_invite is 'Makes the caller a member where their confirmed address has been invited. Returns their role, or null. Errors: PT401 signed out.';
comment on function public.hp_members is 'Members and pending invites, with addresses. Errors: PT403 not an owner.';
comment on function public.hp_invite_member is 'Invites an address, or changes what it is invited to be. Errors: PT400 email, role; PT403 not an owner; PT409 a member already.';
comment on function public.hp_withdraw_invite is 'Takes a pending invite back. Errors: PT403 not an owner; PT404 no such invite.';
comment on function public.hp_set_member_role is 'Changes a member''s role. Errors: PT400 role; PT403 not an owner; PT404 no such member; PT409 the last owner.';
comment on function public.hp_remove_member is 'Removes a member. Errors: PT403 not an owner; PT404 no such member; PT409 the last owner.';
comment on function hp_private.sign_in_hash is 'Who tries, as it is kept.';
comment on function hp_private.count_try is 'Counts a try; gives the seconds to wait where there were more than so many in a span.';
comment on function hp_private.sign_in_limits is 'How often something may be tried within ten minutes; null for what there is not.';
comment on function public.hp_admit_sign_in is 'Counts a try to sign in, to sign up, to have a link mailed or to use one: 0, or how many seconds to wait. Errors: PT400 network, email, kind.';
comment on function public.hp_forget_sign_in is 'Forgets the tries for the caller''s own account from this network, after signing in.';
