-- Lastseen in one paste: for the SQL editor of a Supabase project (or psql). Safe to run again: that brings an older
-- installation up to date, and puts back grants, policies and functions that somebody changed; no row is lost.
-- Written by `npm run setup-sql`, never by hand. The source is supabase/migrations: the same statements, one concept a
-- file, with the comments for maintainers, which are left out here, as are those on what is in hp_private.
begin;
-- Workers beat meanwhile; rather than keep them waiting behind somebody's long query, this fails, and can be run again.
set local lock_timeout = '10s';

-- 20261122000100_member.sql
create schema if not exists hp_private;


revoke all on schema hp_private from public;
grant usage on schema hp_private to authenticated, service_role;

create table if not exists public.hp_member (
  user_id uuid
    constraint hp_member_pkey primary key
    constraint hp_member_user_id_fkey references auth.users (id) on delete cascade,
  role text not null default 'viewer'
    constraint hp_member_role_check check (role in ('viewer', 'operator', 'owner')),
  created_at timestamptz not null default now()
);

alter table public.hp_member enable row level security;

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

create or replace function hp_private.member_role() returns text
language sql stable security definer set search_path = ''
return (select m.role from public.hp_member m where m.user_id = auth.uid() and hp_private.session_lives());

create or replace function hp_private.is_member() returns boolean
language sql stable security definer set search_path = ''
return exists (select from public.hp_member m where m.user_id = auth.uid() and hp_private.session_lives());

drop policy if exists "members see their own row" on public.hp_member;
create policy "members see their own row" on public.hp_member
  for select to authenticated using (user_id = (select auth.uid()));

drop policy if exists "only their own row, whatever else is allowed" on public.hp_member;
create policy "only their own row, whatever else is allowed" on public.hp_member as restrictive
  for all to public using (user_id = (select auth.uid()));

revoke all on table public.hp_member from anon, authenticated, service_role;
grant select on table public.hp_member to authenticated, service_role;

comment on table public.hp_member is 'Who may use the dashboard, and as what.';
comment on column public.hp_member.user_id is 'The Auth user.';
comment on column public.hp_member.role is 'viewer reads, operator also acts on workers, owner also manages members and settings.';
comment on column public.hp_member.created_at is 'When the membership began.';

create or replace function hp_private.caller_role() returns text
language sql stable set search_path = ''
return case
  when coalesce(nullif(auth.role(), ''), 'service_role') = 'service_role' then 'secret key'
  else coalesce(hp_private.member_role(), 'stranger')
end;

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

create or replace function hp_private.require_signed_in_owner() returns void
language plpgsql stable set search_path = ''
as $$
begin
  if hp_private.caller_role() <> 'owner' then
    raise exception 'only an owner may see or change members' using errcode = 'PT403';
  end if;
end
$$;

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

create or replace function hp_private.tg_hp_member__one_at_a_time() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.lock_members();
  return null;
end
$$;

create or replace function hp_private.tg_hp_member__keep_an_owner() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if not exists (select from v_before b where b.role = 'owner') then
    return null;
  end if;
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

create or replace trigger _900_keep_an_owner_at_update after update on public.hp_member
  referencing old table as v_before
  for each statement execute function hp_private.tg_hp_member__keep_an_owner();
create or replace trigger _900_keep_an_owner_at_delete after delete on public.hp_member
  referencing old table as v_before
  for each statement execute function hp_private.tg_hp_member__keep_an_owner();

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

comment on table public.hp_member_invite is 'Who has been invited and has not come yet.';
comment on column public.hp_member_invite.email is 'The address, in lower case.';
comment on column public.hp_member_invite.role is 'What they will be.';
comment on column public.hp_member_invite.created_at is 'When they were invited last.';

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
    select i.role into v_role from public.hp_member_invite i where i.email = v_email for update;
    if found then
      insert into public.hp_member (user_id, role) values (auth.uid(), v_role) on conflict (user_id) do nothing;
    end if;
  end if;
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
  delete from public.hp_member_invite i using auth.users u
  where u.id = hp_remove_member.user_id and i.email = lower(u.email);
end
$$;

create table if not exists hp_private.sign_in_salt (
  id boolean default true
    constraint sign_in_salt_pkey primary key
    constraint sign_in_salt_id_check check (id),
  salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);

alter table hp_private.sign_in_salt enable row level security;

revoke all on table hp_private.sign_in_salt from public, anon, authenticated, service_role;


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


create or replace function hp_private.sign_in_hash(what text) returns bytea
language sql stable set search_path = ''
return (select sha256(s.salt || convert_to(sign_in_hash.what, 'UTF8')) from hp_private.sign_in_salt s);

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

create or replace function hp_private.sign_in_limits(kind text, out from_network integer, out for_account integer)
language sql immutable set search_path = ''
begin atomic
  select l.from_network, l.for_account
  from (values ('sign-in', 100, 10), ('sign-up', 20, 5), ('link', 30, 3), ('confirm', 100, 10))
    l (kind, from_network, for_account)
  where l.kind = sign_in_limits.kind;
end;

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
  return greatest(
    hp_private.count_try(v_network, v_most.from_network, v_span, now()),
    hp_private.count_try(v_network || E'\n' || v_account, v_most.for_account, v_span, now()));
end
$$;

create or replace function public.hp_forget_sign_in(network text) returns void
language sql security definer set search_path = ''
as $$
  delete from hp_private.sign_in_try t
  where t.who = hp_private.sign_in_hash(hp_forget_sign_in.network || E'\n' || lower(auth.jwt() ->> 'email'))
    and t.place = get_byte(t.who, 0) * 256 + get_byte(t.who, 1);
$$;

revoke all on function
  public.hp_add_member, public.hp_claim_invite, public.hp_members, public.hp_invite_member, public.hp_withdraw_invite,
  public.hp_set_member_role, public.hp_remove_member, public.hp_admit_sign_in, public.hp_forget_sign_in
from public, anon, authenticated, service_role;
grant execute on function hp_private.member_role, hp_private.is_member to public;
grant execute on function
  public.hp_claim_invite, public.hp_members, public.hp_invite_member,
  public.hp_withdraw_invite, public.hp_set_member_role, public.hp_remove_member, public.hp_forget_sign_in
to authenticated;
grant execute on function hp_private.caller_role, hp_private.require_member to authenticated, service_role;
grant execute on function public.hp_admit_sign_in to anon, authenticated, service_role;

comment on function public.hp_add_member is 'Makes the Auth user with this address a member, or changes the role. Errors: PT400 role, PT404 no such user.';
comment on function public.hp_claim_invite is 'Makes the caller a member where their confirmed address has been invited. Returns their role, or null. Errors: PT401 signed out.';
comment on function public.hp_members is 'Members and pending invites, with addresses. Errors: PT403 not an owner.';
comment on function public.hp_invite_member is 'Invites an address, or changes what it is invited to be. Errors: PT400 email, role; PT403 not an owner; PT409 a member already.';
comment on function public.hp_withdraw_invite is 'Takes a pending invite back. Errors: PT403 not an owner; PT404 no such invite.';
comment on function public.hp_set_member_role is 'Changes a member''s role. Errors: PT400 role; PT403 not an owner; PT404 no such member; PT409 the last owner.';
comment on function public.hp_remove_member is 'Removes a member. Errors: PT403 not an owner; PT404 no such member; PT409 the last owner.';
comment on function public.hp_admit_sign_in is 'Counts a try to sign in, to sign up, to have a link mailed or to use one: 0, or how many seconds to wait. Errors: PT400 network, email, kind.';
comment on function public.hp_forget_sign_in is 'Forgets the tries for the caller''s own account from this network, after signing in.';

-- 20261122000200_setting.sql
create or replace function hp_private.json_problem(value jsonb, most_bytes integer) returns text
language sql immutable set search_path = ''
return case
  when pg_column_size(value) > most_bytes then format('takes %s bytes; at most %s', pg_column_size(value), most_bytes)
  when value @? '$.**{64}' then 'is nested too deeply; at most 63 levels'
  when value @? 'strict $.** ? (@ > 1e308 || @ < -1e308 || 1 / (3 + @ * 0) > 0.333333333333333333333333333333)'
    then 'holds a number above 1e308 or with more than 30 decimals'
end;

create table if not exists public.hp_setting (
  key text
    constraint hp_setting_pkey primary key
    constraint hp_setting_key_check check (key ~ '^[a-z][a-z0-9_]{0,63}$'),
  value jsonb not null
    constraint hp_setting_value_check check (hp_private.json_problem(value, 8192) is null),
  description text not null default ''
    constraint hp_setting_description_check check (char_length(description) <= 500),
  updated_at timestamptz not null default now()
);

alter table public.hp_setting enable row level security;

drop policy if exists "members read the settings" on public.hp_setting;
create policy "members read the settings" on public.hp_setting
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_setting;
create policy "only members, whatever else is allowed" on public.hp_setting as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_setting from anon, authenticated, service_role;
grant select on table public.hp_setting to authenticated, service_role;
grant insert (key, value, description), update (value) on table public.hp_setting to service_role;

comment on table public.hp_setting is 'Settings of this Lastseen installation, one per row.';
comment on column public.hp_setting.key is 'Name of the setting.';
comment on column public.hp_setting.value is 'Its value: a JSON number unless its description names another type.';
comment on column public.hp_setting.description is 'What it does, with its unit.';
comment on column public.hp_setting.updated_at is 'When the row was last written.';

create or replace function hp_private.setting(key text) returns numeric
language sql stable set search_path = ''
return (
  select case when jsonb_typeof(s.value) = 'number' then least(greatest(s.value::numeric, 0), 1e9) end
  from public.hp_setting s where s.key = setting.key
);

create or replace function hp_private.setting_days(key text, otherwise integer) returns interval
language sql stable set search_path = ''
return make_interval(days => least(36500, coalesce(hp_private.setting(setting_days.key), otherwise))::integer);

grant execute on function hp_private.json_problem to service_role;

-- 20261122000300_worker.sql
create or replace function hp_private.statuses() returns text[]
language sql immutable set search_path = ''
return array['unknown', 'starting', 'idle', 'processing', 'running', 'error', 'stopping', 'stopped', 'crashed'];

do $$
declare
  v_limit record;
begin
  for v_limit in
    select l.field, 'text' as type, format('at most %s characters', l.most) as rule,
      format('char_length(value) <= %s', l.most) as condition
    from (values
      ('worker_type', 128), ('description', 500), ('paused_reason', 500), ('hostname', 255), ('version', 128),
      ('runtime', 128), ('status_reason', 500), ('current_status', 500), ('current_job_id', 255),
      ('current_job_type', 128), ('schedule', 255), ('last_error', 2000), ('circuit_breaker_reason', 500)) l (field, most)
    union all
    select l.field, l.type, 'must not be negative', 'value >= 0'
    from (values
      ('pid', 'bigint'), ('jobs_active', 'integer'),
      ('last_run_duration_ms', 'bigint'), ('processed_count', 'bigint'), ('last_run_errors', 'bigint'),
      ('circuit_breaker_failures', 'integer'), ('memory_rss_bytes', 'bigint'), ('event_loop_blocked_ms', 'bigint')
    ) l (field, type)
    union all
    select l.field, 'real', 'must be a finite number from 0 up', 'value >= 0 and value < ''infinity'''
    from (values ('cpu_percent'), ('memory_percent'), ('event_loop_lag_ms')) l (field)
    union all
    select l.field, 'double precision', format('must be from %s to %s', l.least, l.most),
      format('value between %s and %s', l.least, l.most)
    from (values
      ('heartbeat_interval_s', 1, 3600), ('requested_interval_s', 1, 3600), ('interval_override_s', 1, 3600),
      ('late_after_intervals', 1, 1000), ('lost_after_intervals', 1, 1000), ('grace_s', 0, 31536000),
      ('max_run_s', 1, 31536000)) l (field, least, most)
    union all
    values
      ('worker_name', 'text', 'A-Za-z0-9 first, at most 128 of A-Za-z0-9@:._/-',
        'value ~ ''^[A-Za-z0-9][A-Za-z0-9@:._/-]*$'' and char_length(value) <= 128'),
      ('kind', 'text', 'must be resident or scheduled', 'value in (''resident'', ''scheduled'')'),
      ('status', 'text', 'idle, processing, running or another of docs/states.md', format('value = any (%L)',
        array_append(hp_private.statuses(), 'active'))),
      ('circuit_breaker_state', 'text', 'must be closed, open or half_open', 'value in (''closed'', ''open'', ''half_open'')'),
      ('circuit_breaker_threshold', 'integer', 'must be at least 1', 'value >= 1'),
      ('jobs_processed', 'bigint', 'must be from 0 to 9007199254740991', 'value between 0 and 9007199254740991'),
      ('error_count', 'bigint', 'must be from 0 to 9007199254740991', 'value between 0 and 9007199254740991'),
      ('poll_interval_s', 'double precision', 'must be above 0 and at most 31536000', 'value > 0 and value <= 31536000')
  loop
    if to_regtype('hp_private.' || v_limit.field) is null then
      execute format('create domain hp_private.%I as %s constraint %I check (%s)',
        v_limit.field, v_limit.type, v_limit.field || ': ' || v_limit.rule, v_limit.condition);
    end if;
  end loop;
end
$$;

create table if not exists public.hp_worker_status (
  worker_name hp_private.worker_name
    constraint hp_worker_status_pkey primary key,
  worker_id bigint not null default 0
    constraint hp_worker_status_worker_id_key unique,
  worker_type hp_private.worker_type,
  kind hp_private.kind not null default 'resident',
  description hp_private.description,
  expected boolean not null default true,
  is_public boolean not null default false,
  paused_until timestamptz,
  paused_reason hp_private.paused_reason,
  seen_at timestamptz,
  seen_by uuid,

  instance_id uuid,
  epoch bigint,
  started_at timestamptz,
  hostname hp_private.hostname,
  pid hp_private.pid,
  version hp_private.version,
  runtime hp_private.runtime,
  parts text[],
  sequence bigint not null default 0,
  last_exit jsonb,
  name_conflict_since timestamptz,

  status hp_private.status not null default 'unknown',
  status_since timestamptz not null default now(),
  status_reason hp_private.status_reason,
  last_heartbeat timestamptz,
  heartbeat_interval_s hp_private.heartbeat_interval_s not null default 30,
  requested_interval_s hp_private.requested_interval_s,
  interval_override_s hp_private.interval_override_s,
  late_after_intervals hp_private.late_after_intervals not null default 2,
  lost_after_intervals hp_private.lost_after_intervals not null default 5,
  lease_expires_at timestamptz,
  clock_skew_ms bigint,
  revision bigint not null default 0,

  draining boolean not null default false,
  jobs_active hp_private.jobs_active not null default 0,
  current_status hp_private.current_status,
  current_job_id hp_private.current_job_id,
  current_job_type hp_private.current_job_type,
  status_updated_at timestamptz,
  poll_interval_s hp_private.poll_interval_s,
  last_run_at timestamptz,
  last_run_duration_ms hp_private.last_run_duration_ms,
  processed_count hp_private.processed_count,
  last_run_errors hp_private.last_run_errors,
  next_run_at timestamptz,
  grace_s hp_private.grace_s not null default 300,
  max_run_s hp_private.max_run_s not null default 3600,
  schedule hp_private.schedule,
  jobs_processed hp_private.jobs_processed not null default 0,
  error_count hp_private.error_count not null default 0,
  counted_jobs bigint not null default 0,
  counted_errors bigint not null default 0,
  last_error hp_private.last_error,
  last_error_at timestamptz,

  circuit_breaker_open boolean not null default false,
  circuit_breaker_state hp_private.circuit_breaker_state not null default 'closed',
  circuit_breaker_failures hp_private.circuit_breaker_failures not null default 0,
  circuit_breaker_threshold hp_private.circuit_breaker_threshold not null default 10,
  circuit_breaker_opened_at timestamptz,
  circuit_breaker_retry_at timestamptz,
  circuit_breaker_reason hp_private.circuit_breaker_reason,

  cpu_percent hp_private.cpu_percent,
  memory_percent hp_private.memory_percent,
  memory_rss_bytes hp_private.memory_rss_bytes,
  event_loop_lag_ms hp_private.event_loop_lag_ms,
  event_loop_blocked_ms hp_private.event_loop_blocked_ms,

  metadata jsonb,
  metadata_at timestamptz,
  activity_seen_at timestamptz,
  transitioned_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 50);

alter table public.hp_worker_status enable row level security;

drop policy if exists "members read every worker" on public.hp_worker_status;
create policy "members read every worker" on public.hp_worker_status
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_status;
create policy "only members, whatever else is allowed" on public.hp_worker_status as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_status from anon, authenticated, service_role;
grant select on table public.hp_worker_status to authenticated, service_role;
grant insert (
    worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason,
    started_at, hostname, pid, version, runtime, status, status_reason, last_heartbeat, heartbeat_interval_s, interval_override_s,
    late_after_intervals, lost_after_intervals, jobs_active, current_status, current_job_id, current_job_type,
    poll_interval_s, last_run_at, last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule,
    jobs_processed, error_count, last_error, last_error_at, circuit_breaker_open, circuit_breaker_state,
    circuit_breaker_failures, circuit_breaker_threshold, circuit_breaker_opened_at, circuit_breaker_retry_at,
    circuit_breaker_reason, cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, metadata
  ), update (
    worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason,
    started_at, hostname, pid, version, runtime, status, status_reason, last_heartbeat, heartbeat_interval_s, interval_override_s,
    late_after_intervals, lost_after_intervals, jobs_active, current_status, current_job_id, current_job_type,
    poll_interval_s, last_run_at, last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule,
    jobs_processed, error_count, last_error, last_error_at, circuit_breaker_open, circuit_breaker_state,
    circuit_breaker_failures, circuit_breaker_threshold, circuit_breaker_opened_at, circuit_breaker_retry_at,
    circuit_breaker_reason, cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, metadata
  ), delete on table public.hp_worker_status to service_role;

comment on table public.hp_worker_status is 'One row per worker: its identity, its last report, what the monitor found out. Health is derived from it, never stored.';
comment on column public.hp_worker_status.worker_name is 'Name of the logical worker.';
comment on column public.hp_worker_status.worker_id is 'Short number for messages; given by a trigger, so that an upsert does not burn one.';
comment on column public.hp_worker_status.worker_type is 'Group: workers that do the same work.';
comment on column public.hp_worker_status.kind is 'resident: a process that stays. scheduled: lives only during its runs.';
comment on column public.hp_worker_status.description is 'What the worker does, for people.';
comment on column public.hp_worker_status.expected is 'Whether it should be running; false for replicas and one-off processes.';
comment on column public.hp_worker_status.is_public is 'Whether the public status page may show it.';
comment on column public.hp_worker_status.paused_until is 'Until when its silence is intended.';
comment on column public.hp_worker_status.paused_reason is 'Why it is paused.';
comment on column public.hp_worker_status.seen_at is 'When somebody marked its trouble as seen; null again with its next transition.';
comment on column public.hp_worker_status.seen_by is 'Who did.';
comment on column public.hp_worker_status.instance_id is 'The process that holds this row.';
comment on column public.hp_worker_status.epoch is 'Number of that process; the server hands it out and it only grows.';
comment on column public.hp_worker_status.started_at is 'When that process started, by the server''s clock.';
comment on column public.hp_worker_status.hostname is 'Machine or container that it runs on.';
comment on column public.hp_worker_status.pid is 'Its process id there.';
comment on column public.hp_worker_status.version is 'Build of the worker.';
comment on column public.hp_worker_status.runtime is 'Runtime and version, such as node 24.21.0.';
comment on column public.hp_worker_status.parts is 'Optional files of the heartbeat module that it carries: resources, logs, commands, drain, breaker, leases; null where the worker reports none.';
comment on column public.hp_worker_status.sequence is 'Number of the last beat that was applied; older ones change nothing.';
comment on column public.hp_worker_status.last_exit is 'Exit report: code, signal, drain_ms, abandoned_job, error.';
comment on column public.hp_worker_status.name_conflict_since is 'Since when two live processes report under this name; null while one does.';
comment on column public.hp_worker_status.status is 'The status that the worker last reported, or crashed where the monitor found silence.';
comment on column public.hp_worker_status.status_since is 'When the status took this value; for silence the deadline that passed.';
comment on column public.hp_worker_status.status_reason is 'The reason, as text.';
comment on column public.hp_worker_status.last_heartbeat is 'When it last reported, by the server''s clock, not by the worker''s.';
comment on column public.hp_worker_status.heartbeat_interval_s is 'Seconds between beats, as in force.';
comment on column public.hp_worker_status.requested_interval_s is 'Seconds between beats that the worker requested; null where it requests none.';
comment on column public.hp_worker_status.interval_override_s is 'Seconds between beats that people set for this worker; goes before what it requests.';
comment on column public.hp_worker_status.late_after_intervals is 'Intervals of silence after which it is late (warning).';
comment on column public.hp_worker_status.lost_after_intervals is 'Intervals of silence after which it is lost (critical).';
comment on column public.hp_worker_status.lease_expires_at is 'How long the last beat vouches for it; null when nothing is vouched for.';
comment on column public.hp_worker_status.clock_skew_ms is 'Worker''s clock minus server''s clock, network time included.';
comment on column public.hp_worker_status.revision is 'Grows over the whole fleet with every change of a worker''s state; not with activity or a plain beat.';
comment on column public.hp_worker_status.draining is 'Whether it takes no more work until the command resume.';
comment on column public.hp_worker_status.jobs_active is 'Jobs running now.';
comment on column public.hp_worker_status.current_status is 'What it is doing, as text.';
comment on column public.hp_worker_status.current_job_id is 'Job it is working on.';
comment on column public.hp_worker_status.current_job_type is 'Kind of that job.';
comment on column public.hp_worker_status.status_updated_at is 'Since when it has been doing that.';
comment on column public.hp_worker_status.poll_interval_s is 'Seconds between the runs of a worker that polls.';
comment on column public.hp_worker_status.last_run_at is 'When its last run ended.';
comment on column public.hp_worker_status.last_run_duration_ms is 'How long that run took.';
comment on column public.hp_worker_status.processed_count is 'What that run processed.';
comment on column public.hp_worker_status.last_run_errors is 'Errors of that run.';
comment on column public.hp_worker_status.next_run_at is 'When a scheduled worker is due.';
comment on column public.hp_worker_status.grace_s is 'Seconds after next_run_at within which a scheduled worker may still begin its run.';
comment on column public.hp_worker_status.max_run_s is 'Seconds that a run of a scheduled worker may last.';
comment on column public.hp_worker_status.schedule is 'Its schedule, as text for people.';
comment on column public.hp_worker_status.jobs_processed is 'Jobs over all its instances.';
comment on column public.hp_worker_status.error_count is 'Errors over all its instances.';
comment on column public.hp_worker_status.counted_jobs is 'Of the current instance''s total, how much jobs_processed holds already.';
comment on column public.hp_worker_status.counted_errors is 'Of the current instance''s total, how much error_count holds already.';
comment on column public.hp_worker_status.last_error is 'Message of its last error.';
comment on column public.hp_worker_status.last_error_at is 'When that was.';
comment on column public.hp_worker_status.circuit_breaker_open is 'Whether it refuses work for now; follows circuit_breaker_state.';
comment on column public.hp_worker_status.circuit_breaker_state is 'closed: works. open: refuses. half_open: tries one job.';
comment on column public.hp_worker_status.circuit_breaker_failures is 'Failures in a row.';
comment on column public.hp_worker_status.circuit_breaker_threshold is 'Failures in a row that open it.';
comment on column public.hp_worker_status.circuit_breaker_opened_at is 'When it opened.';
comment on column public.hp_worker_status.circuit_breaker_retry_at is 'When it tries again.';
comment on column public.hp_worker_status.circuit_breaker_reason is 'The failure that opened it.';
comment on column public.hp_worker_status.cpu_percent is 'CPU of the process, percent of one core.';
comment on column public.hp_worker_status.memory_percent is 'Memory of the process, percent of what it may use.';
comment on column public.hp_worker_status.memory_rss_bytes is 'Resident memory of the process.';
comment on column public.hp_worker_status.event_loop_lag_ms is 'Event loop delay, 99th percentile of the interval.';
comment on column public.hp_worker_status.event_loop_blocked_ms is 'Longest time for which the event loop stood still in the interval.';
comment on column public.hp_worker_status.metadata is 'Whatever the worker adds; at most 8 KB in a beat.';
comment on column public.hp_worker_status.metadata_at is 'When metadata was last written; large ones are written once a minute at most.';
comment on column public.hp_worker_status.activity_seen_at is 'When the server learned of the present activity.';
comment on column public.hp_worker_status.transitioned_at is 'When the row last made a transition, by the server''s clock.';
comment on column public.hp_worker_status.created_at is 'When the worker was declared or reported first.';
comment on column public.hp_worker_status.updated_at is 'When its state last changed; a plain beat does not move it.';

create index if not exists hp_worker_status_seen_idx on public.hp_worker_status (worker_name) where seen_at is not null;

create sequence if not exists hp_private.worker_id_seq;
create sequence if not exists hp_private.revision_seq;
create sequence if not exists hp_private.epoch_seq;


create or replace function hp_private.tg_hp_worker_status__number() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  select w.worker_id, w.revision into new.worker_id, new.revision
  from public.hp_worker_status w where w.worker_name = new.worker_name;
  if not found then
    new.worker_id := nextval('hp_private.worker_id_seq');
    new.revision := nextval('hp_private.revision_seq');
  end if;
  return new;
end
$$;

create or replace trigger _500_number before insert on public.hp_worker_status
  for each row execute function hp_private.tg_hp_worker_status__number();

create or replace function hp_private.revise(old public.hp_worker_status, new public.hp_worker_status)
returns public.hp_worker_status
language plpgsql set search_path = ''
as $$
begin
  if (
    (old.status is distinct from new.status
      and not (old.status in ('idle', 'processing', 'running') and new.status in ('idle', 'processing', 'running')))
    or old.status_reason is distinct from new.status_reason
    or old.circuit_breaker_state is distinct from new.circuit_breaker_state
    or old.circuit_breaker_failures is distinct from new.circuit_breaker_failures
    or old.circuit_breaker_reason is distinct from new.circuit_breaker_reason
    or old.last_error is distinct from new.last_error
    or old.instance_id is distinct from new.instance_id
    or old.heartbeat_interval_s is distinct from new.heartbeat_interval_s
    or old.poll_interval_s is distinct from new.poll_interval_s
    or old.schedule is distinct from new.schedule
    or (old.next_run_at is null) is distinct from (new.next_run_at is null)
    or abs(extract(epoch from new.next_run_at) - extract(epoch from old.next_run_at)) > 2
    or (old.event_loop_blocked_ms > 1000) is distinct from (new.event_loop_blocked_ms > 1000)
    or abs(extract(epoch from new.last_error_at) - extract(epoch from old.last_error_at)) > 2
    or (old.cpu_percent > 80) is distinct from (new.cpu_percent > 80)
    or (old.cpu_percent > 95) is distinct from (new.cpu_percent > 95)
    or (old.memory_percent > 80) is distinct from (new.memory_percent > 80)
    or (old.memory_percent > 95) is distinct from (new.memory_percent > 95)
    or old.version is distinct from new.version
    or old.parts is distinct from new.parts
    or old.hostname is distinct from new.hostname
    or old.description is distinct from new.description
    or old.worker_type is distinct from new.worker_type
    or old.kind is distinct from new.kind
    or old.expected is distinct from new.expected
    or old.is_public is distinct from new.is_public
    or old.paused_until is distinct from new.paused_until
    or old.paused_reason is distinct from new.paused_reason
    or old.seen_at is distinct from new.seen_at
    or old.draining is distinct from new.draining
    or old.interval_override_s is distinct from new.interval_override_s
    or old.requested_interval_s is distinct from new.requested_interval_s
    or old.grace_s is distinct from new.grace_s
    or old.max_run_s is distinct from new.max_run_s
    or old.late_after_intervals is distinct from new.late_after_intervals
    or old.lost_after_intervals is distinct from new.lost_after_intervals
    or old.name_conflict_since is distinct from new.name_conflict_since
    or old.worker_name is distinct from new.worker_name
  ) is not true then
    return new;
  end if;
  new.revision := nextval('hp_private.revision_seq');
  new.updated_at := clock_timestamp();
  if (new.status is distinct from old.status
      and not (old.status in ('idle', 'processing', 'running') and new.status in ('idle', 'processing', 'running')))
    or new.circuit_breaker_state is distinct from old.circuit_breaker_state
    or new.instance_id is distinct from old.instance_id
    or (new.name_conflict_since is null) is distinct from (old.name_conflict_since is null)
  then
    new.transitioned_at := clock_timestamp();
    new.seen_at := null;
    new.seen_by := null;
  end if;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__revision() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  return hp_private.revise(old, new);
end
$$;

create or replace trigger _500_revision before update of
    worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason, seen_at,
    instance_id, hostname, version, parts, name_conflict_since, status, status_reason, heartbeat_interval_s,
    requested_interval_s, interval_override_s, late_after_intervals, lost_after_intervals, draining, poll_interval_s,
    next_run_at, grace_s, max_run_s, schedule, last_error, last_error_at, circuit_breaker_open, circuit_breaker_state,
    circuit_breaker_failures, circuit_breaker_reason
  on public.hp_worker_status
  for each row execute function hp_private.tg_hp_worker_status__revision();

create table if not exists public.hp_worker_instance (
  instance_id uuid
    constraint hp_worker_instance_pkey primary key,
  worker_name text not null
    constraint hp_worker_instance_worker_name_fkey
      references public.hp_worker_status (worker_name) on delete cascade on update cascade,
  epoch bigint not null
    constraint hp_worker_instance_epoch_key unique,
  status text not null,
  started_at timestamptz,
  hostname text,
  pid bigint,
  version text,
  runtime text,
  parts text[],
  sequence bigint not null default 0,
  counted_jobs bigint not null default 0,
  counted_errors bigint not null default 0,
  last_heartbeat timestamptz not null,
  lease_expires_at timestamptz,
  registered_at timestamptz not null,
  took_over_at timestamptz,
  superseded_at timestamptz,
  ended_at timestamptz,
  last_exit jsonb,
  log_line bigint not null default 0,
  logs_dropped bigint not null default 0
);

create index if not exists hp_worker_instance_worker_name_idx
  on public.hp_worker_instance (worker_name, epoch desc);

alter table public.hp_worker_instance enable row level security;

drop policy if exists "members read every instance" on public.hp_worker_instance;
create policy "members read every instance" on public.hp_worker_instance
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_instance;
create policy "only members, whatever else is allowed" on public.hp_worker_instance as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_instance from anon, authenticated, service_role;
grant select on table public.hp_worker_instance to authenticated, service_role;

comment on table public.hp_worker_instance is 'Process starts of workers: what each had counted when it last gave up the row, and how it ended.';
comment on column public.hp_worker_instance.instance_id is 'The process''s own id, made at its start.';
comment on column public.hp_worker_instance.worker_name is 'The worker that it is an instance of.';
comment on column public.hp_worker_instance.epoch is 'Order of registration; the newest live one holds the worker''s row.';
comment on column public.hp_worker_instance.status is 'Its last status while it did not hold the row, or at its end.';
comment on column public.hp_worker_instance.started_at is 'When it started, by the server''s clock.';
comment on column public.hp_worker_instance.hostname is 'Machine or container that it runs on.';
comment on column public.hp_worker_instance.pid is 'Its process id there.';
comment on column public.hp_worker_instance.version is 'Build of the worker.';
comment on column public.hp_worker_instance.runtime is 'Runtime and version.';
comment on column public.hp_worker_instance.parts is 'Optional files of the heartbeat module that it carries.';
comment on column public.hp_worker_instance.sequence is 'Last beat applied while it did not hold the row.';
comment on column public.hp_worker_instance.counted_jobs is 'How much of its total of jobs has been added to the worker''s.';
comment on column public.hp_worker_instance.counted_errors is 'How much of its total of errors has been added to the worker''s.';
comment on column public.hp_worker_instance.last_heartbeat is 'When it last reported while it did not hold the row.';
comment on column public.hp_worker_instance.lease_expires_at is 'How long that vouches for it.';
comment on column public.hp_worker_instance.registered_at is 'When its first beat came.';
comment on column public.hp_worker_instance.took_over_at is 'When it last took the worker''s row.';
comment on column public.hp_worker_instance.superseded_at is 'When a newer instance took the row from it; null while none has.';
comment on column public.hp_worker_instance.ended_at is 'When it reported its end; null for one that fell silent.';
comment on column public.hp_worker_instance.last_exit is 'Its exit report.';
comment on column public.hp_worker_instance.log_line is 'Number of the last line of its log that was received; a line that is sent again is recognised by it.';
comment on column public.hp_worker_instance.logs_dropped is 'How many lines of its log it has dropped since its start, by its own report.';

create or replace function hp_private.lease_end(
  kind text, status text, heard timestamptz, lasts_s double precision, next_run_at timestamptz, grace_s double precision,
  max_run_s double precision, run_until timestamptz
) returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return case
    when kind = 'scheduled' and status in ('idle', 'stopped') then next_run_at + make_interval(secs => grace_s)
    when status in ('unknown', 'stopped', 'crashed') then null
    when kind = 'resident' then heard + make_interval(secs => lasts_s)
    when status = 'error' then greatest(heard + make_interval(secs => greatest(lasts_s, max_run_s)),
      next_run_at + make_interval(secs => grace_s))
    else coalesce(run_until, heard + make_interval(secs => greatest(lasts_s, max_run_s)))
  end;
end
$$;

grant execute on function hp_private.statuses to authenticated, service_role;


create table if not exists public.hp_worker_group (
  worker_type text
    constraint hp_worker_group_pkey primary key
    constraint hp_worker_group_worker_type_check check (char_length(worker_type) between 1 and 128),
  desired integer
    constraint hp_worker_group_desired_check check (desired between 0 and 1000000),
  minimum integer
    constraint hp_worker_group_minimum_check check (minimum between 0 and 1000000 and minimum <= desired),
  description text
    constraint hp_worker_group_description_check check (char_length(description) <= 500),
  job_url_template text
    constraint hp_worker_group_job_url_template_check check (
      job_url_template ~* '^https?://[^\s]+$' and char_length(job_url_template) <= 2000),
  restart_hint text
    constraint hp_worker_group_restart_hint_check check (char_length(restart_hint) <= 500),
  heartbeat_interval_s double precision
    constraint hp_worker_group_heartbeat_interval_s_check check (heartbeat_interval_s between 1 and 3600),
  paused_until timestamptz,
  paused_reason text
    constraint hp_worker_group_paused_reason_check check (char_length(paused_reason) <= 500),
  revision bigint not null default 0
    constraint hp_worker_group_revision_check check (revision >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

alter table public.hp_worker_group enable row level security;

drop policy if exists "members read every group" on public.hp_worker_group;
create policy "members read every group" on public.hp_worker_group
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "operators add groups" on public.hp_worker_group;
create policy "operators add groups" on public.hp_worker_group
  for insert to authenticated with check ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "operators edit groups" on public.hp_worker_group;
create policy "operators edit groups" on public.hp_worker_group
  for update to authenticated using ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "operators remove groups" on public.hp_worker_group;
create policy "operators remove groups" on public.hp_worker_group
  for delete to authenticated using ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_group;
create policy "only members, whatever else is allowed" on public.hp_worker_group as restrictive
  for all to public using ((select hp_private.is_member()))
  with check ((select hp_private.member_role()) in ('operator', 'owner'));

drop policy if exists "only operators remove, whatever else is allowed" on public.hp_worker_group;
create policy "only operators remove, whatever else is allowed" on public.hp_worker_group as restrictive
  for delete to public using ((select hp_private.member_role()) in ('operator', 'owner'));

revoke all on table public.hp_worker_group from anon, authenticated, service_role;
grant select, delete on table public.hp_worker_group to authenticated, service_role;
grant insert (
    worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s
  ), update (
    worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s
  ) on table public.hp_worker_group to authenticated, service_role;
grant insert (paused_until, paused_reason), update (paused_until, paused_reason) on table public.hp_worker_group to service_role;

comment on table public.hp_worker_group is 'Settings of a group: workers of one worker_type. A group without a row has none.';
comment on column public.hp_worker_group.worker_type is 'The group; hp_worker_status.worker_type names it.';
comment on column public.hp_worker_group.desired is 'How many of its workers should be alive; fewer is a warning. Null: each expected worker counts for itself.';
comment on column public.hp_worker_group.minimum is 'With fewer alive the group is critical; at most desired.';
comment on column public.hp_worker_group.description is 'What the group does, for people.';
comment on column public.hp_worker_group.job_url_template is 'Address of a job, http or https, with {job_id}, {job_type} and {worker_name} in it.';
comment on column public.hp_worker_group.restart_hint is 'What to do when a worker of it is dead: a command, with {worker_name} in it where it is wanted.';
comment on column public.hp_worker_group.heartbeat_interval_s is 'Seconds between beats for its workers; goes before what they request, and after a worker''s own interval_override_s.';
comment on column public.hp_worker_group.paused_until is 'Until when the silence of all its workers is intended.';
comment on column public.hp_worker_group.paused_reason is 'Why it is paused.';
comment on column public.hp_worker_group.revision is 'Grows with every edit, out of the same numbers as the revisions of workers.';
comment on column public.hp_worker_group.created_at is 'When the row was made.';
comment on column public.hp_worker_group.updated_at is 'When it was last edited.';

create or replace function hp_private.tg_hp_worker_group__revision() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.revision := nextval('hp_private.revision_seq');
  new.updated_at := clock_timestamp();
  return new;
end
$$;

create or replace trigger _500_first_revision before insert on public.hp_worker_group
  for each row execute function hp_private.tg_hp_worker_group__revision();

create or replace trigger _500_revision before update on public.hp_worker_group
  for each row when (old.* is distinct from new.*) execute function hp_private.tg_hp_worker_group__revision();

-- 20261122000500_monitor.sql
create table if not exists hp_private.monitor (
  id boolean not null default true
    constraint monitor_pkey primary key
    constraint monitor_id_check check (id),
  generation uuid not null default gen_random_uuid(),
  tick_at timestamptz,
  overdue_after interval not null default '10 seconds',
  ticking_since timestamptz not null default now(),
  watching_since timestamptz not null default now(),
  gap_ended_at timestamptz,
  gap_s double precision,
  impaired_since timestamptz,
  digest_at timestamptz,
  viewed_until timestamptz,
  followed_until timestamptz,
  logs_pruned_at timestamptz,
  live_workers integer not null default 0,
  stretch double precision not null default 1
    constraint monitor_stretch_check check (stretch >= 1 and stretch < 'infinity'),
  activity_every_s double precision not null default 1
    constraint monitor_activity_every_s_check check (activity_every_s >= 1 and activity_every_s < 'infinity'),
  pruned_at timestamptz
) with (fillfactor = 50);

insert into hp_private.monitor default values on conflict do nothing;

alter table hp_private.monitor enable row level security;

drop policy if exists "members see the state of the monitor" on hp_private.monitor;
create policy "members see the state of the monitor" on hp_private.monitor
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table hp_private.monitor from public, anon, authenticated, service_role;
grant select on table hp_private.monitor to authenticated, service_role;


insert into public.hp_setting (key, value, description) values
  ('tick_every_s', '5', 'Seconds between two ticks; whoever schedules hp_tick() sets it to its own period.'),
  ('viewer_lasts_s', '150', 'Seconds for which one call of hp_watch() keeps messages coming.')
on conflict (key) do nothing;

-- 20261122000600_health.sql
create or replace function hp_private.epoch_ms(at timestamptz) returns double precision
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when at = 'infinity' then 8.64e15
    when at > '-infinity' then floor(extract(epoch from at) * 1000)::double precision
  end;
end
$$;

create or replace function hp_private.words_count(count double precision, noun text) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return count::bigint || ' ' || noun || case when count = 1 then '' else 's' end;
end
$$;

create or replace function hp_private.words_lasting(ms double precision) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when ms < 60000 then hp_private.words_count(floor(greatest(ms, 0) / 1000), 'second')
    when ms < 3600000 then hp_private.words_count(floor(ms / 60000), 'minute')
    when ms < 86400000 then hp_private.words_count(floor(ms / 3600000), 'hour')
    else hp_private.words_count(floor(ms / 86400000), 'day')
  end;
end
$$;

create or replace function hp_private.words_span(seconds double precision, beside_ms double precision default null)
returns text
language plpgsql immutable set search_path = ''
as $$
declare
  v_ms constant bigint := floor(seconds * 1000 + 0.5);
  v_unit constant bigint := case
    when beside_ms < 60000 then 1000
    when beside_ms < 3600000 then 60000
    when beside_ms < 86400000 then 3600000
    when beside_ms is not null then 86400000
  end;
begin
  return case
    when v_ms % v_unit = 0 then (v_ms / v_unit)::text
    when v_ms % 86400000 = 0 then hp_private.words_count(v_ms / 86400000, 'day')
    when v_ms % 3600000 = 0 then hp_private.words_count(v_ms / 3600000, 'hour')
    when v_ms % 60000 = 0 then hp_private.words_count(v_ms / 60000, 'minute')
    else trim_scale(v_ms / 1000.0) || case when v_ms = 1000 then ' second' else ' seconds' end
  end;
end
$$;

create or replace function hp_private.words_instant(at timestamptz) returns text
language sql stable set search_path = ''
return to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC';

create or replace function hp_private.in_words(span interval) returns text
language sql immutable set search_path = ''
return hp_private.words_lasting(extract(epoch from span)::double precision * 1000);

create or replace function hp_private.monitored_ms(worker public.hp_worker_status, watching_since timestamptz)
returns double precision
language plpgsql immutable set search_path = ''
as $$
begin
  return coalesce(hp_private.epoch_ms(watching_since) + greatest(0,
    worker.heartbeat_interval_s * 1000 + 10000 - worker.lost_after_intervals * worker.heartbeat_interval_s * 1000), 0);
end
$$;

create or replace function hp_private.is_overdue(worker public.hp_worker_status, at timestamptz, watching_since timestamptz)
returns boolean
language plpgsql immutable set search_path = ''
as $$
declare
  v_at double precision;
  v_watching double precision;
  v_lease double precision;
  v_last_heartbeat double precision;
  v_next_run double precision;
  v_until double precision;
begin
  if worker.kind <> 'scheduled' or worker.status in ('unknown', 'crashed') then
    return false;
  end if;
  v_at := hp_private.epoch_ms(at);
  v_lease := hp_private.epoch_ms(worker.lease_expires_at);
  v_next_run := hp_private.epoch_ms(worker.next_run_at);
  if v_lease is null or (worker.status in ('idle', 'stopped') and (v_next_run <= v_at) is not true) then
    return false;
  end if;
  v_watching := hp_private.epoch_ms(watching_since);
  v_last_heartbeat := hp_private.epoch_ms(worker.last_heartbeat);
  if coalesce(case when worker.status in ('idle', 'stopped', 'error') then v_next_run end, v_last_heartbeat) <= v_watching then
    v_until := v_watching + greatest(0, v_lease - v_last_heartbeat);
  end if;
  return greatest(v_lease, v_until) <= v_at;
end
$$;

create or replace function hp_private.is_alive(worker public.hp_worker_status, at timestamptz, watching_since timestamptz)
returns boolean
language plpgsql immutable set search_path = ''
as $$
begin
  if worker.kind = 'resident' then
    return worker.status not in ('unknown', 'stopped', 'crashed') and coalesce(greatest(
      hp_private.epoch_ms(worker.lease_expires_at),
      case when worker.lease_expires_at > '-infinity' then hp_private.monitored_ms(worker, watching_since)
        + worker.lost_after_intervals * worker.heartbeat_interval_s * 1000 end) > hp_private.epoch_ms(at), false);
  end if;
  return worker.status not in ('unknown', 'crashed')
    and hp_private.epoch_ms(coalesce(worker.lease_expires_at, worker.next_run_at)) is not null
    and not hp_private.is_overdue(worker, at, watching_since);
end
$$;

create or replace function hp_private.worker_health(
  worker public.hp_worker_status, at timestamptz, watching_since timestamptz, impaired_since timestamptz,
  group_paused_until timestamptz, group_paused_reason text, out level text, out rule text, out reason text
)
language plpgsql stable set search_path = ''
as $$
declare
  v_at constant double precision := hp_private.epoch_ms(at);
  v_watching constant double precision := coalesce(hp_private.epoch_ms(watching_since), 0);
  v_last_heartbeat constant double precision := hp_private.epoch_ms(worker.last_heartbeat);
  v_last_run constant double precision := hp_private.epoch_ms(worker.last_run_at);
  v_next_run constant double precision := hp_private.epoch_ms(worker.next_run_at);
  v_resident constant boolean := worker.kind = 'resident';
  v_lives constant boolean := worker.status not in ('unknown', 'stopped', 'crashed');
  v_waits constant boolean := worker.kind = 'scheduled' and worker.status in ('idle', 'stopped');
  v_breaker constant text := case when worker.circuit_breaker_open then 'open' else worker.circuit_breaker_state end;
  v_cause constant text := case
    when worker.status_reason ~ '^SIG[A-Z0-9]+$' then 'by ' || worker.status_reason
    when worker.status_reason ~ '^exit code [0-9]+$' then 'with ' || worker.status_reason
  end;
  v_since_ms constant double precision :=
    greatest(0, v_at - coalesce(hp_private.epoch_ms(worker.status_since), v_at));
  v_silent_ms double precision := 0;
  v_polls constant boolean := v_resident and v_lives and worker.poll_interval_s is not null and not worker.draining;
  v_runless_ms double precision := 0;
  v_runless_words text;
  v_found_by_tick boolean;
  v_overdue constant boolean := hp_private.is_overdue(worker, at, watching_since);
  v_health text[];
begin
  if v_resident and v_lives and v_last_heartbeat is not null then
    v_silent_ms := greatest(0, v_at - greatest(v_last_heartbeat, hp_private.monitored_ms(worker, watching_since)));
  end if;
  if v_polls then
    v_runless_ms := greatest(coalesce(v_last_run, 0), coalesce(hp_private.epoch_ms(worker.started_at), 0), v_watching);
    v_runless_ms := case when v_runless_ms = 0 then 0 else greatest(0, v_at - v_runless_ms) end;
    v_runless_words := 'no run for ' || hp_private.words_lasting(v_runless_ms)
      || ' (polls every ' || hp_private.words_span(worker.poll_interval_s, v_runless_ms) || ')';
  end if;
  v_found_by_tick := coalesce(worker.last_exit is null and hp_private.epoch_ms(worker.status_since) > v_last_heartbeat, false);

  v_health := case
    when hp_private.epoch_ms(worker.paused_until) > v_at then
      array['inactive', 'paused', coalesce(worker.paused_reason, 'paused')]
    when hp_private.epoch_ms(group_paused_until) > v_at then
      array['inactive', 'paused', coalesce(group_paused_reason, 'its group is paused')]
    when worker.status = 'stopped' and not worker.expected then
      array['inactive', 'stopped', coalesce('stopped ' || v_cause, worker.status_reason, 'stopped')]

    when worker.status = 'unknown' or v_last_heartbeat is null then
      array['unknown', 'never-reported', 'never reported']
    when impaired_since is not null and (v_lives or v_waits) and hp_private.epoch_ms(worker.lease_expires_at) <= v_at then
      array['unknown', 'not-monitored', 'not monitored since ' || hp_private.words_instant(impaired_since)]

    when worker.status = 'crashed' and not v_found_by_tick then
      array['critical', 'crashed', coalesce(worker.status_reason, 'crashed')]
    when worker.status = 'crashed' and v_resident then
      array['critical', 'crashed', 'no heartbeat for ' || hp_private.words_lasting(v_at - v_last_heartbeat)]
    when worker.status = 'crashed' then
      array['critical', 'overdue', coalesce(worker.status_reason, 'overdue')]
    when worker.status = 'stopped' and v_resident and v_since_ms >= 60000 then
      array['critical', 'stopped-but-expected', 'stopped ' || coalesce(v_cause || ' ', '')
        || hp_private.words_lasting(v_since_ms) || ' ago, but expected to run'
        || case when v_cause is null then coalesce(': ' || nullif(worker.status_reason, ''), '') else '' end]
    when v_silent_ms >= worker.lost_after_intervals * worker.heartbeat_interval_s * 1000 then
      array['critical', 'silent', 'no heartbeat for ' || hp_private.words_lasting(v_silent_ms)]
    when v_breaker = 'open' then
      array['critical', 'breaker-open', coalesce(worker.circuit_breaker_reason, 'circuit breaker open' || case
        when worker.circuit_breaker_failures > 0 then
          ' after ' || hp_private.words_count(worker.circuit_breaker_failures, 'failure') || ' in a row'
        else '' end)]
    when worker.status = 'error' then
      array['critical', 'error', coalesce(worker.status_reason, 'the last run failed')]
    when worker.last_run_errors > 0 then
      array['critical', 'run-errors', hp_private.words_count(worker.last_run_errors, 'error') || ' in the last run']
    when v_polls and v_runless_ms >= 5 * worker.poll_interval_s * 1000 then
      array['critical', 'stuck', 'alive, but ' || v_runless_words]
    when v_waits and v_next_run is null then
      array['critical', 'not-scheduled', 'no next run is scheduled']
    when v_overdue and v_waits then
      array['critical', 'overdue', 'overdue by ' || hp_private.words_lasting(v_at - v_next_run)]
    when v_overdue then
      array['critical', 'overdue', 'its run has lasted longer than ' || hp_private.words_span(worker.max_run_s)]

    when worker.status = 'starting' then
      array['warning', 'starting', coalesce(worker.status_reason, 'starting')]
    when worker.status = 'stopping' then
      array['warning', 'stopping', coalesce('asked to stop ' || v_cause, worker.status_reason, 'finishing its work')]
    when worker.status = 'stopped' and v_resident then
      array['warning', 'stopped-but-expected', coalesce('stopped ' || v_cause, worker.status_reason, 'stopped')]
    when v_silent_ms >= worker.late_after_intervals * worker.heartbeat_interval_s * 1000 then
      array['warning', 'late', 'no heartbeat for ' || hp_private.words_lasting(v_silent_ms)]
    when worker.draining and v_lives then
      array['warning', 'draining', 'takes no work until an operator resumes it']
    when v_polls and v_last_run is null then
      array['warning', 'no-run-yet', 'no run yet']
    when v_polls and v_runless_ms >= 2 * worker.poll_interval_s * 1000 then
      array['warning', 'run-late', v_runless_words]
    when v_waits and v_next_run <= v_at then
      array['warning', 'due', 'due ' || case
        when v_at - v_next_run < 1000 then 'just now'
        else hp_private.words_lasting(v_at - v_next_run) || ' ago'
      end]
    when v_breaker = 'half_open' then
      array['warning', 'breaker-half-open', 'circuit breaker half open: trying again']
    when v_lives and worker.event_loop_blocked_ms > 1000 then
      array['warning', 'event-loop', 'alive, event loop blocked for ' || worker.event_loop_blocked_ms / 1000 || ' s']
    else array['healthy', 'fine', '']
  end;
  level := v_health[1];
  rule := v_health[2];
  reason := v_health[3];
end
$$;

create or replace function public.hp_worker_health(
  worker public.hp_worker_status, at timestamptz default now(), out level text, out rule text, out reason text
)
language sql stable set search_path = ''
begin atomic
  select h.level, h.rule, h.reason
  from (select true) one
    left join hp_private.monitor p on true
    left join public.hp_worker_group g on g.worker_type = (hp_worker_health.worker).worker_type
    cross join lateral hp_private.worker_health(hp_worker_health.worker, hp_worker_health.at,
      p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h;
end;

create or replace view hp_private.surely_fine with (security_invoker = true) as
select w as worker, g.paused_until as group_paused_until, g.paused_reason as group_paused_reason, g.restart_hint,
  greatest(w.paused_until, g.paused_until) as paused_until,
  case
    when w.status in ('idle', 'processing', 'running') and not w.draining and not w.circuit_breaker_open
      and w.circuit_breaker_state = 'closed' and (w.last_run_errors > 0) is not true
      and (w.event_loop_blocked_ms > 1000) is not true and w.last_heartbeat is not null and w.lease_expires_at is not null
    then case
      when w.kind = 'resident' then least(w.lease_expires_at,
        w.last_heartbeat + make_interval(secs => least(w.late_after_intervals, w.lost_after_intervals) * w.heartbeat_interval_s),
        case when w.poll_interval_s is not null then
          coalesce(case when w.last_run_at > now() then now() else w.last_run_at end
            + make_interval(secs => 2 * least(w.poll_interval_s, 1e8)), '-infinity') end)
      when w.status = 'idle' then least(w.lease_expires_at, coalesce(w.next_run_at, '-infinity'))
      else w.lease_expires_at
    end - interval '10 milliseconds'
  end as fine_until
from public.hp_worker_status w left join public.hp_worker_group g on g.worker_type = w.worker_type;

revoke all on table hp_private.surely_fine from public, anon, authenticated, service_role;
grant select on table hp_private.surely_fine to authenticated, service_role;


create or replace function hp_private.group_health(at timestamptz)
returns table (
  worker_type text, desired integer, minimum integer, alive bigint, expected bigint, level text, rule text, reason text
)
language sql stable set search_path = ''
begin atomic
  with judged as (
    select (f.worker).worker_type as worker_type, (f.worker).expected as expected, h.rule, h.alive
    from hp_private.surely_fine f
      cross join hp_private.monitor p
      cross join lateral (
        select 'fine' as rule, true as alive
        where group_health.at < f.fine_until and (group_health.at < f.paused_until) is not true
        union all
        select h.rule, hp_private.is_alive(f.worker, group_health.at, p.watching_since)
        from hp_private.worker_health(f.worker, group_health.at, p.watching_since, p.impaired_since,
          f.group_paused_until, f.group_paused_reason) h
        where (group_health.at < f.fine_until and (group_health.at < f.paused_until) is not true) is not true
      ) h
    where (f.worker).worker_type <> ''
  ),
  counted as (
    select j.worker_type,
      count(*) filter (where j.alive) as alive,
      count(*) filter (where j.alive and j.expected) as alive_expected,
      count(*) filter (where j.expected) as expected,
      count(*) filter (where not j.alive and j.rule = 'not-monitored') as unsure
    from judged j where j.rule <> 'paused' group by j.worker_type
  ),
  known as (
    select g.worker_type from public.hp_worker_group g
    union
    select w.worker_type from public.hp_worker_status w where w.worker_type <> ''
  ),
  reckoned as (
    select k.worker_type, g.desired, g.minimum, g.paused_reason,
      coalesce(hp_private.epoch_ms(g.paused_until) > hp_private.epoch_ms(group_health.at), false) as paused,
      coalesce(c.alive, 0) as alive, coalesce(c.alive_expected, 0) as alive_expected,
      coalesce(c.expected, 0) as expected, coalesce(c.alive, 0) + coalesce(c.unsure, 0) as possible
    from known k
      left join public.hp_worker_group g on g.worker_type = k.worker_type
      left join counted c on c.worker_type = k.worker_type
  )
  select r.worker_type, r.desired, r.minimum,
    case when r.desired is null then r.alive_expected else r.alive end,
    case when r.paused then 0 else greatest(r.desired, r.expected) end,
    h.health[1], h.health[2], h.health[3]
  from reckoned r
    cross join lateral (
      select r.alive || coalesce('/' || r.desired, '') || ' running' || coalesce(', minimum ' || r.minimum, '') as count
    ) words
    cross join lateral (
      select case
        when r.paused then array['inactive', 'paused', coalesce(r.paused_reason, 'paused')]
        when r.possible < r.minimum then array['critical', 'below-minimum', words.count]
        when r.possible < r.desired then array['warning', 'below-desired', words.count]
        when r.alive < greatest(r.desired, r.minimum) then array['unknown', 'not-monitored', words.count
          || coalesce(', not monitored since ' || hp_private.words_instant((select p.impaired_since from hp_private.monitor p)), '')]
        else array['healthy', 'fine', '']
      end as health
    ) h
  order by r.worker_type;
end;

create or replace view public.hp_worker_group_health with (security_invoker = true) as
select h.worker_type, h.desired, h.minimum, h.alive, h.expected, h.level, h.rule, h.reason
from hp_private.group_health(now()) h;

revoke all on table public.hp_worker_group_health from public, anon, authenticated, service_role;
grant select on table public.hp_worker_group_health to authenticated, service_role;

comment on view public.hp_worker_group_health is 'Each group now: how many of its workers are alive, how many are expected, and its level: below minimum critical, below desired warning.';
comment on column public.hp_worker_group_health.worker_type is 'The group.';
comment on column public.hp_worker_group_health.desired is 'How many of its workers should be alive, where people have set it.';
comment on column public.hp_worker_group_health.minimum is 'With fewer alive it is critical.';
comment on column public.hp_worker_group_health.alive is 'How many of its unpaused workers are alive: replicas included where desired is set, else the expected ones.';
comment on column public.hp_worker_group_health.expected is 'How many should be; none while the group is paused.';
comment on column public.hp_worker_group_health.level is 'critical, warning, unknown, inactive or healthy.';
comment on column public.hp_worker_group_health.rule is 'Which rule held: below-minimum, below-desired, not-monitored, paused or fine.';
comment on column public.hp_worker_group_health.reason is 'The reason, as text.';

create or replace view hp_private.judged_worker with (security_invoker = true) as
select f.worker, f.restart_hint, h.level, h.rule, h.reason, h.alive
from hp_private.surely_fine f
  cross join hp_private.monitor p
  cross join lateral (
    select 'healthy' as level, 'fine' as rule, '' as reason, true as alive
    where now() < f.fine_until and (now() < f.paused_until) is not true
    union all
    select h.level, h.rule, h.reason, hp_private.is_alive(f.worker, now(), p.watching_since)
    from hp_private.worker_health(
      f.worker, now(), p.watching_since, p.impaired_since, f.group_paused_until, f.group_paused_reason) h
    where (now() < f.fine_until and (now() < f.paused_until) is not true) is not true
  ) h;

revoke all on table hp_private.judged_worker from public, anon, authenticated, service_role;
grant select on table hp_private.judged_worker to authenticated, service_role;


create or replace view public.hp_active_workers with (security_invoker = true) as
select (j.worker).worker_name, (j.worker).worker_type, (j.worker).status, j.level, j.reason,
  round(extract(epoch from now() - (j.worker).last_heartbeat), 1) as seconds_since_heartbeat, (j.worker).last_heartbeat,
  (j.worker).current_status, (j.worker).current_job_id, (j.worker).current_job_type, (j.worker).jobs_active,
  (j.worker).jobs_processed, (j.worker).error_count, (j.worker).next_run_at, (j.worker).started_at, (j.worker).hostname,
  (j.worker).pid, (j.worker).version
from hp_private.judged_worker j
where j.alive;

create or replace view public.hp_dead_workers with (security_invoker = true) as
select (j.worker).worker_name, (j.worker).worker_type, (j.worker).expected, j.reason,
  round(extract(epoch from now() - (j.worker).last_heartbeat), 1) as seconds_since_heartbeat, (j.worker).last_heartbeat,
  case
    when (j.worker).status = 'crashed' then (j.worker).status_since else least((j.worker).lease_expires_at, now())
  end as dead_since,
  (j.worker).last_exit, (j.worker).last_error, (j.worker).hostname, (j.worker).pid, (j.worker).version, j.restart_hint
from hp_private.judged_worker j
where j.rule in ('crashed', 'silent', 'overdue');

create or replace view public.hp_worker_stats with (security_invoker = true) as
select w.worker_type, g.desired, g.minimum, w.workers, w.alive, w.critical, w.warning, w.paused,
  w.jobs_active, w.jobs_processed, w.error_count, w.error_percent, w.last_heartbeat
from (
  select (j.worker).worker_type as worker_type, count(*) as workers,
    count(*) filter (where j.alive) as alive,
    count(*) filter (where j.level = 'critical') as critical,
    count(*) filter (where j.level = 'warning') as warning,
    count(*) filter (where j.rule = 'paused') as paused,
    sum((j.worker).jobs_active) as jobs_active, sum((j.worker).jobs_processed) as jobs_processed,
    sum((j.worker).error_count) as error_count,
    round(100 * sum((j.worker).error_count) / nullif(sum((j.worker).jobs_processed), 0), 1) as error_percent,
    max((j.worker).last_heartbeat) as last_heartbeat
  from hp_private.judged_worker j
  group by (j.worker).worker_type
) w
  left join public.hp_worker_group g on g.worker_type = w.worker_type;

revoke all on table public.hp_active_workers, public.hp_dead_workers, public.hp_worker_stats
  from public, anon, authenticated, service_role;
grant select on table public.hp_active_workers, public.hp_dead_workers, public.hp_worker_stats to authenticated, service_role;

comment on view public.hp_active_workers is 'Workers that the last beat vouches for, with their health and how long ago that beat was.';
comment on view public.hp_dead_workers is 'Workers that crashed, fell silent or are overdue, since when and why; paused workers and those that are not monitored are not among them.';
comment on view public.hp_worker_stats is 'Figures of each worker_type: how many there are, live and are in trouble, and what they have done.';

revoke all on function public.hp_worker_health from public, anon, authenticated, service_role;
grant execute on function
  hp_private.epoch_ms, hp_private.words_count, hp_private.words_lasting, hp_private.words_span,
  hp_private.words_instant, hp_private.monitored_ms, hp_private.is_overdue, hp_private.is_alive,
  hp_private.worker_health, public.hp_worker_health, hp_private.group_health
to authenticated, service_role;

comment on function public.hp_worker_health is 'What a worker''s row means at a time: level (healthy, warning, critical, inactive, unknown), rule and reason. select w.worker_name, h.* from hp_worker_status w, hp_worker_health(w) h;';

-- 20261122000700_message.sql
insert into public.hp_setting (key, value, description) values
  ('digest_every_s', '10', 'Seconds between two digests to open pages.'),
  ('activity_store', '600', 'Activity messages that may be sent one a second before the rate falls to the refill.'),
  ('activity_refill_s', '10', 'Seconds in which one activity message is added to the store.'),
  ('messages_mb', '100', 'Megabytes that activity and digests may take in realtime.messages, which keeps up to four days of them.'),
  ('transition_store', '20', 'Transitions that may be sent at once before they are joined.'),
  ('transition_refill_per_s', '5', 'Transition messages added to their store a second.')
on conflict (key) do nothing;

create table if not exists hp_private.message_budget (
  kind text
    constraint message_budget_pkey primary key
    constraint message_budget_kind_check check (kind in ('transition', 'activity', 'log')),
  stored double precision not null,
  filled_at timestamptz not null,
  sent_at timestamptz not null,
  bytes bigint not null default 0
) with (fillfactor = 50);

insert into hp_private.message_budget (kind, stored, filled_at, sent_at)
values ('transition', 0, '-infinity', '-infinity'), ('activity', 0, '-infinity', '-infinity'),
  ('log', 0, '-infinity', '-infinity')
on conflict (kind) do nothing;

alter table hp_private.message_budget enable row level security;

revoke all on table hp_private.message_budget from public, anon, authenticated, service_role;


create or replace function hp_private.take_message(
  kind text, capacity double precision, per_second double precision, spacing interval, at timestamptz
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_budget hp_private.message_budget;
  v_stored double precision;
begin
  select * into v_budget from hp_private.message_budget b where b.kind = take_message.kind;
  v_stored := case
    when isfinite(v_budget.filled_at) then least(capacity, v_budget.stored
      + per_second * greatest(0, extract(epoch from at - v_budget.filled_at)::double precision))
    else capacity
  end;
  if at - spacing < v_budget.sent_at or v_stored < 1
    or not pg_try_advisory_xact_lock(hashtext('hp_private.message_budget'), hashtext(take_message.kind))
  then
    return false;
  end if;
  update hp_private.message_budget b
  set stored = v_stored - 1, filled_at = take_message.at, sent_at = take_message.at
  where b.kind = take_message.kind
    and b.sent_at = v_budget.sent_at and b.filled_at = v_budget.filled_at and b.stored = v_budget.stored;
  return found;
end
$$;

create or replace function hp_private.take_transition() returns boolean
language sql set search_path = ''
return hp_private.take_message('transition', coalesce(hp_private.setting('transition_store'), 20)::double precision,
  coalesce(hp_private.setting('transition_refill_per_s'), 5)::double precision, '0', clock_timestamp());

create or replace function hp_private.message_every_s(bytes bigint) returns double precision
language sql stable set search_path = ''
return greatest(
  coalesce(nullif(hp_private.setting('digest_every_s'), 0), 10)::double precision,
  least(20, bytes * 0.6 * 4 * 86400 / (greatest(coalesce(hp_private.setting('messages_mb'), 100), 1) * 1e6)));

create or replace function hp_private.digest_due(digest_at timestamptz, tick_every interval, at timestamptz) returns boolean
language sql stable set search_path = ''
return (
  select coalesce(greatest(digest_due.digest_at, b.sent_at)
    <= digest_due.at - make_interval(secs => hp_private.message_every_s(b.bytes)) + least(tick_every / 2, interval '2.5 seconds'), true)
  from hp_private.message_budget b where b.kind = 'activity'
);

create or replace function hp_private.count_message(event text, bytes bigint) returns void
language plpgsql set search_path = ''
as $$
begin
  if pg_try_advisory_xact_lock(hashtext('hp_private.message_budget'), hashtext('activity')) then
    update hp_private.message_budget b set
      bytes = count_message.bytes,
      stored = case when event = 'digest' and isfinite(b.filled_at) then greatest(-10, b.stored - 1) else b.stored end
    where b.kind = 'activity';
  end if;
end
$$;

create or replace view hp_private.worker_state with (security_invoker = true) as
select
  worker_id, worker_name, worker_type, kind, description, expected, is_public, paused_until, paused_reason, seen_at,
  instance_id, epoch, started_at, hostname, pid, version, runtime, parts, last_exit, name_conflict_since,
  status, status_since, status_reason, last_heartbeat, heartbeat_interval_s, requested_interval_s, interval_override_s,
  late_after_intervals,
  lost_after_intervals, lease_expires_at, clock_skew_ms, revision,
  nullif(draining, false) as draining, jobs_active, current_status, current_job_id, current_job_type, status_updated_at, poll_interval_s, last_run_at,
  last_run_duration_ms, processed_count, last_run_errors, next_run_at, grace_s, max_run_s, schedule, jobs_processed, error_count,
  last_error, last_error_at,
  circuit_breaker_open, circuit_breaker_state, circuit_breaker_failures, circuit_breaker_threshold,
  circuit_breaker_opened_at, circuit_breaker_retry_at, circuit_breaker_reason,
  cpu_percent, memory_percent, memory_rss_bytes, event_loop_lag_ms, event_loop_blocked_ms
from public.hp_worker_status;

revoke all on table hp_private.worker_state from public, anon, authenticated, service_role;
grant select on table hp_private.worker_state to authenticated, service_role;


create or replace view hp_private.group_state with (security_invoker = true) as
select
  worker_type, desired, minimum, description, job_url_template, restart_hint, heartbeat_interval_s, paused_until,
  paused_reason, revision
from public.hp_worker_group;

revoke all on table hp_private.group_state from public, anon, authenticated, service_role;
grant select on table hp_private.group_state to authenticated, service_role;


create or replace function hp_private.fleet_header(at timestamptz) returns jsonb
language sql stable set search_path = ''
return (
  select jsonb_build_object(
    'generation', p.generation, 'now', fleet_header.at, 'received_until', fleet_header.at,
    'workers', w.workers, 'groups', g.groups, 'revision', greatest(w.revision, g.revision),
    'tick_at', p.tick_at, 'tick_every_s', coalesce(t.tick_every_s, 5),
    'watching_since', p.watching_since, 'impaired_since', p.impaired_since,
    'stretch', p.stretch, 'beats_per_second', t.beats_per_second)
  from hp_private.monitor p,
    (select count(*) as workers, coalesce(max(s.revision), 0) as revision from public.hp_worker_status s) w,
    (select count(*) as groups, coalesce(max(s.revision), 0) as revision from public.hp_worker_group s) g,
    (select max(n.value) filter (where n.key = 'tick_every_s') as tick_every_s,
        max(n.value) filter (where n.key = 'beats_per_second') as beats_per_second
      from (
        select s.key, case when jsonb_typeof(s.value) = 'number' then s.value::numeric end as value
        from public.hp_setting s where s.key in ('tick_every_s', 'beats_per_second')
      ) n) t
);

create or replace function hp_private.fleet_chunks(workers text[], beats text[], groups text[]) returns text[]
language plpgsql immutable set search_path = ''
as $$
declare
  c_room constant integer := 180000;
  v_chunks text[] := '{}';
  v_chunk text;
  v_list text;
  v_items text[];
  v_first integer;
  v_take integer;
  v_members text;
  v_size integer;
begin
  foreach v_list in array array['workers', 'beats', 'groups'] loop
    v_items := case v_list when 'workers' then workers when 'beats' then beats else groups end;
    v_first := 1;
    v_take := cardinality(v_items);
    while v_first <= cardinality(v_items) loop
      v_members := concat_ws(',', v_chunk,
        format('"%s":[%s]', v_list, array_to_string(v_items[v_first:v_first + v_take - 1], ',')));
      v_size := octet_length(v_members);
      if v_size > c_room and v_take > 1 then
        v_take := least(v_take, cardinality(v_items) - v_first + 1);
        v_take := greatest(1, least(v_take - 1, floor(v_take * 0.97 * c_room / v_size)::integer));
      elsif v_size > c_room and v_chunk is not null then
        v_chunks := v_chunks || v_chunk;
        v_chunk := null;
      else
        v_chunk := v_members;
        v_first := v_first + v_take;
        if v_first <= cardinality(v_items) then
          v_chunks := v_chunks || v_chunk;
          v_chunk := null;
          v_take := v_take + v_take / 16 + 1;
        end if;
      end if;
    end loop;
  end loop;
  return case when v_chunk is null and v_chunks <> '{}' then v_chunks else v_chunks || coalesce(v_chunk, '') end;
end
$$;

create or replace function hp_private.send_fleet(
  event text, header jsonb, workers jsonb[], beats text[], groups jsonb[] default null
) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_chunks constant text[] := hp_private.fleet_chunks(workers::text[], beats, groups::text[]);
  v_envelope constant text := format('"parts":%s%s', cardinality(v_chunks), ',"header":' || header::text);
  v_message jsonb;
  v_bytes bigint := 0;
begin
  for v_part in 1 .. cardinality(v_chunks) loop
    v_message := concat('{', nullif(v_chunks[v_part], '') || ',', v_envelope, ',"part":', v_part, '}')::jsonb;
    perform realtime.send(v_message, event, 'hp:fleet', true);
    v_bytes := v_bytes + pg_column_size(v_message) - coalesce(pg_column_size(header), 0);
  end loop;
  return v_bytes;
end
$$;

create or replace function hp_private.send_transition(names text[]) returns void
language plpgsql set search_path = ''
as $$
declare
  v_workers jsonb[];
begin
  select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_id) into v_workers
  from hp_private.worker_state s where s.worker_name = any (names);
  perform hp_private.send_fleet('transition', null, v_workers, null);
end
$$;

create or replace function hp_private.send_digest(event text, since timestamptz, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_header jsonb;
  v_workers jsonb[];
  v_beats text[];
  v_groups jsonb[];
  v_now constant double precision := date_part('epoch', at);
begin
  with recent as materialized (
    select w.worker_name, w.worker_id, w.updated_at > send_digest.since as changed,
      concat('[', array_to_string(array[w.worker_id, w.revision, array_position(hp_private.statuses(), w.status) - 1,
          ((v_now - date_part('epoch', w.last_heartbeat)) * 1000)::bigint, w.jobs_processed, w.error_count, w.jobs_active,
          case when isfinite(w.last_run_at) then ((v_now - date_part('epoch', w.last_run_at)) * 1000)::bigint end, w.processed_count, w.last_run_errors], ',', 'null'),
        case
          when w.activity_seen_at > send_digest.since then concat(',',
            coalesce(((v_now - date_part('epoch', w.status_updated_at)) * 1000)::bigint::text, 'null'), ',',
            coalesce(to_json(w.current_status)::text, 'null'), ',', coalesce(to_json(w.current_job_id)::text, 'null'), ',',
            coalesce(to_json(w.current_job_type)::text, 'null'))
        end, ']') as beat
    from public.hp_worker_status w
    where w.last_heartbeat > send_digest.since or w.updated_at > send_digest.since
  )
  select hp_private.fleet_header(send_digest.at),
    (select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_id) from hp_private.worker_state s
      where s.worker_name = any ((select array_agg(r.worker_name) from recent r where r.changed)::text[])),
    (select array_agg(r.beat order by r.worker_id) from recent r where not r.changed),
    (select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_type)
      from hp_private.group_state s join public.hp_worker_group g using (worker_type)
      where g.updated_at > send_digest.since)
  into v_header, v_workers, v_beats, v_groups;
  perform hp_private.count_message(event, hp_private.send_fleet(event, v_header, v_workers, v_beats, v_groups));
end
$$;

create or replace function hp_private.send_changes(names text[], began timestamptz, activity_every_s double precision) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_setting record;
  v_transitioned text[];
  v_active boolean;
  v_budget hp_private.message_budget;
  v_again_ms double precision;
begin
  select
    coalesce(max(s.n) filter (where s.key = 'transition_store'), 20) as transition_store,
    coalesce(max(s.n) filter (where s.key = 'transition_refill_per_s'), 5) as transition_refill_per_s,
    coalesce(max(s.n) filter (where s.key = 'activity_store'), 600) as activity_store,
    coalesce(max(s.n) filter (where s.key = 'activity_refill_s' and s.n > 0), 10) as activity_refill_s
  into v_setting
  from (
    select s.key, least(greatest(s.value::numeric, 0), 1e9)::double precision as n from public.hp_setting s
    where jsonb_typeof(s.value) = 'number' and s.key in (
      'transition_store', 'transition_refill_per_s', 'activity_store', 'activity_refill_s')
  ) s;

  select * into v_budget from hp_private.message_budget b where b.kind = 'activity';
  select array_agg(w.worker_name) filter (where w.transitioned_at >= began),
    bool_or(greatest(w.activity_seen_at, w.updated_at) >= least(began, nullif(v_budget.sent_at, '-infinity'))
      and (w.transitioned_at is null or w.transitioned_at < began))
  into v_transitioned, v_active
  from public.hp_worker_status w where w.worker_name = any (names);

  if v_transitioned is not null then
    if hp_private.take_message('transition', v_setting.transition_store, v_setting.transition_refill_per_s, '0', v_now) then
      perform hp_private.send_transition(v_transitioned);
    else
      v_active := true;
    end if;
  end if;

  if v_active then
    if hp_private.take_message('activity', v_setting.activity_store,
      1 / greatest(v_setting.activity_refill_s, hp_private.message_every_s(v_budget.bytes)), '1 second', v_now) then
      perform hp_private.send_digest('activity',
        greatest(v_budget.sent_at, v_now - interval '1 minute') - interval '2 seconds', v_now);
    elsif v_budget.stored >= 1 then
      v_again_ms := greatest(50, 1050 - extract(epoch from v_now - v_budget.sent_at)::double precision * 1000);
    end if;
  end if;

  return jsonb_strip_nulls(jsonb_build_object(
    'activity_every_s', send_changes.activity_every_s, 'again_ms', round(v_again_ms::numeric)));
end
$$;

create or replace function hp_private.send_edit(worker_name text, began timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_monitor hp_private.monitor;
begin
  select * into v_monitor from hp_private.monitor;
  if v_monitor.viewed_until > now() then
    perform hp_private.send_changes(array[send_edit.worker_name], began, v_monitor.activity_every_s);
  end if;
end
$$;

create or replace function hp_private.tg_hp_worker_group__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_groups jsonb[];
begin
  if not exists (select from hp_private.monitor p where p.viewed_until > now()) then
    return null;
  end if;
  if tg_op = 'DELETE' then
    select array_agg(jsonb_build_object('worker_type', g.worker_type, 'revision', g.revision, 'gone', true))
    into v_groups from gone g;
  else
    select array_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_type) into v_groups
    from hp_private.group_state s where s.worker_type in (select e.worker_type from edited e);
  end if;
  if v_groups is not null and hp_private.take_transition() then
    perform hp_private.send_fleet('transition', null, null, null, v_groups);
  end if;
  return null;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_send() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_monitor hp_private.monitor;
begin
  if current_setting('application_name') = 'lastseen own write' then
    return null;
  end if;
  select * into v_monitor from hp_private.monitor;
  if v_monitor.viewed_until > now() then
    begin
      perform hp_private.send_changes(array[new.worker_name], greatest(new.updated_at, new.activity_seen_at), v_monitor.activity_every_s);
    exception when others then
      raise warning 'open pages got no message of this: %', sqlerrm;
    end;
  end if;
  return null;
end
$$;

create or replace trigger _900_send_added after insert on public.hp_worker_group
  referencing new table as edited for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_send_edited after update on public.hp_worker_group
  referencing new table as edited for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_send_removed after delete on public.hp_worker_group
  referencing old table as gone for each statement execute function hp_private.tg_hp_worker_group__send();
create or replace trigger _900_plain_send after update on public.hp_worker_status
  for each row when (new.sequence = old.sequence
    and (old.revision is distinct from new.revision or old.activity_seen_at is distinct from new.activity_seen_at))
  execute function hp_private.tg_hp_worker_status__plain_send();
create or replace trigger _900_plain_send_first after insert on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_send();

drop policy if exists "members listen to the fleet" on realtime.messages;
create policy "members listen to the fleet" on realtime.messages
  for select to authenticated using (
    realtime.messages.extension = 'broadcast'
    and (
      ((select realtime.topic()) = 'hp:fleet' and (select hp_private.is_member()))
      or ((select realtime.topic()) like 'hp:worker:%' and (select hp_private.is_member()))
      or (select realtime.topic()) like 'hp:wake-up:%'
    )
  );

drop policy if exists "workers listen for their wake-up" on realtime.messages;
create policy "workers listen for their wake-up" on realtime.messages
  for select to anon using (
    realtime.messages.extension = 'broadcast'
    and (select realtime.topic()) like 'hp:wake-up:%'
  );

drop policy if exists "ours alone on topics of Lastseen" on realtime.messages;
create policy "ours alone on topics of Lastseen" on realtime.messages as restrictive
  for all to public using (
    ((select realtime.topic()) like 'hp:%') is not true
    or (realtime.messages.extension = 'broadcast'
      and ((select realtime.topic()) like 'hp:wake-up:%'
        or (((select realtime.topic()) = 'hp:fleet' or (select realtime.topic()) like 'hp:worker:%')
          and (select hp_private.is_member()))))
  )
  with check (((select realtime.topic()) like 'hp:%') is not true);

grant execute on function hp_private.fleet_header to authenticated, service_role;

-- 20261122000800_plain_write.sql
create or replace function hp_private.plain_lease(
  worker public.hp_worker_status, heard timestamptz, run_until timestamptz
) returns timestamptz
language sql stable set search_path = ''
return hp_private.lease_end(worker.kind, worker.status, heard, worker.lost_after_intervals * worker.heartbeat_interval_s,
  worker.next_run_at, worker.grace_s, worker.max_run_s, run_until);

create or replace function hp_private.lifetime(stored bigint, counted bigint, total bigint) returns bigint
language sql immutable set search_path = ''
return least(9007199254740991, case
  when total >= stored then total
  when total >= counted then stored + total - counted
  else stored + total
end);

create or replace function hp_private.tg_hp_worker_status__plain_limits() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_problem constant text := case
    when new.lost_after_intervals < new.late_after_intervals then
      format('lost_after_intervals must be at least late_after_intervals, %s', new.late_after_intervals)
    when jsonb_typeof(new.metadata) <> 'object' then 'metadata must be an object'
    when hp_private.json_problem(new.metadata, 32768) is not null then
      'metadata ' || hp_private.json_problem(new.metadata, 32768)
    else (
      select format('%s is %s; it must be a time in the years 1 to 9999', t.field, t.at)
      from (values
        ('started_at', new.started_at), ('last_run_at', new.last_run_at), ('next_run_at', new.next_run_at),
        ('last_error_at', new.last_error_at), ('circuit_breaker_opened_at', new.circuit_breaker_opened_at),
        ('circuit_breaker_retry_at', new.circuit_breaker_retry_at)) t (field, at)
      where t.at not between '0001-01-01' and '9999-12-31' limit 1)
  end;
begin
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PT400';
  end if;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_insert() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.status := case when new.status = 'active' then 'processing' else new.status end;
  if new.last_heartbeat is not null or new.status <> 'unknown' then
    new.last_heartbeat := now();
    new.status := case when new.status = 'unknown' then 'running' else new.status end;
    new.lease_expires_at := hp_private.plain_lease(new, now(), null);
  end if;
  if new.circuit_breaker_open and new.circuit_breaker_state = 'closed' then
    new.circuit_breaker_state := 'open';
  end if;
  new.circuit_breaker_open := new.circuit_breaker_state = 'open';
  if new.circuit_breaker_open then
    new.circuit_breaker_opened_at := coalesce(new.circuit_breaker_opened_at, now());
  end if;
  new.counted_jobs := new.jobs_processed;
  new.counted_errors := new.error_count;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_beat() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_row text := new.worker_name || ' ' || statement_timestamp();
begin
  if current_setting('application_name') = 'lastseen own write' then
    return new;
  end if;
  new.status := case when new.status = 'active' then 'processing' else new.status end;
  if tg_argv[0] = 'status' then
    perform set_config('lastseen.plain_beat', v_row, true);
  elsif current_setting('lastseen.plain_beat', true) = v_row then
    return new;
  elsif new.status in ('unknown', 'stopped', 'crashed') then
    new.status := 'running';
  end if;

  new.last_heartbeat := now();
  if new.status is distinct from old.status then
    new.status_since := now();
    new.status_reason := nullif(new.status_reason, old.status_reason);
    new.last_exit := null;
    new.status_updated_at := now();
    new.activity_seen_at := clock_timestamp();
  elsif (new.current_status, new.current_job_id) is distinct from (old.current_status, old.current_job_id) then
    new.status_updated_at := now();
    new.activity_seen_at := clock_timestamp();
  end if;
  if new.status in ('unknown', 'stopped', 'crashed') then
    new.jobs_active := 0;
    new.current_status := null;
    new.current_job_id := null;
    new.current_job_type := null;
  end if;
  new.lease_expires_at := hp_private.plain_lease(new, now(), case
    when new.last_run_at is not distinct from old.last_run_at
      and old.status in ('starting', 'processing', 'running', 'stopping') then old.lease_expires_at
  end);

  if new.jobs_processed is distinct from old.jobs_processed then
    new.counted_jobs := new.jobs_processed;
    new.jobs_processed := hp_private.lifetime(old.jobs_processed, old.counted_jobs, new.jobs_processed);
  end if;
  if new.error_count is distinct from old.error_count then
    new.counted_errors := new.error_count;
    new.error_count := hp_private.lifetime(old.error_count, old.counted_errors, new.error_count);
  end if;
  return case when tg_argv[0] = 'last_heartbeat' then hp_private.revise(old, new) else new end;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_schedule() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.kind is distinct from old.kind or (new.kind = 'scheduled' and new.status in ('idle', 'stopped')) then
    new.lease_expires_at := hp_private.plain_lease(new, new.last_heartbeat, null);
  end if;
  return new;
end
$$;

create or replace function hp_private.tg_hp_worker_status__plain_breaker() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.circuit_breaker_open is distinct from old.circuit_breaker_open
    and new.circuit_breaker_state is not distinct from old.circuit_breaker_state
  then
    new.circuit_breaker_state := case when new.circuit_breaker_open then 'open' else 'closed' end;
  end if;
  new.circuit_breaker_open := new.circuit_breaker_state = 'open';
  if new.circuit_breaker_state = 'open' and old.circuit_breaker_state <> 'open' then
    new.circuit_breaker_opened_at := coalesce(nullif(new.circuit_breaker_opened_at, old.circuit_breaker_opened_at), now());
  elsif new.circuit_breaker_state = 'closed' then
    new.circuit_breaker_opened_at := null;
    new.circuit_breaker_retry_at := null;
  end if;
  return new;
end
$$;

create or replace trigger _100_plain_insert before insert on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_insert();

create or replace trigger _100_plain_limits before insert or update of late_after_intervals, lost_after_intervals, metadata,
    started_at, last_run_at, next_run_at, last_error_at, circuit_breaker_opened_at, circuit_breaker_retry_at
  on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_limits();

create or replace trigger _110_plain_status before update of status on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_beat('status');
create or replace trigger _120_plain_last_heartbeat before update of last_heartbeat on public.hp_worker_status
  for each row when (new.sequence = old.sequence)
  execute function hp_private.tg_hp_worker_status__plain_beat('last_heartbeat');
create or replace trigger _130_plain_breaker before update of circuit_breaker_open, circuit_breaker_state
  on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_breaker();
create or replace trigger _140_plain_schedule before update of kind, next_run_at, grace_s on public.hp_worker_status
  for each row when (current_setting('application_name') <> 'lastseen own write')
  execute function hp_private.tg_hp_worker_status__plain_schedule();

-- 20261122000900_worker_token.sql
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


insert into hp_private.unknown_token_rate (id) values (true) on conflict (id) do nothing;

revoke all on sequence hp_private.unknown_token_seq from anon, authenticated, service_role;

insert into public.hp_setting (key, value, description) values
  ('token_new_names_per_hour', '1000', 'New workers that one worker token may add an hour.'),
  ('token_new_processes_per_hour', '5000', 'Starts of processes that may be reported with one worker token an hour.')
on conflict (key) do nothing;

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


create or replace function public.hp_create_worker_token(
  label text, name_pattern text, expires_in interval default null
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
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
  where t.token_hash = (select l.token_hash from public.hp_worker_token l
    where l.token_hash = v_token.token_hash for no key update skip locked);
  return 0;
end
$$;

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

  names_like := replace(v_token.name_pattern, '_', '\_');
  token_id := v_token.token_id;
  if worker_name is not null and worker_name not like names_like then
    refused := hp_private.refuse_name(v_token.token_id, worker_name, at);
    return;
  end if;
  if coalesce(v_token.last_used_at, '-infinity') <= at - interval '1 minute' then
    update public.hp_worker_token t set last_used_at = at
    where t.token_hash = (select l.token_hash from public.hp_worker_token l
      where l.token_hash = v_token.token_hash for no key update skip locked);
  end if;
end
$$;

revoke all on function
  public.hp_create_worker_token, public.hp_revoke_worker_token, public.hp_list_worker_tokens
from public, anon, authenticated, service_role;
grant execute on function
  public.hp_create_worker_token, public.hp_revoke_worker_token, public.hp_list_worker_tokens
to authenticated, service_role;

comment on function public.hp_create_worker_token is 'Makes a worker token and returns it, this once. Errors: PT400 label, name_pattern or expires_in, PT403 not an owner.';
comment on function public.hp_revoke_worker_token is 'Refuses a worker token from now on. Errors: PT403 not an owner, PT404 no such token.';
comment on function public.hp_list_worker_tokens is 'Every worker token, without its hash, and how many tries there were with unknown ones. Errors: PT403 not an owner.';

-- 20261122001000_beat.sql
do $$
begin
  if to_regtype('hp_private.beat') is null then
    create type hp_private.beat as (
      worker_name varchar(2001), instance_id uuid, sequence bigint, status varchar(2001), epoch bigint, status_reason varchar(2001),
      heartbeat_interval_s double precision, requested_interval_s double precision, uptime_ms bigint, sent_at_ms double precision,
      worker_type varchar(2001), description varchar(2001), version varchar(2001), kind varchar(2001), hostname varchar(2001), pid bigint, runtime varchar(2001), parts varchar(33)[],
      jobs_total bigint, errors_total bigint, counted_jobs bigint, counted_errors bigint,
      jobs_active integer, current_status varchar(2001), current_job_id varchar(2001), current_job_type varchar(2001), status_age_ms bigint,
      poll_interval_s double precision, last_run_age_ms bigint, last_run_duration_ms bigint,
      processed_count bigint, last_run_errors bigint, next_run_in_ms bigint, schedule varchar(2001),
      grace_s double precision, max_run_s double precision, expected boolean,
      last_error varchar(2001), last_error_age_ms bigint,
      circuit_breaker_state varchar(2001), circuit_breaker_failures integer, circuit_breaker_threshold integer,
      circuit_breaker_opened_age_ms bigint, circuit_breaker_retry_in_ms bigint, circuit_breaker_reason varchar(2001),
      cpu_percent real, memory_percent real, memory_rss_bytes bigint, event_loop_lag_ms real,
      event_loop_blocked_ms bigint, metadata jsonb, last_exit jsonb, leases bigint[],
      draining boolean, commands jsonb, logs jsonb, logs_dropped bigint
    );
  end if;
end
$$;


create or replace function hp_private.beat_error(field text, problem text) returns jsonb
language sql immutable set search_path = ''
return jsonb_build_object('field', field, 'message', field || ' ' || problem);

create or replace function hp_private.beat_problem(b hp_private.beat) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  c_statuses constant text[] := array_remove(hp_private.statuses(), 'unknown');
  v_field text;
begin
  if b.worker_name is null then
    return hp_private.beat_error('worker_name', 'is missing');
  elsif b.worker_name !~ '^[A-Za-z0-9][A-Za-z0-9@:._/-]*$' or char_length(b.worker_name) > 128 then
    return hp_private.beat_error('worker_name',
      'must start with a letter or digit and hold at most 128 of letters, digits and @ : . _ / -');
  elsif b.instance_id is null then
    return hp_private.beat_error('instance_id', 'is missing');
  elsif b.sequence is null or b.sequence < 1 then
    return hp_private.beat_error('sequence', 'must be a whole number from 1 up');
  elsif b.status is null or b.status <> all (c_statuses) then
    return hp_private.beat_error('status', 'must be one of ' || array_to_string(c_statuses, ', '));
  elsif b.kind not in ('resident', 'scheduled') then
    return hp_private.beat_error('kind', 'must be resident or scheduled');
  elsif b.circuit_breaker_state not in ('closed', 'open', 'half_open') then
    return hp_private.beat_error('circuit_breaker_state', 'must be closed, open or half_open');
  elsif b.heartbeat_interval_s not between 1 and 3600 then
    return hp_private.beat_error('heartbeat_interval_s', 'must be from 1 to 3600 seconds');
  elsif b.requested_interval_s not between 1 and 3600 then
    return hp_private.beat_error('requested_interval_s', 'must be from 1 to 3600 seconds');
  elsif b.grace_s not between 0 and 31536000 then
    return hp_private.beat_error('grace_s', 'must be from 0 to 31536000 seconds');
  elsif b.max_run_s not between 1 and 31536000 then
    return hp_private.beat_error('max_run_s', 'must be from 1 to 31536000 seconds');
  elsif not (b.poll_interval_s > 0 and b.poll_interval_s <= 31536000) then
    return hp_private.beat_error('poll_interval_s', 'must be above 0 and at most 31536000 seconds');
  elsif b.circuit_breaker_threshold < 1 then
    return hp_private.beat_error('circuit_breaker_threshold', 'must be at least 1');
  elsif abs(b.sent_at_ms) > 8640000000000000 then
    return hp_private.beat_error('sent_at_ms', 'must be a time in milliseconds since 1970');
  elsif greatest(b.cpu_percent, b.memory_percent, b.event_loop_lag_ms) >= 'infinity' then
    v_field := case
      when b.cpu_percent >= 'infinity' then 'cpu_percent'
      when b.memory_percent >= 'infinity' then 'memory_percent'
      else 'event_loop_lag_ms'
    end;
    return hp_private.beat_error(v_field, 'must be a finite number');
  elsif jsonb_typeof(b.metadata) <> 'object' then
    return hp_private.beat_error('metadata', 'must be an object');
  elsif hp_private.json_problem(b.metadata, 65536) is not null then
    return hp_private.beat_error('metadata', hp_private.json_problem(b.metadata, 65536));
  elsif octet_length(b.metadata::text) > 8192 then
    return hp_private.beat_error('metadata', format('is %s bytes long; at most 8192', octet_length(b.metadata::text)));
  elsif cardinality(b.parts) > 16 then
    return hp_private.beat_error('parts', format('holds %s names; at most 16', cardinality(b.parts)));
  elsif b.parts::text !~ '^\{([a-z0-9_-]{1,32}(,[a-z0-9_-]{1,32})*)?\}$' then
    return hp_private.beat_error('parts', 'must be names of 1 to 32 of a-z, 0-9, _ and -');
  elsif cardinality(b.leases) > 1000 then
    return hp_private.beat_error('leases', format('holds %s tokens; at most 1000', cardinality(b.leases)));
  elsif jsonb_typeof(b.last_exit) <> 'object' then
    return hp_private.beat_error('last_exit', 'must be an object');
  elsif hp_private.json_problem(b.last_exit, 32768) is not null then
    return hp_private.beat_error('last_exit', hp_private.json_problem(b.last_exit, 32768));
  elsif octet_length(b.last_exit::text) > 4096 then
    return hp_private.beat_error('last_exit', format('is %s bytes long; at most 4096', octet_length(b.last_exit::text)));
  end if;
  return hp_private.beat_excess(b);
end
$$;

create or replace function hp_private.beat_excess(b hp_private.beat) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  c_ten_years constant bigint := 315360000000;
  c_most_jobs constant bigint := 1000000000000000;
  v_field text;
  v_length integer;
  v_limit integer;
begin
  if char_length(b.status_reason) > 500 or char_length(b.worker_type) > 128 or char_length(b.description) > 500
    or char_length(b.version) > 128 or char_length(b.hostname) > 255 or char_length(b.runtime) > 128
    or char_length(b.current_status) > 500 or char_length(b.current_job_id) > 255
    or char_length(b.current_job_type) > 128 or char_length(b.schedule) > 255 or char_length(b.last_error) > 2000
    or char_length(b.circuit_breaker_reason) > 500
  then
    select l.field, char_length(to_jsonb(b) ->> l.field), l.most into v_field, v_length, v_limit
    from (values ('status_reason', 500), ('worker_type', 128), ('description', 500), ('version', 128),
      ('hostname', 255), ('runtime', 128), ('current_status', 500), ('current_job_id', 255),
      ('current_job_type', 128), ('schedule', 255), ('last_error', 2000),
      ('circuit_breaker_reason', 500)) l (field, most)
    where char_length(to_jsonb(b) ->> l.field) > l.most limit 1;
    return hp_private.beat_error(v_field, format('is %s characters long; at most %s', v_length, v_limit));
  end if;

  if least(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.jobs_active, b.pid, b.uptime_ms,
      b.status_age_ms, b.last_run_age_ms, b.last_run_duration_ms, b.processed_count, b.last_run_errors,
      b.next_run_in_ms, b.last_error_age_ms, b.circuit_breaker_failures, b.circuit_breaker_opened_age_ms,
      b.circuit_breaker_retry_in_ms, b.memory_rss_bytes, b.event_loop_blocked_ms, b.epoch, b.logs_dropped) < 0
    or least(b.cpu_percent, b.memory_percent, b.event_loop_lag_ms) < 0
  then
    select e.key into v_field from jsonb_each_text(to_jsonb(b) - 'sent_at_ms' - 'metadata' - 'last_exit' - 'commands' - 'logs') e
    where e.value ~ '^-\d' and jsonb_typeof(to_jsonb(b) -> e.key) = 'number' limit 1;
    return hp_private.beat_error(v_field, 'must not be negative');
  end if;

  if greatest(b.uptime_ms, b.status_age_ms, b.last_run_age_ms, b.last_run_duration_ms, b.next_run_in_ms,
      b.last_error_age_ms, b.circuit_breaker_opened_age_ms, b.circuit_breaker_retry_in_ms) > c_ten_years
  then
    select f.field into v_field
    from unnest(array['uptime_ms', 'status_age_ms', 'last_run_age_ms', 'last_run_duration_ms', 'next_run_in_ms',
      'last_error_age_ms', 'circuit_breaker_opened_age_ms', 'circuit_breaker_retry_in_ms']) f (field)
    where (to_jsonb(b) ->> f.field)::bigint > c_ten_years limit 1;
    return hp_private.beat_error(v_field, format('must be at most %s (ten years)', c_ten_years));
  end if;

  if greatest(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.logs_dropped) > c_most_jobs then
    select f.field into v_field
    from unnest(array['jobs_total', 'errors_total', 'counted_jobs', 'counted_errors', 'logs_dropped']) f (field)
    where (to_jsonb(b) ->> f.field)::bigint > c_most_jobs limit 1;
    return hp_private.beat_error(v_field, format('must be at most %s', c_most_jobs));
  end if;
  return null;
end
$$;

create or replace function hp_private.json_fields() returns text[]
language sql immutable set search_path = ''
return array['metadata', 'last_exit', 'commands', 'logs'];

create or replace function hp_private.may_expand(raw jsonb) returns boolean
language plpgsql immutable set search_path = ''
as $$
begin
  return pg_column_size(raw) > 2048 and exists (
    select from jsonb_array_elements(raw) e
    where pg_column_size(e.value) > 2048 and hp_private.json_problem(e.value - hp_private.json_fields(), 65536) is not null);
end
$$;

create or replace function hp_private.beat_misfit(raw jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_field text;
  v_value jsonb;
  v_fields constant jsonb := to_jsonb(jsonb_populate_record(null::hp_private.beat, '{}')) - hp_private.json_fields();
begin
  if jsonb_typeof(raw) <> 'object' then
    return hp_private.beat_error('beat', 'must be an object, not ' || jsonb_typeof(raw));
  end if;
  for v_field, v_value in select e.key, e.value from jsonb_each(raw) e loop
    continue when not v_fields ? v_field;
    if jsonb_typeof(v_value) = 'string' and char_length(v_value #>> '{}') > 2000 then
      return hp_private.beat_error(v_field, format('is %s characters long; no text of a beat has more than 2000',
        char_length(v_value #>> '{}')));
    elsif jsonb_typeof(v_value) <> 'string' and hp_private.json_problem(v_value, 65536) is not null then
      return hp_private.beat_error(v_field, hp_private.json_problem(v_value, 65536));
    end if;
    begin
      perform jsonb_populate_record(null::hp_private.beat, jsonb_build_object(v_field, v_value));
    exception when others then
      return hp_private.beat_error(v_field, format('can''t be read: %s', left(sqlerrm, 200)));
    end;
  end loop;
  return null;
end
$$;

create or replace function hp_private.refusal(worker_name text, error jsonb) returns jsonb
language sql immutable set search_path = ''
return jsonb_build_object('worker_name', worker_name, 'ok', false, 'error', error);

create or replace function hp_private.read_each_beat(raw jsonb, out beats hp_private.beat[], out answers jsonb[])
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_raw jsonb;
  v_beat hp_private.beat;
  v_misfit jsonb;
begin
  answers := array_fill(null::jsonb, array[jsonb_array_length(raw)]);
  for v_raw, v_place in select r.value, r.ordinality from jsonb_array_elements(raw) with ordinality r loop
    v_misfit := hp_private.beat_misfit(v_raw);
    v_beat := null;
    if v_misfit is null then
      v_beat := jsonb_populate_record(null::hp_private.beat, v_raw);
    else
      if jsonb_typeof(v_raw -> 'worker_name') = 'string' then
        v_beat.worker_name := left(v_raw ->> 'worker_name', 128);
      end if;
      answers[v_place] := hp_private.refusal(v_beat.worker_name, v_misfit);
    end if;
    beats[v_place] := v_beat;
  end loop;
end
$$;

create or replace function hp_private.read_beats(
  raw jsonb, out beats hp_private.beat[], out answers jsonb[], out repeats boolean, out leases boolean, out more boolean
)
language plpgsql set search_path = ''
as $$
declare
  v_count constant integer := case when jsonb_typeof(raw) = 'array' then jsonb_array_length(raw) end;
  v_beat hp_private.beat;
begin
  if v_count is null then
    raise exception 'beats is %; it must be an array of 1 to 1000 beats', coalesce(jsonb_typeof(raw), 'missing')
      using errcode = 'PT400';
  elsif v_count not between 1 and 1000 then
    raise exception 'beats holds % beats; it must hold 1 to 1000', v_count using errcode = 'PT400';
  end if;
  begin
    if hp_private.may_expand(raw) then
      raise exception using errcode = 'PT400';
    end if;
    if v_count = 1 then
      v_beat := jsonb_populate_record(null::hp_private.beat, raw -> 0);
      beats := array[v_beat];
      repeats := false;
      leases := v_beat.leases is not null;
      more := num_nonnulls(v_beat.commands, v_beat.logs) > 0;
      return;
    end if;
    beats := (select array_agg(b) from jsonb_populate_recordset(null::hp_private.beat, raw) b);
  exception when others then
    select r.beats, r.answers into read_beats.beats, read_beats.answers from hp_private.read_each_beat(raw) r;
  end;
  select count(distinct b.worker_name) < count(b.worker_name), bool_or(b.leases is not null),
    bool_or(num_nonnulls(b.commands, b.logs) > 0)
  into repeats, leases, more
  from unnest(beats) b;
end
$$;

create or replace function hp_private.refuse_beats(
  inout beats hp_private.beat[], inout answers jsonb[], names_like text
)
language plpgsql set search_path = ''
as $$
declare
  v_beat hp_private.beat;
  v_error jsonb;
begin
  for v_place in 1 .. cardinality(answers) loop
    v_beat := beats[v_place];
    if answers[v_place] is null then
      if v_beat.status = 'active' then
        v_beat.status := 'processing';
        beats[v_place] := v_beat;
      end if;
      v_error := hp_private.beat_problem(v_beat);
      if v_error is null and v_beat.worker_name not like names_like then
        v_error := hp_private.beat_error('worker_name',
          format('is outside of what the worker token is for, %s', replace(names_like, '\_', '_')));
      end if;
      continue when v_error is null;
      answers[v_place] := hp_private.refusal(v_beat.worker_name, v_error);
    end if;
    if not (answers[v_place] ->> 'ok')::boolean then
      beats[v_place] := null;
    end if;
  end loop;
end
$$;

create or replace function hp_private.all_foreign(beats hp_private.beat[], names_like text) returns boolean
language plpgsql immutable set search_path = ''
as $$
begin
  for v_place in 1 .. cardinality(beats) loop
    if (beats[v_place].worker_name not like names_like) is not true then
      return false;
    end if;
  end loop;
  return true;
end
$$;

-- 20261122001100_job_lease.sql
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

comment on table public.hp_job_lease is 'Which process may work on what; a released lease leaves no row.';
comment on column public.hp_job_lease.key is 'What the lease is of, named by the workers.';
comment on column public.hp_job_lease.worker_name is 'The worker that holds it.';
comment on column public.hp_job_lease.instance_id is 'Its process; the lease is valid while that one''s own lease is.';
comment on column public.hp_job_lease.token is 'Fencing token: of one key, each is higher than all before.';
comment on column public.hp_job_lease.sequence is 'The last beat that the process had made when it claimed; a later one knows of the lease.';
comment on column public.hp_job_lease.claimed_at is 'When it was claimed.';

create sequence if not exists hp_private.lease_token_seq;

insert into public.hp_setting (key, value, description) values
  ('token_leases_per_worker', '100', 'Job leases that a worker may hold at a time where it reports with a worker token.')
on conflict (key) do nothing;

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


create or replace function hp_private.instance_lease(worker_name text, instance_id uuid) returns timestamptz
language sql stable set search_path = ''
return (
  select p.lease_until from hp_private.process_lease p
  where p.worker_name = instance_lease.worker_name and p.instance_id = instance_lease.instance_id);

create or replace function hp_private.release_leases_of(worker_name text, instance_id uuid) returns void
language sql set search_path = ''
begin atomic
  delete from public.hp_job_lease l
  where l.worker_name = release_leases_of.worker_name and l.instance_id = release_leases_of.instance_id
    and hp_private.instance_lease(l.worker_name, l.instance_id) is null;
end;

create or replace function hp_private.dead_leases(at timestamptz)
returns table (key text, worker_name text, instance_id uuid, token bigint)
language sql stable set search_path = ''
begin atomic
  select l.key, l.worker_name, l.instance_id, l.token
  from public.hp_job_lease l
  left join hp_private.process_lease p on p.worker_name = l.worker_name and p.instance_id = l.instance_id
  where coalesce(p.lease_until, '-infinity') <= dead_leases.at;
end;

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
  public.hp_claim_lease, public.hp_release_lease, public.hp_release_dead_worker_leases
from public, anon, authenticated, service_role;
grant execute on function public.hp_claim_lease, public.hp_release_lease to anon, service_role;
grant execute on function public.hp_release_dead_worker_leases to authenticated, service_role;

comment on function public.hp_claim_lease is 'Claims a job lease for an instance: {ok, token}, or {ok, holder, held_until}. Errors: PT400 key not of 1 to 255 characters, 401 and 403 by response.status.';
comment on function public.hp_release_lease is 'Gives a job lease back; false where it was lost before. Errors: 401 and 403 by response.status.';
comment on function public.hp_release_dead_worker_leases is 'Releases the job leases of processes that are dead; returns how many. Errors: PT403 not an operator.';

-- 20261122001200_event.sql
insert into public.hp_setting (key, value, description) values
  ('event_days', '90', 'Days for which events are kept.'),
  ('events_per_hour', '1000', 'Events that are kept of one worker an hour; what comes above that only shows in its row.')
on conflict (key) do nothing;

create table if not exists public.hp_worker_event (
  id bigint generated always as identity
    constraint hp_worker_event_pkey primary key,
  worker_name text
    constraint hp_worker_event_worker_name_check check (char_length(worker_name) <= 128),
  at timestamptz not null,
  recorded_at timestamptz not null default now(),
  type text not null
    constraint hp_worker_event_type_check check (type in ('status', 'breaker', 'instance', 'conflict', 'monitor')),
  from_value text,
  to_value text,
  reason text,
  instance_id uuid,
  epoch bigint,
  details jsonb not null default '{}'
);

create index if not exists hp_worker_event_worker_name_at_idx on public.hp_worker_event (worker_name, at desc);
create index if not exists hp_worker_event_at_idx on public.hp_worker_event (at desc);

alter table public.hp_worker_event enable row level security;

drop policy if exists "members read every event" on public.hp_worker_event;
create policy "members read every event" on public.hp_worker_event
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_event;
create policy "only members, whatever else is allowed" on public.hp_worker_event as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_event from anon, authenticated, service_role;
grant select on table public.hp_worker_event to authenticated, service_role;

comment on table public.hp_worker_event is 'Transitions of workers, kept for as many days as the setting event_days says.';
comment on column public.hp_worker_event.id is 'Order of writing.';
comment on column public.hp_worker_event.worker_name is 'The worker; null for an event of the monitor. No foreign key: history outlives its worker.';
comment on column public.hp_worker_event.at is 'When it happened: for silence the deadline that passed, not the tick that saw it.';
comment on column public.hp_worker_event.recorded_at is 'When the row was written.';
comment on column public.hp_worker_event.type is 'What changed: status, breaker, instance, conflict (two live processes), monitor (its own outage).';
comment on column public.hp_worker_event.from_value is 'Value before.';
comment on column public.hp_worker_event.to_value is 'Value after.';
comment on column public.hp_worker_event.reason is 'The reason, as text.';
comment on column public.hp_worker_event.instance_id is 'The process concerned.';
comment on column public.hp_worker_event.epoch is 'Its epoch.';
comment on column public.hp_worker_event.details is 'What the row no longer shows: current_status, current_job_id, current_job_type, last_exit.';

create or replace function hp_private.silence_reason(
  kind text, status text, heard_at timestamptz, due_at timestamptz, longest_run interval, at timestamptz
) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when kind = 'resident' then 'no heartbeat for ' || hp_private.in_words(at - heard_at)
    when status in ('idle', 'stopped', 'error') and due_at is not null then format('overdue: due %s UTC, not begun %s later',
      to_char(due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), hp_private.in_words(at - due_at))
    else 'its run has lasted longer than ' || hp_private.in_words(longest_run)
  end;
end
$$;

create or replace function hp_private.monitor_reason(
  what text, lasting interval default null, workers integer default null, of_workers integer default null
) returns text
language sql immutable set search_path = ''
return case what
  when 'no tick' then 'the tick did not run'
  when 'tick again' then format('the tick runs again, after %s: silence counts from now', hp_private.in_words(lasting))
  when 'mass silence' then format('%s of %s workers reported within %s: the fault may be ours, so no worker is marked as crashed',
    workers, of_workers, hp_private.in_words(lasting))
  when 'silent too long' then case workers when 1 then 'one worker has been' else workers || ' workers have been' end
    || ' silent for three leases more: marked as crashed'
  when 'reports again' then 'workers report again'
  when 'no doubt' then 'no worker is in doubt any more'
end;

create or replace function hp_private.monitor_event(at timestamptz, from_value text, to_value text, reason text, details jsonb)
returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_id bigint;
begin
  insert into public.hp_worker_event (at, type, from_value, to_value, reason, details)
  values (monitor_event.at, 'monitor', monitor_event.from_value, monitor_event.to_value, monitor_event.reason, monitor_event.details)
  returning id into v_id;
  return v_id;
end
$$;

create or replace function hp_private.note_failure(part text, problem text, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  raise warning '% failed: %', part, problem;
  if not exists (
    select from public.hp_worker_event e
    where e.at > note_failure.at - interval '1 hour' and e.at <= note_failure.at and e.worker_name is null and e.type = 'monitor'
      and e.to_value = 'failed' and e.details ->> 'part' = part)
  then
    perform hp_private.monitor_event(at, null, 'failed', left(format('%s failed: %s', part, problem), 500),
      jsonb_build_object('part', part));
  end if;
end
$$;

create or replace function hp_private.status_event(old public.hp_worker_status, new public.hp_worker_status, paused boolean)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_from constant text := coalesce(old.status, 'unknown');
begin
  if new.status = v_from
    or (v_from in ('idle', 'processing', 'running') and new.status in ('idle', 'processing', 'running'))
    or ('error' in (v_from, new.status) and new.status not in ('stopping', 'stopped', 'crashed') and exists (
      select from public.hp_worker_event e
      where e.worker_name = new.worker_name and e.at > new.status_since - interval '1 minute' and e.type = 'status'
        and (e.from_value = 'error') = (v_from = 'error') and (e.to_value = 'error') = (new.status = 'error')))
  then
    return;
  end if;
  insert into public.hp_worker_event (worker_name, at, type, from_value, to_value, reason, instance_id, epoch, details)
  values (new.worker_name, new.status_since, 'status', v_from, new.status,
    case when new.status = 'error' then coalesce(new.status_reason, left(new.last_error, 500)) else new.status_reason end,
    new.instance_id, new.epoch,
    jsonb_strip_nulls(jsonb_build_object(
      'current_status', old.current_status, 'current_job_id', old.current_job_id,
      'current_job_type', old.current_job_type, 'paused', paused,
      'last_exit', case when new.status in ('stopped', 'crashed') then new.last_exit end)));
end
$$;

create or replace function hp_private.tg_hp_worker_status__event() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.hp_worker_status;
  v_breaker_before text;
  v_paused boolean;
begin
  if tg_op = 'UPDATE' then
    v_old := old;
  end if;
  if new.status in ('stopped', 'crashed') then
    perform hp_private.release_leases_of(new.worker_name, new.instance_id);
  end if;

  if v_old.transitioned_at > now() - interval '1 minute' then
    if coalesce(hp_private.setting('events_per_hour'), 1000) <= (
      select count(*) from public.hp_worker_event e
      where e.worker_name = new.worker_name and e.at > now() - interval '1 hour')
    then
      return null;
    end if;
  end if;

  if new.paused_until > now() or exists (
    select from public.hp_worker_group g where g.worker_type = new.worker_type and g.paused_until > now())
  then
    v_paused := true;
  end if;

  if new.instance_id is distinct from v_old.instance_id then
    insert into public.hp_worker_event (worker_name, at, type, from_value, to_value, reason, instance_id, epoch)
    values (new.worker_name, now(), 'instance', v_old.instance_id, new.instance_id,
      case when v_old.epoch > new.epoch then 'the newer process ended' end, new.instance_id, new.epoch);
  end if;

  perform hp_private.status_event(v_old, new, v_paused);

  v_breaker_before := coalesce(v_old.circuit_breaker_state, 'closed');
  if new.circuit_breaker_state <> v_breaker_before then
    insert into public.hp_worker_event (worker_name, at, type, from_value, to_value, reason, instance_id, epoch, details)
    values (new.worker_name,
      greatest(coalesce(case when new.circuit_breaker_state = 'open' then new.circuit_breaker_opened_at end, now()),
        now() - interval '59 minutes'),
      'breaker', v_breaker_before, new.circuit_breaker_state, new.circuit_breaker_reason, new.instance_id, new.epoch,
      jsonb_strip_nulls(jsonb_build_object(
        'failures', new.circuit_breaker_failures, 'threshold', new.circuit_breaker_threshold, 'paused', v_paused)));
  end if;

  if (new.name_conflict_since is null) is distinct from (v_old.name_conflict_since is null) then
    insert into public.hp_worker_event (worker_name, at, type, to_value, reason, instance_id, epoch)
    values (new.worker_name, now(), 'conflict', case when new.name_conflict_since is null then 'ended' else 'began' end,
      case when new.name_conflict_since is not null then 'two live processes report under this name' end,
      new.instance_id, new.epoch);
  end if;
  return null;
end
$$;

create or replace trigger _500_event after update on public.hp_worker_status
  for each row when (old.transitioned_at is distinct from new.transitioned_at)
  execute function hp_private.tg_hp_worker_status__event();
create or replace trigger _500_first_event after insert on public.hp_worker_status
  for each row when (new.status <> 'unknown')
  execute function hp_private.tg_hp_worker_status__event();

create or replace function public.hp_worker_events(
  worker_name text, before timestamptz default null, before_id bigint default null, kinds text[] default null,
  max_count integer default 50
) returns setof public.hp_worker_event
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant integer := least(greatest(coalesce(max_count, 50), 1), 200);
begin
  perform hp_private.require_member();
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

revoke all on function public.hp_worker_events from public, anon, authenticated, service_role;
grant execute on function public.hp_worker_events to authenticated, service_role;

comment on function public.hp_worker_events is 'Events of a worker and of the monitor, the latest first; before and before_id continue after the last one read. Errors: PT403 not a member.';

-- 20261122001300_command.sql
create or replace function hp_private.commands() returns text[]
language sql immutable set search_path = ''
return array['restart', 'stop', 'drain', 'resume', 'breaker_reset', 'breaker_trip', 'beat', 'log_level'];

create or replace function hp_private.log_levels() returns text[]
language sql immutable set search_path = ''
return array['debug', 'info', 'warn', 'error'];

create table if not exists public.hp_worker_command (
  id bigint generated always as identity
    constraint hp_worker_command_pkey primary key,
  worker_name text
    constraint hp_worker_command_worker_name_check check (char_length(worker_name) <= 128),
  worker_type text
    constraint hp_worker_command_worker_type_check check (char_length(worker_type) <= 128),
  instance_id uuid,
  command text not null
    constraint hp_worker_command_command_check check (
      command = any (hp_private.commands()) or command in ('pause', 'unpause', 'seen')
      or (state = 'refused' and char_length(command) <= 64)),
  args jsonb not null default '{}'
    constraint hp_worker_command_args_check check (pg_column_size(args) <= 2048),
  reason text
    constraint hp_worker_command_reason_check check (
      char_length(reason) <= 500
      and (coalesce(reason, '') <> '' or command in ('unpause', 'seen') or state = 'refused')),
  state text not null
    constraint hp_worker_command_state_check check (
      state in ('requested', 'delivered', 'acknowledged', 'done', 'failed', 'expired', 'refused')),
  open boolean generated always as (state in ('requested', 'delivered', 'acknowledged')) stored,
  requested_by uuid,
  requested_as text not null
    constraint hp_worker_command_requested_as_check check (
      requested_as in ('owner', 'operator', 'viewer', 'stranger', 'secret key')),
  requested_at timestamptz not null default now(),
  delivered_at timestamptz,
  acknowledged_at timestamptz,
  instance_ended_at timestamptz,
  new_instance_id uuid,
  finished_at timestamptz,
  expires_at timestamptz,
  message text
    constraint hp_worker_command_message_check check (char_length(message) <= 500),
  tries integer not null default 1
    constraint hp_worker_command_tries_check check (tries >= 1)
);

create index if not exists hp_worker_command_worker_name_idx on public.hp_worker_command (worker_name, id desc);
create index if not exists hp_worker_command_worker_type_idx on public.hp_worker_command (worker_type, id desc)
  where worker_name is null;
create index if not exists hp_worker_command_open_idx on public.hp_worker_command (worker_name, instance_id) where open;
create index if not exists hp_worker_command_refused_idx on public.hp_worker_command (requested_by, requested_at desc)
  where state = 'refused';

alter table public.hp_worker_command enable row level security;

drop policy if exists "members read every command" on public.hp_worker_command;
create policy "members read every command" on public.hp_worker_command
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_command;
create policy "only members, whatever else is allowed" on public.hp_worker_command as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_command from anon, authenticated, service_role;
grant select (
    id, worker_name, worker_type, instance_id, command, args, reason, state, open, requested_as, requested_at, delivered_at,
    acknowledged_at, instance_ended_at, new_instance_id, finished_at, expires_at, message, tries
  ) on table public.hp_worker_command to authenticated;
grant select on table public.hp_worker_command to service_role;

comment on table public.hp_worker_command is 'What people requested of workers, and its outcome; kept for as many days as the setting command_days says.';
comment on column public.hp_worker_command.id is 'Order of requests.';
comment on column public.hp_worker_command.worker_name is 'The worker; null for what was done to a group. No foreign key: the log outlives its worker.';
comment on column public.hp_worker_command.worker_type is 'The group, where it was done to one.';
comment on column public.hp_worker_command.instance_id is 'The process that it is for, and no other.';
comment on column public.hp_worker_command.command is 'The command. pause, unpause and seen are done by the database itself.';
comment on column public.hp_worker_command.args is 'Its arguments: {"level"} of log_level, {"until"} of pause.';
comment on column public.hp_worker_command.reason is 'Why, as given with the request.';
comment on column public.hp_worker_command.state is 'requested: waits for a beat. delivered: in an answer. acknowledged: the worker has begun. done, failed, expired (no report in time), refused (by the database or by the worker).';
comment on column public.hp_worker_command.open is 'Whether it is under way: requested, delivered or acknowledged.';
comment on column public.hp_worker_command.requested_by is 'Auth user who requested it; null for the secret key.';
comment on column public.hp_worker_command.requested_as is 'Their role at that time.';
comment on column public.hp_worker_command.requested_at is 'When.';
comment on column public.hp_worker_command.delivered_at is 'When it first was in the answer to a beat.';
comment on column public.hp_worker_command.acknowledged_at is 'When the worker reported that it has begun.';
comment on column public.hp_worker_command.instance_ended_at is 'When the process that was to restart or stop had ended.';
comment on column public.hp_worker_command.new_instance_id is 'The process that came after a restart.';
comment on column public.hp_worker_command.finished_at is 'When it was done, or came to nothing.';
comment on column public.hp_worker_command.expires_at is 'When it comes to nothing in its present state.';
comment on column public.hp_worker_command.message is 'Outcome, as text from the worker or the database.';
comment on column public.hp_worker_command.tries is 'How many refused tries stand in this row.';

insert into public.hp_setting (key, value, description) values
  ('command_days', '365', 'Days for which commands are kept: the audit log.')
on conflict (key) do nothing;

create or replace function hp_private.requester(command public.hp_worker_command, reader_as text) returns text
language sql stable set search_path = ''
return case
  when command.requested_as = 'secret key' then 'the secret key'
  when command.requested_by = auth.uid() then 'you'
  when reader_as = 'owner' then coalesce((select u.email from auth.users u where u.id = command.requested_by), 'a user who was removed')
  when command.requested_as in ('owner', 'operator') then 'an ' || command.requested_as
  else 'a ' || command.requested_as
end;

create or replace function hp_private.command_state(command public.hp_worker_command, reader_as text) returns jsonb
language sql stable set search_path = ''
return jsonb_strip_nulls(to_jsonb(command) - 'requested_by' - 'tries' - 'open')
  || jsonb_build_object('requested_by', hp_private.requester(command, reader_as))
  || case when command.tries > 1 then jsonb_build_object('tries', command.tries) else '{}' end;

create or replace function hp_private.refuse_command(
  worker_name text, worker_type text, instance_id uuid, command text, args jsonb, reason text,
  status integer, message text, hint text default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_as constant text := hp_private.caller_role();
  v_most constant integer := case when v_as in ('viewer', 'stranger') then 20 else 200 end;
  v_stranger constant boolean := v_as = 'stranger';
  v_by constant uuid := case when not v_stranger then hp_private.caller_id() end;
  v_command constant text := case
    when not v_stranger then left(coalesce(refuse_command.command, ''), 64)
    when refuse_command.command = any (hp_private.commands() || array['pause', 'unpause', 'seen']) then refuse_command.command
    else 'unknown'
  end;
  v_worker_name constant text := case when not v_stranger then left(refuse_command.worker_name, 128) end;
  v_message constant text := case when v_stranger then 'not a member' else left(refuse_command.message, 500) end;
  v_lately bigint[];
  v_same bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('hp_worker_command refused ' || coalesce(v_by::text, v_as), 0));
  select array_agg(c.id order by c.id desc),
    max(c.id) filter (where c.command = v_command and c.worker_name is not distinct from v_worker_name
      and c.message = v_message)
  into v_lately, v_same
  from public.hp_worker_command c
  where c.state = 'refused' and c.requested_by is not distinct from v_by and (c.requested_as = 'stranger') = v_stranger
    and c.requested_at > now() - interval '1 hour';
  v_same := coalesce(v_same, case when cardinality(v_lately) >= v_most then v_lately[1] end);

  if v_same is not null then
    update public.hp_worker_command c set tries = least(c.tries, 2000000000) + 1, finished_at = now() where c.id = v_same;
  else
    insert into public.hp_worker_command (
      worker_name, worker_type, instance_id, command, args, reason, state, requested_by, requested_as, finished_at, message)
    values (v_worker_name, case when not v_stranger then left(refuse_command.worker_type, 128) end,
      case when not v_stranger then refuse_command.instance_id end, v_command,
      case
        when not v_stranger and hp_private.json_problem(refuse_command.args, 1024) is null and octet_length(refuse_command.args::text) <= 1024
          then coalesce(refuse_command.args, '{}')
        else '{}'
      end,
      case when not v_stranger then left(refuse_command.reason, 500) end, 'refused', v_by, v_as, now(), v_message);
  end if;
  return hp_private.refuse(status, refuse_command.message, hint, 0);
end
$$;

create or replace function hp_private.reason_problem(reason text, needed boolean) returns text
language sql immutable set search_path = ''
return case
  when needed and btrim(coalesce(reason, '')) = '' then 'reason is missing: it is kept in the audit log'
  when char_length(reason) > 500 then format('reason is %s characters long; at most 500', char_length(reason))
end;

create or replace function hp_private.request_problem(command text, reason text, args jsonb) returns text
language sql immutable set search_path = ''
return case
  when command is null or command <> all (hp_private.commands()) then
    format('command is %s; it must be one of %s', coalesce(left(command, 64), 'missing'), array_to_string(hp_private.commands(), ', '))
  when hp_private.reason_problem(reason, true) is not null then hp_private.reason_problem(reason, true)
  when jsonb_typeof(args) <> 'object' then 'args must be an object'
  when hp_private.json_problem(args, 2048) is not null then 'args ' || hp_private.json_problem(args, 2048)
  when command = 'log_level' and (args - 'level' <> '{}' or coalesce(args ->> 'level', '') <> all (hp_private.log_levels()))
    then 'args must be {"level": "debug"}, "info", "warn" or "error"'
  when command <> 'log_level' and args <> '{}' then format('args must be {}: %s takes none', command)
end;

create or replace function hp_private.target_problem(
  worker public.hp_worker_status, worker_name text, instance_id uuid, command text, args jsonb,
  out status integer, out problem text, out hint text
)
language plpgsql stable set search_path = ''
as $$
declare
  v_open public.hp_worker_command;
begin
  status := 409;
  if worker.worker_name is null then
    status := 404;
    problem := format('there is no worker named %s', left(coalesce(target_problem.worker_name, 'null'), 128));
    return;
  elsif target_problem.instance_id is null then
    problem := 'this worker writes to the table directly and can''t receive commands';
    hint := 'Commands need the heartbeat module.';
    return;
  elsif target_problem.instance_id is distinct from worker.instance_id and not exists (
    select from public.hp_worker_instance i
    where i.instance_id = target_problem.instance_id and i.worker_name = worker.worker_name)
  then
    problem := 'that process belongs to another worker';
    return;
  elsif coalesce(hp_private.instance_lease(worker.worker_name, target_problem.instance_id), '-infinity') <= now() then
    problem := case
      when target_problem.instance_id is distinct from worker.instance_id then 'that process has ended'
      when worker.kind = 'scheduled' then 'no process of this worker is running now'
      else 'no process of this worker is alive'
    end;
    hint := (
      select replace(g.restart_hint, '{worker_name}', worker.worker_name)
      from public.hp_worker_group g where g.worker_type = worker.worker_type);
    return;
  end if;

  select * into v_open from public.hp_worker_command c
  where c.worker_name = worker.worker_name and c.instance_id = target_problem.instance_id and c.open
    and (c.command in ('restart', 'stop') or (c.command = target_problem.command and c.args = target_problem.args))
  order by c.id limit 1;
  if v_open.command = target_problem.command or (found and target_problem.command not in ('beat', 'log_level')) then
    problem := format('%s was requested at %s UTC and is under way', v_open.command,
      to_char(v_open.requested_at at time zone 'UTC', 'HH24:MI:SS'));
  end if;
end
$$;

create or replace function public.hp_request_command(
  worker_name text, command text, reason text, args jsonb default '{}', instance_id uuid default null
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  v_as constant text := hp_private.caller_role();
  v_args constant jsonb := coalesce(hp_request_command.args, '{}');
  v_worker public.hp_worker_status;
  v_instance uuid;
  v_command public.hp_worker_command;
  v_status integer := 400;
  v_problem text;
  v_hint text;
begin
  if not hp_private.may_operate() then
    v_status := 403;
    v_problem := 'only an operator or an owner may give commands';
  else
    v_problem := hp_private.request_problem(hp_request_command.command, hp_request_command.reason, v_args);
  end if;
  if v_problem is null then
    select * into v_worker from public.hp_worker_status w
    where w.worker_name = hp_request_command.worker_name for no key update;
    v_instance := coalesce(hp_request_command.instance_id, v_worker.instance_id);
    select p.status, p.problem, p.hint into v_status, v_problem, v_hint
    from hp_private.target_problem(v_worker, hp_request_command.worker_name, v_instance, hp_request_command.command, v_args) p;
  end if;
  if v_problem is not null then
    return hp_private.refuse_command(hp_request_command.worker_name, null, hp_request_command.instance_id,
      hp_request_command.command, v_args, hp_request_command.reason, v_status, v_problem, v_hint);
  end if;

  insert into public.hp_worker_command (
    worker_name, instance_id, command, args, reason, state, requested_by, requested_as, expires_at)
  values (v_worker.worker_name, v_instance, hp_request_command.command, v_args, btrim(hp_request_command.reason), 'requested',
    hp_private.caller_id(), v_as,
    now() + greatest(interval '2 minutes', make_interval(secs => 3 * v_worker.heartbeat_interval_s)))
  returning * into v_command;
  perform realtime.send('{}', 'wake-up', 'hp:wake-up:' || v_instance, true);
  return hp_private.command_state(v_command, v_as);
end
$$;

create or replace function public.hp_worker_commands(
  worker_name text default null, worker_type text default null, before bigint default null, most integer default 50
) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_as constant text := hp_private.caller_role();
  v_most constant integer := least(greatest(coalesce(most, 50), 1), 500);
  v_before constant bigint := coalesce(before, 9223372036854775807);
  v_group constant text := case
    when hp_worker_commands.worker_name is null then hp_worker_commands.worker_type
    else (select w.worker_type from public.hp_worker_status w where w.worker_name = hp_worker_commands.worker_name)
  end;
begin
  perform hp_private.require_member();
  return (
    select jsonb_build_object(
      'commands', coalesce(jsonb_agg(hp_private.command_state(p.command, v_as) order by (p.command).id desc)
        filter (where p.place <= v_most), '[]'),
      'more', count(*) > v_most)
    from (
      select f.command, row_number() over (order by (f.command).id desc) as place
      from (
        (select c as command from public.hp_worker_command c
          where hp_worker_commands.worker_name is null and hp_worker_commands.worker_type is null and c.id < v_before
          order by c.id desc limit v_most + 1)
        union all
        (select c from public.hp_worker_command c
          where c.worker_name = hp_worker_commands.worker_name and c.id < v_before
          order by c.id desc limit v_most + 1)
        union all
        (select c from public.hp_worker_command c
          where c.worker_name is null and c.worker_type = v_group and c.id < v_before
          order by c.id desc limit v_most + 1)
      ) f
      order by (f.command).id desc limit v_most + 1
    ) p);
end
$$;

create or replace function hp_private.reports_problem(commands jsonb) returns jsonb
language sql immutable set search_path = ''
return case
  when jsonb_typeof(commands) <> 'array' then hp_private.beat_error('commands', 'must be an array of {id, state, message}')
  when hp_private.json_problem(commands, 262144) is not null then
    hp_private.beat_error('commands', hp_private.json_problem(commands, 262144))
  when jsonb_array_length(commands) > 100 then
    hp_private.beat_error('commands', format('holds %s reports; at most 100', jsonb_array_length(commands)))
  else (
    select hp_private.beat_error(format('commands[%s]', r.ordinality - 1),
      'must be {id, state, message}, state acknowledged, done, failed or refused')
    from jsonb_array_elements(commands) with ordinality r
    where (jsonb_typeof(r.value) = 'object' and coalesce(r.value ->> 'id', '') ~ '^[0-9]{1,18}$'
      and coalesce(r.value ->> 'state', '') in ('acknowledged', 'done', 'failed', 'refused')) is not true
    order by r.ordinality limit 1)
end;

create or replace function hp_private.take_reports(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_problem jsonb;
begin
  for v_place, v_problem in
    select b.ordinality, hp_private.reports_problem(b.commands) from unnest(beats) with ordinality b
    where b.commands is not null and (take_reports.answers[b.ordinality] ->> 'ok')::boolean
  loop
    if v_problem is not null then
      answers[v_place] := answers[v_place] || jsonb_build_object('ignored', v_problem);
    end if;
  end loop;

  with report as (
    select b.worker_name, b.instance_id, b.status, b.ordinality, r.ordinality as line,
      case when r.value ->> 'id' ~ '^[0-9]{1,18}$' then (r.value ->> 'id')::bigint end as id,
      r.value ->> 'state' as state, left(r.value ->> 'message', 500) as message
    from unnest(take_reports.beats) with ordinality b
    cross join lateral jsonb_array_elements(
      case
        when jsonb_typeof(b.commands) = 'array' and hp_private.json_problem(b.commands, 262144) is null then b.commands
        else '[]'
      end) with ordinality r
    where (take_reports.answers[b.ordinality] ->> 'ok')::boolean and r.ordinality <= 100 and jsonb_typeof(r.value) = 'object'
  ),
  last_report as (
    select distinct on (s.id) s.*,
      case
        when s.state = 'done' and exists (select from public.hp_worker_command c
          where c.id = s.id and (c.command = 'restart' or (c.command = 'stop' and s.status <> 'stopped'))) then 'acknowledged'
        else s.state
      end as now_is
    from report s
    where s.id is not null and s.state in ('acknowledged', 'done', 'failed', 'refused')
    order by s.id, s.ordinality desc, s.line desc
  )
  update public.hp_worker_command c set
    state = l.now_is,
    acknowledged_at = case when l.now_is in ('acknowledged', 'done') then coalesce(c.acknowledged_at, at) else c.acknowledged_at end,
    finished_at = case when l.now_is <> 'acknowledged' then at end,
    expires_at = case when l.now_is = 'acknowledged' then at + interval '1 hour' end,
    message = nullif(coalesce(l.message, case when c.state <> 'expired' then c.message end), '')
  from last_report l
  where c.id = l.id and c.worker_name = l.worker_name and c.instance_id = l.instance_id and c.delivered_at is not null
    and (c.state in ('delivered', 'expired') or (c.state = 'acknowledged' and l.now_is <> 'acknowledged'));
  return answers;
end
$$;

create or replace function hp_private.command_message(command public.hp_worker_command, outcome text, at timestamptz) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  return case
    when outcome = 'late' then case
      when command.state = 'requested' then 'no beat fetched it within ' || hp_private.in_words(at - command.requested_at)
      when command.state = 'delivered' then 'delivered, but the worker did not report on it'
      when command.instance_ended_at is null then
        format('the worker began %s ago, and is not done', hp_private.in_words(at - command.acknowledged_at))
      else format('the process ended %s ago, and no new one started', hp_private.in_words(at - command.instance_ended_at))
    end
    when outcome = 'replaced' then 'a new process has started' || case
      when command.state = 'failed' then format(', %s after the old one ended', hp_private.in_words(at - command.instance_ended_at))
      else ''
    end
    when command.state = 'requested' then 'the process ended before it got the command'
    when command.command = 'stop' and outcome = 'stopped' then command.message
    when command.command not in ('restart', 'stop') then 'the process ended before it was done'
    else 'the process ' || case when outcome = 'stopped' then 'has ended' else 'ended without an exit report' end
      || case when command.command = 'restart' then '; waiting for a new one' else '' end
  end;
end
$$;

create or replace function hp_private.settle_commands(instances uuid[], hows text[], ends timestamptz[], at timestamptz) returns void
language sql set search_path = ''
begin atomic
  with open as materialized (
    select c.id, e.how, e.ended_at
    from unnest(instances, hows, ends) e (instance_id, how, ended_at)
    join public.hp_worker_command c on c.instance_id = e.instance_id
    where c.open and c.instance_ended_at is null
    order by c.id for update of c skip locked
  )
  update public.hp_worker_command c set
    instance_ended_at = o.ended_at,
    state = case
      when c.state = 'requested' then 'expired'
      when c.command = 'restart' then 'acknowledged'
      when c.command = 'stop' and o.how = 'stopped' then 'done'
      else 'failed'
    end,
    acknowledged_at = case
      when c.state <> 'requested' and (c.command = 'restart' or (c.command = 'stop' and o.how = 'stopped'))
        then coalesce(c.acknowledged_at, at)
      else c.acknowledged_at
    end,
    finished_at = case when c.state = 'requested' or c.command <> 'restart' then at end,
    expires_at = case
      when c.state <> 'requested' and c.command = 'restart' then greatest(o.ended_at, c.requested_at) + greatest(interval '2 minutes', (
        select make_interval(secs => 3 * w.heartbeat_interval_s)
        from public.hp_worker_status w where w.worker_name = c.worker_name))
    end,
    message = hp_private.command_message(c, o.how, at)
  from open o where c.id = o.id;
end;

create or replace function hp_private.note_successor(successor public.hp_worker_instance, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  update public.hp_worker_command c set
    state = 'done', finished_at = at, new_instance_id = successor.instance_id, expires_at = null,
    acknowledged_at = coalesce(c.acknowledged_at, at),
    message = hp_private.command_message(c, 'replaced', at)
  where c.worker_name = successor.worker_name and c.command = 'restart'
    and (c.state in ('delivered', 'acknowledged')
      or (c.state = 'failed' and c.instance_ended_at is not null and c.finished_at > at - interval '1 hour'))
    and c.instance_id <> successor.instance_id
    and successor.registered_at >= c.delivered_at;
end
$$;

create or replace function hp_private.answer_commands(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_commands jsonb;
  v_ended record;
begin
  for v_place, v_commands in
    with mine as materialized (
      select b.ordinality as place, c.id, c.command, c.args, c.reason, c.state
      from unnest(answer_commands.beats) with ordinality b
      join public.hp_worker_command c on c.worker_name = b.worker_name and c.instance_id = b.instance_id
      where c.open and c.state <> 'acknowledged' and c.expires_at > answer_commands.at
        and (answer_commands.answers[b.ordinality] ->> 'ok')::boolean and b.status not in ('stopped', 'crashed')
      for update of c skip locked
    ),
    delivered as (
      update public.hp_worker_command c set state = 'delivered', delivered_at = answer_commands.at
      from (select distinct m.id from mine m where m.state = 'requested') m where c.id = m.id
    )
    select m.place, jsonb_agg(jsonb_build_object('id', m.id, 'command', m.command, 'args', m.args, 'reason', m.reason) order by m.id)
    from mine m group by m.place
  loop
    answers[v_place] := answers[v_place] || jsonb_build_object('commands', v_commands);
  end loop;

  select array_agg(b.instance_id) as instances, array_agg(b.status) as hows, array_agg(answer_commands.at) as ends into v_ended
  from unnest(beats) with ordinality b
  where b.status in ('stopped', 'crashed') and (answer_commands.answers[b.ordinality] ->> 'ok')::boolean;
  if v_ended.instances is not null then
    perform hp_private.settle_commands(v_ended.instances, v_ended.hows, v_ended.ends, at);
  end if;
  return answers;
end
$$;

create or replace function hp_private.follow_commands(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_ended record;
begin
  select array_agg(e.instance_id) as instances, array_agg(e.how) as hows, array_agg(e.ended_at) as ends into v_ended
  from (
    select distinct on (c.instance_id) c.instance_id, g.how, g.ended_at
    from public.hp_worker_command c
    cross join hp_private.monitor p
    left join public.hp_worker_status w on w.worker_name = c.worker_name
    left join public.hp_worker_instance i on i.instance_id = c.instance_id
    cross join lateral (
      select
        case
          when w.instance_id = c.instance_id and w.status in ('stopped', 'crashed') and w.status_since <= w.last_heartbeat then w.status
          when w.instance_id = c.instance_id then case
            when w.status = 'crashed' or (w.status = 'stopped' and silent.until <= at) then 'crashed'
          end
          when i.ended_at is not null then i.status
          when i.instance_id is null or (silent.until <= at and i.lease_expires_at is not null) then 'crashed'
        end as how,
        case
          when w.instance_id = c.instance_id then w.status_since
          else coalesce(i.ended_at, i.lease_expires_at, at)
        end as ended_at
      from (
        select make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
          + greatest(case when w.instance_id = c.instance_id then w.last_heartbeat else i.last_heartbeat end, p.ticking_since) as until
      ) silent
    ) g
    where c.open and c.instance_ended_at is null and g.how is not null
  ) e;
  if v_ended.instances is not null then
    perform hp_private.settle_commands(v_ended.instances, v_ended.hows, v_ended.ends, at);
  end if;

  with late as materialized (
    select c.id from public.hp_worker_command c
    where c.open and c.expires_at <= at
    order by c.id for update skip locked
  )
  update public.hp_worker_command c set
    state = case when c.state = 'acknowledged' then 'failed' else 'expired' end, finished_at = at, expires_at = null,
    message = hp_private.command_message(c, 'late', at)
  from late l where c.id = l.id;
end
$$;

revoke all on function
  public.hp_request_command, public.hp_worker_commands
from public, anon, authenticated, service_role;
grant execute on function hp_private.log_levels to authenticated, service_role;
grant execute on function public.hp_request_command, public.hp_worker_commands to authenticated, service_role;

comment on function public.hp_request_command is 'Asks one process of a worker to do something: restart, stop, drain, resume, breaker_reset, breaker_trip, beat, log_level. Returns the command. Refusals by response.status: 400, 403 not an operator, 404, 409 no such process or under way.';
comment on function public.hp_worker_commands is 'The audit log of a worker, of a group or of all, newest first: {commands, more}. Errors: PT403 not a member.';

-- 20261122001400_action.sql
create or replace function hp_private.record_done(
  worker_name text, worker_type text, command text, args jsonb, reason text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_as constant text := hp_private.caller_role();
  v_command public.hp_worker_command;
begin
  insert into public.hp_worker_command (
    worker_name, worker_type, command, args, reason, state, requested_by, requested_as, finished_at)
  values (record_done.worker_name, record_done.worker_type, record_done.command, record_done.args,
    nullif(btrim(record_done.reason), ''), 'done', hp_private.caller_id(), v_as, now())
  returning * into v_command;
  return hp_private.command_state(v_command, v_as);
end
$$;

create or replace function hp_private.find_pause(
  worker_name text, worker_type text, out known boolean, out paused_until timestamptz
)
language plpgsql set search_path = ''
as $$
begin
  if find_pause.worker_name is not null then
    select true, w.paused_until into find_pause.known, find_pause.paused_until from public.hp_worker_status w
    where w.worker_name = find_pause.worker_name for no key update;
  else
    select true, g.paused_until into find_pause.known, find_pause.paused_until
    from (select) one left join public.hp_worker_group g on g.worker_type = find_pause.worker_type
    where g.worker_type is not null
      or exists (select from public.hp_worker_status w where w.worker_type = nullif(find_pause.worker_type, ''));
  end if;
end
$$;

create or replace function hp_private.set_pause(
  command text, worker_name text, worker_type text, until timestamptz, reason text
) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_args constant jsonb := case when command = 'pause' then jsonb_strip_nulls(jsonb_build_object('until', until)) else '{}' end;
  v_reason constant text := nullif(btrim(set_pause.reason), '');
  v_pause record;
  v_status integer := 400;
  v_problem text;
begin
  if not hp_private.may_operate() then
    v_status := 403;
    v_problem := format('only an operator or an owner may %s workers', command);
  elsif (set_pause.worker_name is null) = (set_pause.worker_type is null) then
    v_problem := 'name a worker_name or a worker_type, one of the two';
  elsif command = 'pause' and (until is null or until <= now()) then
    v_problem := format('until is %s; it must be a time to come', coalesce(until::text, 'missing'));
  else
    v_problem := hp_private.reason_problem(set_pause.reason, command = 'pause');
  end if;

  if v_problem is null then
    v_pause := hp_private.find_pause(set_pause.worker_name, set_pause.worker_type);
    if v_pause.known is null then
      v_status := 404;
      v_problem := format('there is no %s', left(coalesce('worker named ' || set_pause.worker_name, 'group named ' || set_pause.worker_type), 150));
    elsif command = 'unpause' and coalesce(v_pause.paused_until, '-infinity') <= now() then
      v_status := 409;
      v_problem := 'it is not paused';
    end if;
  end if;

  if v_problem is not null then
    return hp_private.refuse_command(set_pause.worker_name, set_pause.worker_type, null, command, v_args, set_pause.reason,
      v_status, v_problem);
  end if;

  if set_pause.worker_name is not null then
    update public.hp_worker_status w set paused_until = until, paused_reason = case when until is not null then v_reason end
    where w.worker_name = set_pause.worker_name;
    perform hp_private.send_edit(set_pause.worker_name, v_began);
  else
    insert into public.hp_worker_group as g (worker_type, paused_until, paused_reason)
    values (set_pause.worker_type, until, v_reason)
    on conflict on constraint hp_worker_group_pkey do update
    set paused_until = excluded.paused_until, paused_reason = case when until is not null then excluded.paused_reason end;
  end if;
  return hp_private.record_done(set_pause.worker_name, set_pause.worker_type, command, v_args, v_reason);
end
$$;

create or replace function public.hp_pause(
  worker_name text default null, worker_type text default null, until timestamptz default null, reason text default null
) returns jsonb
language sql security definer set search_path = ''
return hp_private.set_pause('pause', hp_pause.worker_name, hp_pause.worker_type, hp_pause.until, hp_pause.reason);

create or replace function public.hp_unpause(
  worker_name text default null, worker_type text default null, reason text default null
) returns jsonb
language sql security definer set search_path = ''
return hp_private.set_pause('unpause', hp_unpause.worker_name, hp_unpause.worker_type, null, hp_unpause.reason);

create or replace function hp_private.forget_seen(at timestamptz) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
begin
  with over as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.seen_at is not null and (select h.level from public.hp_worker_health(w, forget_seen.at) h) = 'healthy'
    order by w.worker_name for no key update of w skip locked
  )
  update public.hp_worker_status w set seen_at = null, seen_by = null from over o where w.worker_name = o.worker_name;
end
$$;

create or replace function public.hp_mark_seen(worker_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_worker public.hp_worker_status;
  v_status integer := 400;
  v_problem text := hp_private.reason_problem(hp_mark_seen.reason, false);
begin
  if not hp_private.may_operate() then
    v_status := 403;
    v_problem := 'only an operator or an owner may mark a trouble as seen';
  elsif v_problem is null then
    select * into v_worker from public.hp_worker_status w where w.worker_name = hp_mark_seen.worker_name for no key update;
    if not found then
      v_status := 404;
      v_problem := format('there is no worker named %s', left(coalesce(hp_mark_seen.worker_name, 'null'), 128));
    elsif (select h.level from public.hp_worker_health(v_worker) h) not in ('critical', 'warning') then
      v_status := 409;
      v_problem := 'it has no trouble to be seen';
    end if;
  end if;
  if v_problem is not null then
    return hp_private.refuse_command(hp_mark_seen.worker_name, null, null, 'seen', '{}', hp_mark_seen.reason, v_status, v_problem);
  end if;

  update public.hp_worker_status w set seen_at = now(), seen_by = hp_private.caller_id()
  where w.worker_name = hp_mark_seen.worker_name;
  perform hp_private.send_edit(hp_mark_seen.worker_name, v_began);
  return hp_private.record_done(hp_mark_seen.worker_name, null, 'seen', '{}', hp_mark_seen.reason);
end
$$;

create or replace function public.hp_stop_worker(worker_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_worker public.hp_worker_status;
begin
  perform hp_private.require_operator('stop a worker');
  if char_length(hp_stop_worker.reason) > 500 then
    raise exception 'reason is % characters long; at most 500', char_length(hp_stop_worker.reason)
      using errcode = 'PT400';
  end if;

  update public.hp_worker_status w set
    status = 'stopped', status_since = case when w.status = 'stopped' then w.status_since else now() end,
    status_reason = coalesce(hp_stop_worker.reason, 'marked as stopped'),
    lease_expires_at = null, jobs_active = 0, current_status = null, current_job_id = null, current_job_type = null,
    last_exit = null, status_updated_at = now(), activity_seen_at = clock_timestamp()
  where w.worker_name = hp_stop_worker.worker_name
  returning * into v_worker;
  if not found then
    raise exception 'there is no worker named %', hp_stop_worker.worker_name using errcode = 'PT404';
  end if;

  perform hp_private.send_edit(v_worker.worker_name, v_began);
  return jsonb_build_object('worker_name', v_worker.worker_name, 'status', v_worker.status,
    'status_since', v_worker.status_since);
end
$$;

revoke all on function
  public.hp_pause, public.hp_unpause, public.hp_mark_seen, public.hp_stop_worker
from public, anon, authenticated, service_role;
grant execute on function
  public.hp_pause, public.hp_unpause, public.hp_mark_seen, public.hp_stop_worker
to authenticated, service_role;

comment on function public.hp_pause is 'Pauses a worker or a group until a time, for a reason. Returns the record. Refusals by response.status: 400, 403 not an operator, 404.';
comment on function public.hp_unpause is 'Ends a pause. Refusals by response.status: 400, 403 not an operator, 404, 409 not paused.';
comment on function public.hp_mark_seen is 'Marks a worker''s trouble as seen, until its next transition. Refusals by response.status: 400, 403 not an operator, 404, 409 no trouble.';
comment on function public.hp_stop_worker is 'Marks a worker as stopped. Errors: PT400 reason too long, PT403 not an operator, PT404 no such worker.';

-- 20261122001500_log.sql
create table if not exists public.hp_worker_log (
  id bigint generated always as identity
    constraint hp_worker_log_pkey primary key,
  worker_name text not null,
  instance_id uuid not null,
  line bigint not null,
  at timestamptz not null,
  level text not null
    constraint hp_worker_log_level_check check (level = any (hp_private.log_levels())),
  message text not null,
  dropped bigint not null default 0
);

create index if not exists hp_worker_log_worker_name_idx on public.hp_worker_log (worker_name, id desc);

alter table public.hp_worker_log enable row level security;

drop policy if exists "members read every log" on public.hp_worker_log;
create policy "members read every log" on public.hp_worker_log
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_log;
create policy "only members, whatever else is allowed" on public.hp_worker_log as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_log from anon, authenticated, service_role;
grant select on table public.hp_worker_log to authenticated, service_role;

comment on table public.hp_worker_log is 'Last lines of each worker''s log; the settings log_lines, log_days and logs_mb limit it.';
comment on column public.hp_worker_log.id is 'Order of arrival.';
comment on column public.hp_worker_log.worker_name is 'The worker. No foreign key: the log of a replica outlives it, for as many days as logs are kept.';
comment on column public.hp_worker_log.instance_id is 'The process that wrote it.';
comment on column public.hp_worker_log.line is 'Its number, from the start of that process.';
comment on column public.hp_worker_log.at is 'When it was written, by the server''s clock.';
comment on column public.hp_worker_log.level is 'debug, info, warn or error.';
comment on column public.hp_worker_log.message is 'The line.';
comment on column public.hp_worker_log.dropped is 'How many lines of that process are missing before it.';

insert into public.hp_setting (key, value, description) values
  ('log_lines', '500', 'Lines of its log that are kept of each worker.'),
  ('log_days', '7', 'Days for which lines of logs are kept.'),
  ('logs_mb', '50', 'Megabytes that the logs of all workers may hold together; the oldest lines go first.')
on conflict (key) do nothing;

create or replace function hp_private.read_logs(
  logs jsonb, after bigint, at timestamptz,
  out lines public.hp_worker_log[], out last_line bigint, out problem jsonb
)
language plpgsql stable set search_path = ''
as $$
declare
  c_ten_years constant bigint := 315360000000;
  v_problems constant boolean := hp_private.json_problem(logs, 262144) is not null;
  v_entry jsonb;
  v_place bigint;
  v_bytes bigint := 0;
  v_before bigint := after;
  v_line bigint;
  v_why text;
  v_read public.hp_worker_log;
begin
  last_line := after;
  if jsonb_typeof(logs) <> 'array' then
    problem := hp_private.beat_error('logs', 'must be an array of [line, age_ms, level, message]');
    return;
  end if;
  for v_entry, v_place in select e.value, e.ordinality from jsonb_array_elements(logs) with ordinality e loop
    v_why := case when v_problems then hp_private.json_problem(v_entry, 65536) end;
    v_bytes := v_bytes + case when v_why is null then octet_length(v_entry::text) else pg_column_size(v_entry) end;
    if v_place > 100 or v_bytes > 65536 then
      problem := coalesce(problem, hp_private.beat_error('logs', format(
        'holds %s lines and %s bytes; at most 100 and 65536: the rest was not taken', jsonb_array_length(logs),
        case when v_problems then pg_column_size(logs) else octet_length(logs::text) end)));
      return;
    end if;

    v_line := case
      when jsonb_typeof(v_entry) = 'array' and jsonb_typeof(v_entry -> 0) = 'number' and v_entry ->> 0 ~ '^[0-9]{1,15}$'
        then (v_entry ->> 0)::bigint
    end;
    v_why := case
      when v_why is not null then v_why
      when coalesce(v_line, 0) < 1 then 'must be [line, age_ms, level, message], line a whole number from 1 up'
      when jsonb_typeof(v_entry -> 1) is distinct from 'number' or v_entry ->> 1 !~ '^[0-9]{1,12}(\.[0-9]+)?$'
        or (v_entry ->> 1)::numeric > c_ten_years then format('age_ms must be from 0 to %s', c_ten_years)
      when coalesce(v_entry ->> 2, '') <> all (hp_private.log_levels()) then 'level must be debug, info, warn or error'
      when jsonb_typeof(v_entry -> 3) is distinct from 'string' then 'message must be a text'
      when char_length(v_entry ->> 3) > 2000 then format('message is %s characters long; at most 2000', char_length(v_entry ->> 3))
    end;
    if v_why is not null then
      problem := coalesce(problem, hp_private.beat_error(format('logs[%s]', v_place - 1), v_why));
    end if;
    continue when v_line is null or v_line <= last_line;
    last_line := v_line;
    continue when v_why is not null;

    v_read.line := v_line;
    v_read.at := at - make_interval(secs => (v_entry ->> 1)::double precision / 1000);
    v_read.level := v_entry ->> 2;
    v_read.message := v_entry ->> 3;
    v_read.dropped := v_line - v_before - 1;
    v_before := v_line;
    lines := lines || v_read;
  end loop;
end
$$;

create or replace function hp_private.store_logs(beats hp_private.beat[], answers jsonb[], at timestamptz) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_most constant integer := coalesce(hp_private.setting('log_lines'), 500);
  b hp_private.beat;
  v_place bigint;
  v_instance public.hp_worker_instance;
  v_read record;
begin
  for v_place in
    select u.ordinality from unnest(beats) with ordinality u where u.logs is not null order by u.worker_name, u.ordinality
  loop
    continue when not (answers[v_place] ->> 'ok')::boolean;
    b := beats[v_place];
    select * into v_instance from public.hp_worker_instance i where i.instance_id = b.instance_id;
    continue when not found;
    v_read := hp_private.read_logs(b.logs, v_instance.log_line, at);

    insert into public.hp_worker_log (worker_name, instance_id, line, at, level, message, dropped)
    select b.worker_name, b.instance_id, l.line, l.at, l.level, l.message, l.dropped
    from unnest(v_read.lines) l where v_most > 0 order by l.line;
    if v_read.last_line > v_instance.log_line or b.logs_dropped > v_instance.logs_dropped then
      update public.hp_worker_instance i
      set log_line = v_read.last_line, logs_dropped = greatest(i.logs_dropped, b.logs_dropped)
      where i.instance_id = b.instance_id;
    end if;
    if v_read.last_line > v_instance.log_line and (v_instance.log_line = 0 or v_read.last_line / 50 > v_instance.log_line / 50) then
      delete from public.hp_worker_log l
      where l.worker_name = b.worker_name and l.id <= (
        select k.id from public.hp_worker_log k where k.worker_name = b.worker_name
        order by k.id desc offset v_most limit 1);
    end if;

    answers[v_place] := answers[v_place] || jsonb_build_object('logs_to', v_read.last_line)
      || case when v_read.problem is not null then jsonb_build_object('ignored', v_read.problem) else '{}' end;
  end loop;
  return answers;
end
$$;

create or replace function public.hp_worker_logs(
  worker_name text, most integer default 100, level text default 'debug', search text default null, before bigint default null
) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant integer := least(greatest(coalesce(most, 100), 1), 500);
  v_levels constant text[] := (hp_private.log_levels())[
    coalesce(array_position(hp_private.log_levels(), hp_worker_logs.level), 1):];
  v_search constant text := lower(left(coalesce(hp_worker_logs.search, ''), 200));
begin
  perform hp_private.require_member();
  if hp_worker_logs.level is not null and hp_worker_logs.level <> all (hp_private.log_levels()) then
    raise exception 'level is %; it must be debug, info, warn or error', left(hp_worker_logs.level, 64) using errcode = 'PT400';
  end if;
  return (
    with kept as (
      select l.*, sum(l.dropped) over (partition by l.instance_id order by l.id) as dropped_before
      from public.hp_worker_log l
      where l.worker_name = hp_worker_logs.worker_name and (hp_worker_logs.before is null or l.id < hp_worker_logs.before)
    ),
    found as (
      select k.*, row_number() over (order by k.id desc) as place,
        k.dropped_before - coalesce(lag(k.dropped_before) over (partition by k.instance_id order by k.id),
          k.dropped_before - k.dropped) as dropped_since
      from kept k
      where k.level = any (v_levels) and (v_search = '' or strpos(lower(k.message), v_search) > 0)
    )
    select jsonb_build_object(
      'lines', coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'at', f.at, 'level', f.level, 'message', f.message,
          'instance_id', f.instance_id, 'line', f.line)
          || case when f.dropped_since > 0 then jsonb_build_object('dropped', f.dropped_since) else '{}' end
        order by f.id) filter (where f.place <= v_most), '[]'),
      'more', count(*) > v_most)
    from found f);
end
$$;

create or replace function hp_private.prune_logs(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_most_bytes constant double precision := coalesce(hp_private.setting('logs_mb'), 50) * 1e6;
  v_kept record;
begin
  update hp_private.monitor p set logs_pruned_at = at where p.id;
  delete from public.hp_worker_log l
  where l.at < prune_logs.at - hp_private.setting_days('log_days', 7);
  if pg_total_relation_size('public.hp_worker_log') > v_most_bytes then
    select count(*) as lines, sum(90 + pg_column_size(l.message) + octet_length(l.worker_name)) as bytes into v_kept
    from public.hp_worker_log l;
    if v_kept.bytes > v_most_bytes then
      delete from public.hp_worker_log l where l.id <= (
        select o.id from public.hp_worker_log o order by o.id
        offset least(50000, floor(v_kept.lines * (1 - v_most_bytes / v_kept.bytes))::bigint) limit 1);
    end if;
  end if;
end
$$;

create or replace function hp_private.prune_large_logs(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  if (select (p.logs_pruned_at > at - interval '5 minutes') is not true from hp_private.monitor p)
    and pg_relation_size('public.hp_worker_log') > 2 * coalesce(hp_private.setting('logs_mb'), 50) * 1e6
  then
    perform hp_private.prune_logs(at);
  end if;
end
$$;

revoke all on function public.hp_worker_logs from public, anon, authenticated, service_role;
grant execute on function public.hp_worker_logs to authenticated, service_role;

comment on function public.hp_worker_logs is 'Last lines of a worker''s log, oldest first: {lines, more}. level: that and worse. before: an id. Errors: PT400 level, PT403 not a member.';

-- 20261122001600_history.sql
create table if not exists public.hp_worker_bucket (
  step_s integer not null,
  at timestamptz not null,
  block bigint not null,
  up_s integer[] not null,
  known_s integer[] not null,
  jobs integer[] not null,
  errors integer[] not null,
  cpu_mean smallint[] not null,
  cpu_max smallint[] not null,
  memory_mean smallint[] not null,
  memory_max smallint[] not null,
  lag_max smallint[] not null,
  jobs_done bigint not null default 0,
  constraint hp_worker_bucket_pkey primary key (block, step_s, at)
) partition by range (step_s, at);

alter table public.hp_worker_bucket
  alter column up_s set storage main, alter column known_s set storage main,
  alter column jobs set storage main, alter column errors set storage main,
  alter column cpu_mean set storage main, alter column cpu_max set storage main,
  alter column memory_mean set storage main, alter column memory_max set storage main,
  alter column lag_max set storage main;

alter table public.hp_worker_bucket enable row level security;

drop policy if exists "members read the history" on public.hp_worker_bucket;
create policy "members read the history" on public.hp_worker_bucket
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_worker_bucket;
create policy "only members, whatever else is allowed" on public.hp_worker_bucket as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_worker_bucket from anon, authenticated, service_role;
grant select on table public.hp_worker_bucket to authenticated, service_role;

comment on table public.hp_worker_bucket is 'History of workers by the minute, hour and day, 128 of them to a row: the worker with worker_id n is in the block n / 128, at place n % 128 + 1 of its arrays. hp_worker_history() reads it.';
comment on column public.hp_worker_bucket.step_s is 'Length of the step: 60, 3600 or 86400 seconds.';
comment on column public.hp_worker_bucket.at is 'When the step began; steps begin at whole minutes, hours and days of UTC.';
comment on column public.hp_worker_bucket.block is 'Which 128 workers: worker_id / 128.';
comment on column public.hp_worker_bucket.up_s is 'Seconds for which the worker was up; null where nothing is known.';
comment on column public.hp_worker_bucket.known_s is 'Seconds of which is known whether it was up; downtime that was meant is not among them.';
comment on column public.hp_worker_bucket.jobs is 'Jobs that were reported.';
comment on column public.hp_worker_bucket.errors is 'Errors that were reported.';
comment on column public.hp_worker_bucket.cpu_mean is 'CPU, mean of its beats, in tenths of a percent of one core; 3,276.7 % at most.';
comment on column public.hp_worker_bucket.cpu_max is 'The same, the highest.';
comment on column public.hp_worker_bucket.memory_mean is 'Memory, mean, in tenths of a percent of what it may use.';
comment on column public.hp_worker_bucket.memory_max is 'The same, the highest.';
comment on column public.hp_worker_bucket.lag_max is 'Event loop delay, the highest, in milliseconds; 32,767 at most.';
comment on column public.hp_worker_bucket.jobs_done is 'Jobs of all of these workers together.';

create table if not exists hp_private.history (
  id boolean not null default true
    constraint history_pkey primary key
    constraint history_id_check check (id),
  kept_since timestamptz,
  minutes_to timestamptz,
  counted_to timestamptz,
  hours_to timestamptz,
  days_to timestamptz,
  swept_at timestamptz,
  failed_at timestamptz,
  failure text
) with (fillfactor = 50);

insert into hp_private.history default values on conflict do nothing;

alter table hp_private.history enable row level security;

drop policy if exists "members see where the history stands" on hp_private.history;
create policy "members see where the history stands" on hp_private.history
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table hp_private.history from public, anon, authenticated, service_role;
grant select on table hp_private.history to authenticated, service_role;


create table if not exists hp_private.history_total (
  block bigint
    constraint history_total_pkey primary key,
  jobs bigint[] not null,
  errors bigint[] not null
) with (fillfactor = 50);

alter table hp_private.history_total enable row level security;

revoke all on table hp_private.history_total from public, anon, authenticated, service_role;


create table if not exists hp_private.history_sample (
  at timestamptz
    constraint history_sample_pkey primary key,
  worker_ids bigint[] not null,
  minutes integer[] not null,
  cpu real[] not null,
  memory real[] not null,
  lag real[] not null
);

alter table hp_private.history_sample enable row level security;

revoke all on table hp_private.history_sample from public, anon, authenticated, service_role;


insert into public.hp_setting (key, value, description) values
  ('history_minutes_hours', '48', 'Hours for which the history is kept by the minute.'),
  ('history_days', '90', 'Days for which the history is kept by the hour and day.'),
  ('history_max_mb', '150', 'Megabytes that the history may take; the oldest of it goes first.')
on conflict (key) do nothing;

create or replace function hp_private.history_partition(step_s integer, at timestamptz, out name text, out since timestamptz, out until timestamptz)
language plpgsql immutable set search_path = ''
as $$
declare
  v_span interval := case step_s when 60 then interval '6 hours' when 3600 then interval '7 days' end;
begin
  since := to_timestamp(floor(extract(epoch from at) / extract(epoch from v_span)) * extract(epoch from v_span));
  until := since + make_interval(secs => extract(epoch from v_span)::double precision);
  name := 'worker_bucket_' || step_s || '_' || to_char(since at time zone 'UTC', 'YYYYMMDDHH24');
end
$$;

do $$
begin
  if to_regclass('hp_private.worker_bucket_86400') is null then
    create table hp_private.worker_bucket_86400 partition of public.hp_worker_bucket
      for values from (86400, minvalue) to (86400, maxvalue);
  end if;
end
$$;

alter table hp_private.worker_bucket_86400 enable row level security;

revoke all on table hp_private.worker_bucket_86400 from public, anon, authenticated, service_role;


create or replace function hp_private.block_ends(block bigint, out hours_to timestamptz, out days_to timestamptz)
language plpgsql stable set search_path = ''
as $$
begin
  select greatest(h.hours_to, (select max(b.at) + interval '1 hour' from public.hp_worker_bucket b
      where b.block = block_ends.block and b.step_s = 3600 and b.at >= h.hours_to)),
    greatest(h.days_to, (select max(b.at) + interval '24 hours' from public.hp_worker_bucket b
      where b.block = block_ends.block and b.step_s = 86400 and b.at >= h.days_to))
  into hours_to, days_to
  from hp_private.history h;
end
$$;

create or replace function hp_private.worker_steps(worker_id bigint, step_s integer, since timestamptz, until timestamptz)
returns table (at timestamptz, up_s integer, known_s integer, jobs integer, errors integer,
  cpu_mean real, cpu_max real, memory_mean real, memory_max real, lag_max integer)
language plpgsql stable set search_path = ''
as $$
#variable_conflict use_column
declare
  v_block bigint := worker_steps.worker_id / 128;
  v_place integer := worker_steps.worker_id % 128 + 1;
  v_hours_to timestamptz := worker_steps.since;
  v_spread_to timestamptz;
begin
  if step_s = 3600 then
    v_hours_to := (hp_private.block_ends(v_block)).hours_to;
  elsif step_s = 300 then
    v_spread_to := date_bin('1 hour', coalesce((
      select min(b.at) from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 60 and b.at >= since and b.at < until), until), 'epoch');
  end if;
  return query
    select s.at, s.up_s, s.known_s, s.jobs, s.errors, (s.cpu_mean / 10.0)::real, (s.cpu_max / 10.0)::real,
      (s.memory_mean / 10.0)::real, (s.memory_max / 10.0)::real, s.lag_max::integer
    from (
      select b.at, b.up_s[v_place] as up_s, b.known_s[v_place] as known_s, b.jobs[v_place] as jobs, b.errors[v_place] as errors,
        b.cpu_mean[v_place] as cpu_mean, b.cpu_max[v_place] as cpu_max,
        b.memory_mean[v_place] as memory_mean, b.memory_max[v_place] as memory_max, b.lag_max[v_place] as lag_max
      from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 60 and b.at >= greatest(v_hours_to, since) and b.at < until
      union all
      select b.at, b.up_s[v_place], b.known_s[v_place], b.jobs[v_place], b.errors[v_place], b.cpu_mean[v_place],
        b.cpu_max[v_place], b.memory_mean[v_place], b.memory_max[v_place], b.lag_max[v_place]
      from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 3600 and b.at >= since and b.at < least(v_hours_to, until)
      union all
      select f.at, b.up_s[v_place] * (n + 1) / 12 - b.up_s[v_place] * n / 12,
        nullif(b.known_s[v_place] * (n + 1) / 12 - b.known_s[v_place] * n / 12, 0),
        (b.jobs[v_place]::bigint * (n + 1) / 12 - b.jobs[v_place]::bigint * n / 12)::integer,
        (b.errors[v_place]::bigint * (n + 1) / 12 - b.errors[v_place]::bigint * n / 12)::integer,
        b.cpu_mean[v_place], b.cpu_max[v_place], b.memory_mean[v_place], b.memory_max[v_place], b.lag_max[v_place]
      from public.hp_worker_bucket b cross join generate_series(0, 11) n
        cross join lateral (select b.at + n * interval '5 minutes' as at) f
      where b.block = v_block and b.step_s = 3600 and b.at > since - interval '1 hour' and b.at < v_spread_to
        and f.at >= since and f.at < until
    ) s where s.known_s is not null;
end
$$;

create or replace function hp_private.worker_days(worker_id bigint, at timestamptz)
returns table (day date, up_s bigint, known_s bigint)
language plpgsql stable set search_path = ''
as $$
#variable_conflict use_column
declare
  v_block bigint := worker_days.worker_id / 128;
  v_place integer := worker_days.worker_id % 128 + 1;
  v_since timestamptz := date_bin('1 day', worker_days.at, 'epoch') - 89 * interval '24 hours';
  v_ends record;
begin
  v_ends := hp_private.block_ends(v_block);
  return query
    select (s.at at time zone 'UTC')::date, sum(s.up_s)::bigint, sum(s.known_s)::bigint
    from (
      select b.at, b.up_s[v_place] as up_s, b.known_s[v_place] as known_s from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 86400 and b.at >= v_since and b.at < v_ends.days_to
      union all
      select b.at, b.up_s[v_place], b.known_s[v_place] from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 3600 and b.at >= greatest(v_since, v_ends.days_to) and b.at < v_ends.hours_to
      union all
      select b.at, b.up_s[v_place], b.known_s[v_place] from public.hp_worker_bucket b
      where b.block = v_block and b.step_s = 60 and b.at >= greatest(v_since, v_ends.hours_to) and b.at < worker_days.at
    ) s
    where s.known_s is not null group by 1;
end
$$;

create or replace function hp_private.uptime(worker_id bigint, at timestamptz, out uptime numeric, out uptime_days jsonb)
language sql stable set search_path = ''
as $$
  select case when sum(p.known_s) >= 3 * 3600 then trunc(100.0 * sum(least(p.up_s, p.known_s)) / sum(p.known_s), 2) end,
    jsonb_agg(trunc(100.0 * least(p.up_s, p.known_s) / nullif(p.known_s, 0), 2) order by d.n desc)
  from generate_series(0, 89) d (n)
    left join hp_private.worker_days(uptime.worker_id, uptime.at) p on p.day = (uptime.at at time zone 'UTC')::date - d.n
$$;

create or replace function hp_private.history_ends(at timestamptz) returns timestamptz
language sql stable set search_path = ''
return (
  select case when h.minutes_to = m.minute - interval '1 minute' then h.minutes_to else m.minute end
  from (select date_bin('1 minute', history_ends.at, 'epoch') as minute) m left join hp_private.history h on true
);

create or replace function hp_private.worker_history(worker_name text, range text, at timestamptz) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_worker_id bigint;
  v_step_s integer;
  v_count integer;
  v_from timestamptz;
  v_to timestamptz;
  v_today date := (at at time zone 'UTC')::date;
begin
  perform hp_private.require_member();
  select s.step_s, s.count into v_step_s, v_count
  from (values ('1h', 60, 60), ('24h', 300, 288), ('7d', 3600, 168), ('90d', 21600, 360)) s (range, step_s, count)
  where s.range = worker_history.range;
  if not found then
    raise exception 'range is %; it must be 1h, 24h, 7d or 90d', coalesce(left(range, 50), 'missing') using errcode = 'PT400';
  end if;
  select w.worker_id into v_worker_id from public.hp_worker_status w where w.worker_name = worker_history.worker_name;
  if not found then
    raise exception 'there is no worker named %', left(worker_name, 200) using errcode = 'PT404';
  end if;

  v_to := to_timestamp(ceil(extract(epoch from hp_private.history_ends(at)) / v_step_s) * v_step_s);
  v_from := v_to - make_interval(secs => v_step_s * v_count);
  return jsonb_build_object(
    'from', v_from, 'to', v_to, 'step_s', v_step_s,
    'points', (
      select jsonb_build_object(
        'at', jsonb_agg(t.second order by t.second),
        'up_s', jsonb_agg(p.up_s order by t.second), 'known_s', jsonb_agg(p.known_s order by t.second),
        'jobs', jsonb_agg(p.jobs order by t.second), 'errors', jsonb_agg(p.errors order by t.second),
        'cpu_mean', jsonb_agg(p.cpu_mean order by t.second), 'cpu_max', jsonb_agg(p.cpu_max order by t.second),
        'memory_mean', jsonb_agg(p.memory_mean order by t.second), 'memory_max', jsonb_agg(p.memory_max order by t.second),
        'lag_max', jsonb_agg(p.lag_max order by t.second))
      from generate_series(extract(epoch from v_from)::bigint, extract(epoch from v_to)::bigint - 1, v_step_s) t (second)
        left join (
          select floor(extract(epoch from s.at) / v_step_s)::bigint * v_step_s as second,
            sum(s.up_s) as up_s, sum(s.known_s) as known_s, sum(s.jobs) as jobs, sum(s.errors) as errors,
            round((sum(s.cpu_mean * s.up_s) / nullif(sum(s.up_s) filter (where s.cpu_mean is not null), 0))::numeric, 1) as cpu_mean,
            max(s.cpu_max) as cpu_max,
            round((sum(s.memory_mean * s.up_s) / nullif(sum(s.up_s) filter (where s.memory_mean is not null), 0))::numeric, 1) as memory_mean,
            max(s.memory_max) as memory_max, max(s.lag_max) as lag_max
          from hp_private.worker_steps(v_worker_id, least(v_step_s, 3600), v_from, v_to) s
          group by 1
        ) p on p.second = t.second),
    'days', (
      select jsonb_agg(jsonb_build_object('day', d.day, 'up_s', p.up_s, 'known_s', p.known_s) order by d.day)
      from (select v_today - n as day from generate_series(0, 89) n) d
        left join hp_private.worker_days(v_worker_id, at) p on p.day = d.day),
    'kept_since', (select h.kept_since from hp_private.history h),
    'failure', (select h.failure from hp_private.history h));
end
$$;

create or replace function hp_private.sparks(worker_ids bigint[], at timestamptz) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_to timestamptz := hp_private.history_ends(at);
begin
  perform hp_private.require_member();
  if worker_ids is null or cardinality(worker_ids) > 200 then
    raise exception 'worker_ids %; it must be an array of at most 200',
      case when worker_ids is null then 'is missing' else 'holds ' || cardinality(worker_ids) end using errcode = 'PT400';
  end if;
  return (
    with minute as materialized (
      select n as place, v_to - (60 - n) * interval '1 minute' as at from generate_series(0, 59) n
    ),
    worker as materialized (
      select distinct i.id, i.id / 128 as block, (i.id % 128 + 1)::integer as place from unnest(sparks.worker_ids) i (id) where i.id > 0
    ),
    bucket as materialized (
      select b.at, b.block, b.jobs[:] as jobs from public.hp_worker_bucket b
      where b.step_s = 60 and b.at >= v_to - interval '1 hour' and b.at < v_to
        and b.block = any (array(select distinct w.block from worker w))
    ),
    line as (
      select w.id, jsonb_agg(b.jobs[w.place] order by m.place) as jobs
      from worker w cross join minute m left join bucket b on b.block = w.block and b.at = m.at
      group by w.id
    )
    select jsonb_build_object(
      'at', (select jsonb_agg(extract(epoch from m.at)::bigint order by m.place) from minute m), 'step_s', 60,
      'jobs', (select coalesce(jsonb_object_agg(l.id, l.jobs), '{}') from line l)));
end
$$;

create or replace function hp_private.throughput(at timestamptz) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_to timestamptz := hp_private.history_ends(at);
begin
  perform hp_private.require_member();
  return (
    select jsonb_build_object('at', jsonb_agg(extract(epoch from m.at)::bigint order by m.at), 'step_s', 60,
      'jobs', jsonb_agg(b.jobs order by m.at))
    from (select v_to - n * interval '1 minute' as at from generate_series(1, 60) n) m
      left join (
        select b.at, sum(b.jobs_done) as jobs from public.hp_worker_bucket b
        where b.step_s = 60 and b.at >= v_to - interval '1 hour' and b.at < v_to group by b.at
      ) b on b.at = m.at);
end
$$;

create or replace function public.hp_worker_history(worker_name text, range text default '24h') returns jsonb
language sql stable set search_path = ''
return hp_private.worker_history(worker_name, range, now());

create or replace function public.hp_sparks(worker_ids bigint[]) returns jsonb
language sql stable set search_path = ''
return hp_private.sparks(worker_ids, now());

create or replace function public.hp_throughput() returns jsonb
language sql stable set search_path = ''
return hp_private.throughput(now());

revoke all on function
  public.hp_worker_history, public.hp_sparks, public.hp_throughput
from public, anon, authenticated, service_role;
grant execute on function
  hp_private.block_ends, hp_private.worker_steps, hp_private.worker_days, hp_private.history_ends,
  hp_private.worker_history, hp_private.sparks, hp_private.throughput, public.hp_worker_history, public.hp_sparks,
  public.hp_throughput
to authenticated, service_role;

comment on function public.hp_worker_history is 'One worker''s history over 1h, 24h, 7d or 90d, in columns, and its uptime on each of 90 days. Null where nothing is known. Errors: PT400 range, PT403 not a member, PT404 no such worker.';
comment on function public.hp_sparks is 'Jobs a minute of up to 200 workers, by worker_id, over the last hour. Errors: PT400 too many, PT403 not a member.';
comment on function public.hp_throughput is 'Jobs a minute of the whole fleet over the last hour. Errors: PT403 not a member.';

create or replace function hp_private.make_history_room(step_s integer, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part record;
begin
  if step_s = 86400 then
    return;
  end if;
  v_part := hp_private.history_partition(step_s, at);
  if to_regclass('hp_private.' || v_part.name) is not null then
    return;
  end if;
  execute format(
    'create table hp_private.%I (like public.hp_worker_bucket including defaults including indexes including storage including comments)',
    v_part.name);
  execute format('alter table hp_private.%I enable row level security', v_part.name);
  execute format('revoke all on table hp_private.%I from public, anon, authenticated, service_role', v_part.name);
  execute format('comment on table hp_private.%I is %L', v_part.name,
    case step_s when 60 then 'Six hours of minutes' else 'A week of hours' end || ' of hp_worker_bucket.');
  execute format('alter table public.hp_worker_bucket attach partition hp_private.%I for values from (%s, %L) to (%s, %L)',
    v_part.name, step_s, v_part.since, step_s, v_part.until);
end
$$;

create or replace function hp_private.sweep_history(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_minutes_from timestamptz := at - make_interval(hours => least(876000, coalesce(hp_private.setting('history_minutes_hours'), 48))::integer);
  v_days_from timestamptz := at - hp_private.setting_days('history_days', 90);
  v_most numeric := coalesce(hp_private.setting('history_max_mb'), 150) * 1048576;
  v_all numeric;
  v_minutes numeric;
  v_part record;
begin
  delete from public.hp_worker_bucket b where b.step_s = 86400 and b.at < v_days_from - interval '1 day';
  select coalesce(sum(pg_total_relation_size(i.inhrelid)), 0),
    coalesce(sum(pg_total_relation_size(i.inhrelid)) filter (where i.inhrelid::regclass::text like '%worker\_bucket\_60\_%'), 0)
  into v_all, v_minutes
  from pg_catalog.pg_inherits i where i.inhparent = 'public.hp_worker_bucket'::regclass;

  for v_part in
    select p.relname, p.step_s, p.since, p.until, p.bytes, p.newest
    from (
      select c.relname, n.step_s, n.since, s.until, pg_total_relation_size(c.oid) as bytes,
        n.since = max(n.since) over (partition by n.step_s) as newest
      from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
        cross join lateral (
          select split_part(c.relname, '_', 3)::integer as step_s,
            (left(split_part(c.relname, '_', 4), 8)::date
              + right(c.relname, 2)::integer * interval '1 hour') at time zone 'UTC' as since) n
        cross join lateral hp_private.history_partition(n.step_s, n.since) s
      where i.inhparent = 'public.hp_worker_bucket'::regclass and c.relname ~ '^worker_bucket_(60|3600)_\d{10}$'
    ) p
    order by p.step_s, p.since
  loop
    continue when v_part.newest;
    if v_part.until <= (case v_part.step_s when 60 then v_minutes_from else v_days_from end)
      or (v_all > v_most and (v_part.step_s = 3600 or v_minutes > v_most / 2))
    then
      execute format('drop table hp_private.%I', v_part.relname);
      v_all := v_all - v_part.bytes;
      v_minutes := v_minutes - case v_part.step_s when 60 then v_part.bytes else 0 end;
    end if;
  end loop;

  delete from hp_private.history_total t
  where not exists (select from public.hp_worker_status w where w.worker_id between t.block * 128 and t.block * 128 + 127);
end
$$;

create or replace function hp_private.monitored(since timestamptz, until timestamptz) returns tstzmultirange
language sql stable set search_path = ''
return (
  with event as (
    select e.at, e.id, e.from_value = 'monitoring' as before, e.to_value = 'monitoring' as after
    from public.hp_worker_event e where e.worker_name is null and e.type = 'monitor' and e.to_value <> 'failed' and e.at >= monitored.since
  ),
  change as (
    select monitored.since as at, 0 as id, coalesce(
      (select e.before from event e order by e.at, e.id limit 1),
      (select p.impaired_since is null or p.impaired_since >= monitored.since from hp_private.monitor p)) as watching
    union all
    select e.at, e.id, e.after from event e
  ),
  stretch as (
    select t.watching, t.at as since, lead(t.at, 1, monitored.until) over (order by t.at, t.id) as until from change t
  )
  select coalesce(range_agg(tstzrange(s.since, least(s.until, monitored.until))), '{}')
  from stretch s where s.watching and s.since < least(s.until, monitored.until)
);

create or replace function hp_private.seconds_of(stretches tstzmultirange) returns double precision
language sql immutable set search_path = ''
return (select coalesce(sum(extract(epoch from upper(s) - lower(s))), 0)::double precision from unnest(stretches) s);

create or replace function hp_private.phases(minute timestamptz, known tstzmultirange)
returns table (worker_name text, alive_s double precision, stopped_s double precision, crashed_s double precision)
language sql stable set search_path = ''
as $$
  with event as materialized (
    select e.worker_name, e.at, e.from_value, e.to_value, row_number() over way as number,
      lead(e.at, 1, 'infinity') over way as until
    from public.hp_worker_event e
    where e.type = 'status' and e.worker_name is not null and e.at >= phases.minute
    window way as (partition by e.worker_name order by e.at, e.id)
  ),
  phase as (
    select e.worker_name, e.from_value as status, '-infinity'::timestamptz as since, e.at as until from event e where e.number = 1
    union all
    select e.worker_name, e.to_value, e.at, e.until from event e
  ),
  spent as (
    select p.worker_name, p.status,
      extract(epoch from least(p.until, upper(k)) - greatest(p.since, lower(k)))::double precision as seconds
    from phase p join unnest(phases.known) k on p.since < upper(k) and p.until > lower(k)
    union all
    select p.worker_name, null, 0 from phase p where p.since = '-infinity'
  )
  select t.worker_name,
    coalesce(sum(t.seconds) filter (where t.status not in ('unknown', 'stopped', 'crashed')), 0),
    coalesce(sum(t.seconds) filter (where t.status = 'stopped'), 0),
    coalesce(sum(t.seconds) filter (where t.status = 'crashed'), 0)
  from spent t group by t.worker_name
$$;

create or replace function hp_private.sample_load(at timestamptz) returns void
language sql set search_path = ''
as $$
  insert into hp_private.history_sample (at, worker_ids, minutes, cpu, memory, lag)
  select sample_load.at, array_agg(l.worker_id), array_agg(l.minute), array_agg(l.cpu), array_agg(l.memory), array_agg(l.lag)
  from (
    select w.worker_id, floor(date_part('epoch', w.last_heartbeat) / 60)::integer as minute, w.cpu_percent as cpu,
      w.memory_percent as memory, w.event_loop_lag_ms as lag
    from public.hp_worker_status w
    where w.last_heartbeat <= sample_load.at and w.last_heartbeat
      > coalesce((select max(s.at) from hp_private.history_sample s), sample_load.at - interval '1 minute')
    offset 0
  ) l
  where l.cpu is not null
  having count(*) > 0
  on conflict do nothing
$$;

create or replace function hp_private.roll_minute(minute timestamptz, known tstzmultirange, counted_to timestamptz, until timestamptz)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_end timestamptz := minute + interval '1 minute';
  v_known_s double precision := hp_private.seconds_of(known);
  v_before double precision := case when until > v_end and until > counted_to
    then extract(epoch from v_end - counted_to) / extract(epoch from until - counted_to) else 1 end;
  v_within double precision := least(1, 60 / greatest(1, extract(epoch from v_end - counted_to)));
begin
  perform hp_private.make_history_room(60, minute);

  with total as materialized (
    select t.block * 128 + u.place - 1 as worker_id, u.jobs, u.errors
    from hp_private.history_total t cross join lateral unnest(t.jobs, t.errors) with ordinality u (jobs, errors, place)
  ),
  load as (
    select u.worker_id, avg(u.cpu) as cpu_mean, max(u.cpu) as cpu_max, avg(u.memory) as memory_mean, max(u.memory) as memory_max,
      max(u.lag) as lag_max
    from hp_private.history_sample s
      cross join lateral unnest(s.worker_ids, s.minutes, s.cpu, s.memory, s.lag) u (worker_id, minute, cpu, memory, lag)
    where s.at >= roll_minute.minute and u.minute = floor(extract(epoch from roll_minute.minute) / 60)::integer
    group by u.worker_id
  ),
  worker as materialized (
    select w.worker_id, w.jobs_processed, w.error_count,
      coalesce(l.cpu_mean, w.cpu_percent) as cpu_mean, coalesce(l.cpu_max, w.cpu_percent) as cpu_max,
      coalesce(l.memory_mean, w.memory_percent) as memory_mean, coalesce(l.memory_max, w.memory_percent) as memory_max,
      coalesce(l.lag_max, w.event_loop_lag_ms) as lag_max,
      s.up_s, s.up_s + case when s.meant then 0 else s.down_s end as known_s,
      w.jobs_processed - n.jobs as jobs_new, w.error_count - n.errors as errors_new,
      n.jobs as jobs_before, n.errors as errors_before
    from public.hp_worker_status w
      left join hp_private.phases(roll_minute.minute, roll_minute.known) p on p.worker_name = w.worker_name
      left join public.hp_worker_group g on g.worker_type = w.worker_type
      left join total t on t.worker_id = w.worker_id
      left join load l on l.worker_id = w.worker_id
      cross join lateral (
        select coalesce(t.jobs, b.nothing) as jobs, coalesce(t.errors, b.nothing) as errors
        from (select case when w.started_at >= roll_minute.counted_to - interval '10 minutes' then 0::bigint end as nothing) b) n
      cross join lateral (
        select
          coalesce(p.alive_s, case when w.status not in ('unknown', 'stopped', 'crashed') then v_known_s else 0 end) as alive_s,
          coalesce(p.stopped_s, case when w.status = 'stopped' then v_known_s else 0 end) as stopped_s,
          coalesce(p.crashed_s, case when w.status = 'crashed' then v_known_s else 0 end) as crashed_s,
          w.kind = 'scheduled' and (w.status <> 'stopped' or w.lease_expires_at is not null) as between_runs) f
      cross join lateral (
        select
          f.alive_s + case when f.between_runs then f.stopped_s else 0 end as up_s,
          f.crashed_s + case when f.between_runs or not w.expected then 0 else f.stopped_s end as down_s,
          coalesce(greatest(w.paused_until, g.paused_until) > roll_minute.minute, false) as meant) s
  ),
  told as (
    select w.worker_id, w.jobs_processed, w.error_count,
      k.up_s, k.known_s, w.jobs_new, w.errors_new, w.jobs_before, w.errors_before,
      case when k.up_s > 0 and w.cpu_mean is not null then least(round(w.cpu_mean * 10), 32767)::smallint end as cpu_mean,
      case when k.up_s > 0 and w.cpu_max is not null then least(round(w.cpu_max * 10), 32767)::smallint end as cpu_max,
      case when k.up_s > 0 and w.memory_mean is not null then least(round(w.memory_mean * 10), 32767)::smallint end as memory_mean,
      case when k.up_s > 0 and w.memory_max is not null then least(round(w.memory_max * 10), 32767)::smallint end as memory_max,
      case when k.up_s > 0 and w.lag_max is not null then least(round(w.lag_max), 32767)::smallint end as lag_max,
      case when k.known_s is not null and w.jobs_new >= 0 then round(w.jobs_new * v_before) end as jobs_due,
      case when k.known_s is not null and w.errors_new >= 0 then round(w.errors_new * v_before) end as errors_due
    from worker w
      cross join lateral (
        select case when round(w.known_s) > 0 then round(w.up_s)::integer end as up_s, nullif(round(w.known_s)::integer, 0) as known_s) k
  ),
  placed as materialized (
    select d.block, d.place, t.up_s, t.known_s, t.cpu_mean, t.cpu_max, t.memory_mean, t.memory_max, t.lag_max,
      case when t.jobs_due is not null then least(round(t.jobs_due * v_within), 2147483647)::integer end as jobs,
      case when t.errors_due is not null then least(round(t.errors_due * v_within), 2147483647)::integer end as errors,
      case when t.jobs_new >= 0 then t.jobs_before + coalesce(t.jobs_due, 0) else t.jobs_processed end::bigint as jobs_total,
      case when t.errors_new >= 0 then t.errors_before + coalesce(t.errors_due, 0) else t.error_count end::bigint as errors_total
    from (select b.block, p.place from (select distinct w.worker_id / 128 as block from worker w) b
        cross join generate_series(0, 127) p (place)) d
      left join told t on t.worker_id = d.block * 128 + d.place
    order by d.block, d.place
  ),
  bucket as (
    insert into public.hp_worker_bucket (step_s, at, block, up_s, known_s, jobs, errors,
      cpu_mean, cpu_max, memory_mean, memory_max, lag_max, jobs_done)
    select 60, roll_minute.minute, p.block, array_agg(p.up_s), array_agg(p.known_s), array_agg(p.jobs), array_agg(p.errors),
      array_agg(p.cpu_mean), array_agg(p.cpu_max), array_agg(p.memory_mean), array_agg(p.memory_max), array_agg(p.lag_max), coalesce(sum(p.jobs), 0)
    from placed p group by p.block having count(p.known_s) > 0
    on conflict do nothing
  )
  insert into hp_private.history_total as t (block, jobs, errors)
  select p.block, array_agg(p.jobs_total), array_agg(p.errors_total) from placed p group by p.block
  on conflict (block) do update set jobs = excluded.jobs, errors = excluded.errors;

  delete from hp_private.history_sample s where s.at < v_end;
end
$$;

create or replace function hp_private.roll_minutes(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_history hp_private.history;
  v_until timestamptz := date_bin('1 minute', at, 'epoch');
  v_minute timestamptz;
  v_known tstzmultirange;
  v_part tstzmultirange;
begin
  select * into v_history from hp_private.history;
  if v_history.minutes_to is null then
    insert into hp_private.history_total as t (block, jobs, errors)
    select d.block, array_agg(w.jobs_processed order by d.place), array_agg(w.error_count order by d.place)
    from (select b.block, p.place from (select distinct w.worker_id / 128 as block from public.hp_worker_status w) b
        cross join generate_series(0, 127) p (place)) d
      left join public.hp_worker_status w on w.worker_id = d.block * 128 + d.place
    group by d.block
    on conflict (block) do update set jobs = excluded.jobs, errors = excluded.errors;
    update hp_private.history h set kept_since = roll_minutes.at, minutes_to = v_until, counted_to = roll_minutes.at,
      hours_to = date_bin('1 hour', roll_minutes.at, 'epoch'), days_to = date_bin('1 day', roll_minutes.at, 'epoch')
    where h.id;
    return;
  end if;
  if v_history.minutes_to >= v_until then
    return;
  end if;

  v_minute := greatest(v_history.minutes_to, v_until - interval '1 hour');
  v_known := hp_private.monitored(greatest(v_minute, v_history.kept_since), v_until);
  for v_rolled in 1 .. 5 loop
    v_minute := date_bin('1 minute', lower(v_known * tstzmultirange(tstzrange(v_minute, v_until))), 'epoch');
    exit when v_minute is null;
    v_part := v_known * tstzmultirange(tstzrange(v_minute, v_minute + interval '1 minute'));
    perform hp_private.roll_minute(v_minute, v_part, v_history.counted_to, v_until);
    v_minute := v_minute + interval '1 minute';
    v_history.counted_to := v_minute;
    exit when v_minute >= v_until;
  end loop;
  update hp_private.history h set minutes_to = coalesce(v_minute, v_until), counted_to = v_history.counted_to where h.id;
end
$$;

create or replace function hp_private.pack_history(of_step_s integer, step_s integer, at timestamptz, block bigint) returns void
language plpgsql set search_path = ''
as $$
begin
  insert into public.hp_worker_bucket (step_s, at, block, up_s, known_s, jobs, errors,
    cpu_mean, cpu_max, memory_mean, memory_max, lag_max, jobs_done)
  select pack_history.step_s, pack_history.at, pack_history.block,
    array_agg(s.up_s), array_agg(s.known_s), array_agg(s.jobs), array_agg(s.errors),
    array_agg(s.cpu_mean), array_agg(s.cpu_max), array_agg(s.memory_mean), array_agg(s.memory_max), array_agg(s.lag_max),
    coalesce(sum(s.jobs), 0)
  from (
    select u.place, sum(u.up_s)::integer as up_s, sum(u.known_s)::integer as known_s,
      case when count(u.jobs) > 0 then least(sum(u.jobs), 2147483647)::integer end as jobs, case when count(u.errors) > 0 then least(sum(u.errors), 2147483647)::integer end as errors,
      round(sum(u.cpu_mean * u.up_s::numeric) / nullif(sum(u.up_s) filter (where u.cpu_mean is not null), 0))::smallint as cpu_mean,
      max(u.cpu_max) as cpu_max,
      round(sum(u.memory_mean * u.up_s::numeric) / nullif(sum(u.up_s) filter (where u.memory_mean is not null), 0))::smallint as memory_mean,
      max(u.memory_max) as memory_max, max(u.lag_max) as lag_max
    from public.hp_worker_bucket b
      cross join lateral unnest(b.up_s, b.known_s, b.jobs, b.errors, b.cpu_mean, b.cpu_max, b.memory_mean, b.memory_max, b.lag_max)
        with ordinality u (up_s, known_s, jobs, errors, cpu_mean, cpu_max, memory_mean, memory_max, lag_max, place)
    where b.block = pack_history.block and b.step_s = pack_history.of_step_s
      and b.at >= pack_history.at and b.at < pack_history.at + make_interval(secs => pack_history.step_s)
    group by u.place order by u.place
  ) s
  having count(s.known_s) > 0
  on conflict do nothing;
end
$$;

create or replace function hp_private.pack_step(of_step_s integer, step_s integer, at timestamptz, deadline timestamptz) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_block bigint;
begin
  perform hp_private.make_history_room(step_s, at);
  for v_block in
    select distinct b.block from public.hp_worker_bucket b
    where b.step_s = pack_step.of_step_s and b.at >= pack_step.at and b.at < pack_step.at + make_interval(secs => pack_step.step_s)
      and not exists (select from public.hp_worker_bucket p
        where p.block = b.block and p.step_s = pack_step.step_s and p.at = pack_step.at)
    order by b.block
  loop
    perform hp_private.pack_history(of_step_s, step_s, at, v_block);
    if clock_timestamp() > deadline then
      return false;
    end if;
  end loop;
  return true;
end
$$;

create or replace function hp_private.pack_steps() returns void
language plpgsql set search_path = ''
as $$
declare
  v_history hp_private.history;
  v_deadline timestamptz := clock_timestamp() + interval '40 milliseconds';
begin
  select * into v_history from hp_private.history;
  while v_history.hours_to + interval '1 hour' <= v_history.minutes_to and clock_timestamp() <= v_deadline loop
    exit when not hp_private.pack_step(60, 3600, v_history.hours_to, v_deadline);
    v_history.hours_to := v_history.hours_to + interval '1 hour';
  end loop;
  while v_history.days_to + interval '24 hours' <= v_history.hours_to and clock_timestamp() <= v_deadline loop
    exit when not hp_private.pack_step(3600, 86400, v_history.days_to, v_deadline);
    v_history.days_to := v_history.days_to + interval '24 hours';
  end loop;
  update hp_private.history h set hours_to = v_history.hours_to, days_to = v_history.days_to
  where h.id and (h.hours_to, h.days_to) is distinct from (v_history.hours_to, v_history.days_to);
end
$$;

create or replace function hp_private.keep_history(at timestamptz) returns void
language plpgsql set search_path = '' set lock_timeout = '100ms'
set jit = off
as $$
declare
  v_failure text;
begin
  begin
    perform hp_private.sample_load(at);
    perform hp_private.roll_minutes(at);
  exception when others then
    v_failure := left(sqlerrm, 500);
    raise warning 'minutes are not rolled up: %', sqlerrm;
  end;
  begin
    perform hp_private.pack_steps();
  exception when others then
    v_failure := coalesce(v_failure, left(sqlerrm, 500));
    raise warning 'hours and days are not made: %', sqlerrm;
  end;
  begin
    update hp_private.history h set swept_at = keep_history.at
    where h.id and (h.swept_at is null or h.swept_at <= keep_history.at - interval '10 minutes');
    if found then
      perform hp_private.sweep_history(at);
    end if;
  exception
    when lock_not_available then null;
    when others then
      v_failure := coalesce(v_failure, left(sqlerrm, 500));
      raise warning 'old history is not removed: %', sqlerrm;
  end;
  update hp_private.history h
  set failure = v_failure, failed_at = case when v_failure is not null then coalesce(h.failed_at, keep_history.at) end
  where h.id and (h.failure is distinct from v_failure);
end
$$;

-- 20261122001800_page.sql
create or replace function public.hp_fleet() returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  perform hp_private.require_member();
  return (
    select jsonb_build_object(
      'header', hp_private.fleet_header(now()),
      'workers', coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(s)) order by s.worker_name), '[]'),
      'groups', (
        select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(g)) order by g.worker_type), '[]')
        from hp_private.group_state g))
    from hp_private.worker_state s);
end
$$;

create or replace function public.hp_worker_page(worker_name text) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_most_beside constant integer := 20;
  v_worker public.hp_worker_status;
begin
  perform hp_private.require_member();
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
        from public.hp_worker_status w cross join hp_private.monitor p
        where w.worker_type = nullif(v_worker.worker_type, '')),
      'beside', (
        select coalesce(jsonb_agg(b.worker_name order by b.worker_name), '[]')
        from (
          select w.worker_name from public.hp_worker_status w cross join hp_private.monitor p
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
          select i.instance_id, i.epoch, i.status, i.started_at, i.hostname, i.pid, i.version, i.runtime, i.parts,
            greatest(i.counted_jobs, w.counted_jobs) as counted_jobs,
            greatest(i.counted_errors, w.counted_errors) as counted_errors,
            greatest(i.last_heartbeat, w.last_heartbeat) as last_heartbeat,
            i.lease_expires_at, i.registered_at, i.took_over_at, i.superseded_at, i.ended_at, i.last_exit
          from public.hp_worker_instance i
          left join public.hp_worker_status w on w.worker_name = i.worker_name and w.instance_id = i.instance_id
          where i.worker_name = v_worker.worker_name
          order by i.epoch desc limit 12) i)) end);
end
$$;

create table if not exists hp_private.followed_worker (
  worker_name text
    constraint followed_worker_pkey primary key,
  until timestamptz not null,
  log_id bigint not null default 0,
  sent_at timestamptz not null default '-infinity'
);

alter table hp_private.followed_worker enable row level security;

revoke all on table hp_private.followed_worker from public, anon, authenticated, service_role;


create or replace function public.hp_watch_worker(worker_name text) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_until constant timestamptz :=
    now() + make_interval(secs => coalesce(hp_private.setting('viewer_lasts_s'), 150)::double precision);
  v_worker public.hp_worker_status;
  v_before timestamptz;
  v_log_id bigint;
begin
  perform hp_private.require_member();
  select * into v_worker from public.hp_worker_status w where w.worker_name = hp_watch_worker.worker_name;
  if not found then
    raise exception 'there is no worker named %', left(hp_watch_worker.worker_name, 128) using errcode = 'PT404';
  end if;
  select f.until into v_before from hp_private.followed_worker f where f.worker_name = v_worker.worker_name;
  select coalesce(max(l.id), 0) into v_log_id from public.hp_worker_log l where l.worker_name = v_worker.worker_name;
  insert into hp_private.followed_worker as f (worker_name, until, log_id) values (v_worker.worker_name, v_until, v_log_id)
  on conflict on constraint followed_worker_pkey do update set until = excluded.until,
    log_id = case when f.until <= now() then excluded.log_id else f.log_id end;
  update hp_private.monitor p set followed_until = v_until where p.id;
  if coalesce(v_before, '-infinity') <= now() and v_worker.instance_id is not null
    and hp_private.instance_lease(v_worker.worker_name, v_worker.instance_id) > now()
  then
    perform realtime.send('{}', 'wake-up', 'hp:wake-up:' || v_worker.instance_id, true);
  end if;
  return jsonb_build_object('now', now(), 'viewed_until', v_until);
end
$$;

create or replace function hp_private.send_logs(names text[], at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_followed record;
  v_lines jsonb;
begin
  for v_followed in
    select f.worker_name, f.log_id, l.last_id
    from hp_private.followed_worker f
    cross join lateral (
      select max(k.id) as last_id from public.hp_worker_log k where k.worker_name = f.worker_name) l
    where f.until > at and f.sent_at <= at - interval '1 second' and l.last_id > f.log_id
      and (names is null or f.worker_name = any (names))
    order by f.worker_name for no key update of f skip locked
  loop
    exit when not hp_private.take_message('log',
      coalesce(hp_private.setting('activity_store'), 600)::double precision,
      1 / greatest(coalesce(hp_private.setting('activity_refill_s'), 10), 0.1)::double precision, '0', at);
    select jsonb_agg(jsonb_build_object('id', l.id, 'at', l.at, 'level', l.level, 'message', l.message,
        'instance_id', l.instance_id, 'line', l.line)
        || case when l.dropped > 0 then jsonb_build_object('dropped', l.dropped) else '{}' end order by l.id)
    into v_lines
    from (
      select k.* from public.hp_worker_log k
      where k.worker_name = v_followed.worker_name and k.id > v_followed.log_id order by k.id limit 101
    ) l;
    update hp_private.followed_worker f set log_id = v_followed.last_id, sent_at = at
    where f.worker_name = v_followed.worker_name;
    perform realtime.send(
      jsonb_build_object('after', v_followed.log_id, 'to', v_followed.last_id)
        || case
          when jsonb_array_length(v_lines) <= 100 and octet_length(v_lines::text) <= 4000
            then jsonb_build_object('lines', v_lines)
          else '{}'
        end,
      'log', 'hp:worker:' || v_followed.worker_name, true);
  end loop;
end
$$;

create or replace function hp_private.send_to_followers(worker_name text, event text, payload jsonb) returns void
language plpgsql set search_path = ''
as $$
begin
  if exists (select from hp_private.followed_worker f where f.worker_name = send_to_followers.worker_name and f.until > now())
    and hp_private.take_transition()
  then
    perform realtime.send(payload, event, 'hp:worker:' || send_to_followers.worker_name, true);
  end if;
end
$$;

create or replace function hp_private.tg_hp_worker_event__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.worker_name is not null and exists (select from hp_private.monitor p where p.followed_until > now()) then
    perform hp_private.send_to_followers(new.worker_name, 'event', jsonb_build_object('event', jsonb_strip_nulls(to_jsonb(new))));
  end if;
  return null;
end
$$;

create or replace function hp_private.tg_hp_worker_command__send() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.worker_name is not null and exists (select from hp_private.monitor p where p.followed_until > now()) then
    perform hp_private.send_to_followers(new.worker_name, 'command',
      jsonb_build_object('command', hp_private.command_state(new, null) - 'requested_by'));
  end if;
  return null;
end
$$;

create or replace trigger _900_send after insert on public.hp_worker_event
  for each row execute function hp_private.tg_hp_worker_event__send();
create or replace trigger _900_send_requested after insert on public.hp_worker_command
  for each row execute function hp_private.tg_hp_worker_command__send();
create or replace trigger _900_send_moved after update on public.hp_worker_command
  for each row when (old.state is distinct from new.state or old.instance_ended_at is distinct from new.instance_ended_at)
  execute function hp_private.tg_hp_worker_command__send();

create or replace function hp_private.answer_followed(
  beats hp_private.beat[], answers jsonb[], every_s double precision, at timestamptz
) returns jsonb[]
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
begin
  for v_place in
    select b.ordinality from unnest(beats) with ordinality b
    join hp_private.followed_worker f on f.worker_name = b.worker_name and f.until > answer_followed.at
    where (answer_followed.answers[b.ordinality] ->> 'ok')::boolean
  loop
    answers[v_place] := answers[v_place] || jsonb_build_object('logs_every_s', every_s);
  end loop;
  return answers;
end
$$;

create or replace function hp_private.follow_workers(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.send_logs(null, at);
  delete from hp_private.followed_worker f where f.until <= at - interval '1 hour';
end
$$;

create or replace function hp_private.cron_job() returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_job jsonb;
begin
  if to_regclass('cron.job') is not null then
    begin
      execute $query$
        select jsonb_build_object('schedule', j.schedule, 'active', j.active, 'last_run', (
          select jsonb_build_object('status', d.status, 'message', left(d.return_message, 500))
          from cron.job_run_details d where d.jobid = j.jobid and d.end_time is not null order by d.runid desc limit 1))
        from cron.job j where j.jobname = 'lastseen-tick'
      $query$ into v_job;
    exception when others then
      v_job := jsonb_build_object('error', sqlerrm);
    end;
  end if;
  return v_job;
end
$$;

create or replace function hp_private.object_rights() returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_object_agg(o.name, o.rights) from (
    select n.nspname || '.' || p.proname as name, (
      select coalesce(jsonb_agg(distinct coalesce(nullif(a.grantee, 0)::regrole::text, 'public') || ' execute'), '[]')
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> p.proowner) as rights
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'hp_private' or (n.nspname = 'public' and p.proname like 'hp\_%')
    union all
    select n.nspname || '.' || c.relname, (
      select coalesce(jsonb_agg(distinct g.role || ' ' || lower(g.privilege)), '[]')
      from (
        select coalesce(nullif(a.grantee, 0)::regrole::text, 'public') as role, a.privilege_type as privilege
        from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a where a.grantee <> c.relowner
        union all
        select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), a.privilege_type
        from pg_catalog.pg_attribute t cross join lateral aclexplode(t.attacl) a
        where t.attrelid = c.oid and a.grantee <> c.relowner
          and a.grantee::regrole::text not in ('authenticated', 'service_role')
      ) g)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v') and not c.relispartition and (n.nspname = 'hp_private' or (n.nspname = 'public' and c.relname like 'hp\_%'))
  ) o
$$;

create or replace function public.hp_diagnosis() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return jsonb_build_object(
    'now', clock_timestamp(),
    'server_version', current_setting('server_version'),
    'cron', jsonb_build_object(
      'available', exists (select from pg_catalog.pg_available_extensions e where e.name = 'pg_cron'),
      'job', hp_private.cron_job()),
    'tick', (
      select jsonb_build_object('age_s', extract(epoch from clock_timestamp() - p.tick_at),
        'every_s', hp_private.setting('tick_every_s'), 'impaired_since', p.impaired_since)
      from hp_private.monitor p),
    'history', (
      select jsonb_build_object('failed_since', h.failed_at, 'failure', h.failure) from hp_private.history h),
    'digest_every_s', hp_private.setting('digest_every_s'),
    'objects', hp_private.object_rights(),
    'unguarded', (
      select coalesce(jsonb_agg(c.relname order by c.relname), '[]')
      from pg_catalog.pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname like 'hp\_%' and not c.relrowsecurity),
    'policies', (
      select coalesce(jsonb_agg(p.policyname order by p.policyname), '[]') from pg_catalog.pg_policies p
      where p.schemaname = 'realtime' and p.tablename = 'messages'),
    'table_policies', (
      select coalesce(jsonb_agg(jsonb_build_array(p.schemaname || '.' || p.tablename, p.policyname)
        order by p.tablename, p.policyname), '[]')
      from pg_catalog.pg_policies p
      where p.schemaname = 'hp_private' or (p.schemaname = 'public' and p.tablename like 'hp\_%')),
    'members', (select count(*) from public.hp_member),
    'owners', (select count(*) from public.hp_member m where m.role = 'owner'),
    'tokens', (
      select jsonb_build_object(
        'valid', count(*) filter (where t.revoked_at is null and (t.expires_at > now()) is not false),
        'ending', coalesce(jsonb_agg(t.label order by t.label) filter (
          where t.revoked_at is null and t.expires_at between now() and now() + interval '14 days'), '[]'),
        'refused', coalesce(jsonb_agg(jsonb_build_array(t.label, t.refused_why) order by t.refused_at desc) filter (
          where t.refused_at > now() - interval '1 day'), '[]'))
      from public.hp_worker_token t),
    'workers', (
      select jsonb_build_object(
        'all', count(*),
        'never_reported', coalesce(jsonb_agg(w.worker_name order by w.worker_name)
          filter (where w.last_heartbeat is null and w.expected), '[]'),
        'conflicts', coalesce(jsonb_agg(w.worker_name order by w.worker_name) filter (where w.name_conflict_since is not null), '[]'),
        'skewed', coalesce(jsonb_agg(jsonb_build_array(w.worker_name, w.clock_skew_ms) order by w.worker_name)
          filter (where abs(w.clock_skew_ms) > 30000 and w.last_heartbeat > now() - interval '1 day'), '[]'))
      from public.hp_worker_status w));
end
$$;

revoke all on function
  public.hp_fleet, public.hp_worker_page, public.hp_watch_worker, public.hp_diagnosis
from public, anon, authenticated, service_role;
grant execute on function public.hp_fleet, public.hp_worker_page, public.hp_watch_worker to authenticated, service_role;
grant execute on function public.hp_diagnosis to service_role;

comment on function public.hp_fleet is 'Snapshot of the fleet: header, workers and groups, from one instant. Errors: PT403 not a member.';
comment on function public.hp_worker_page is 'One worker at one instant: header, it and those of its group, and what only its own page shows. Errors: PT403 not a member.';
comment on function public.hp_watch_worker is 'Follows a worker for 150 s: messages on its channel flow only then. Call once a minute. Errors: PT403 not a member, PT404 no such worker.';
comment on function public.hp_diagnosis is 'Facts about this installation for npm run doctor: objects and their rights, the tick, pg_cron, members, workers in doubt. Changes nothing.';

-- 20261122001900_public_page.sql
insert into public.hp_setting (key, value, description) values
  ('public_page', 'false', 'Whether anyone may see the status of workers marked public: true or false.'),
  ('frame_ancestors', '"''self''"', 'Which sites may embed the status line: sources of the directive frame-ancestors, as text.')
on conflict (key) do nothing;

create or replace function hp_private.public_words(rule text, kind text) returns text
language sql immutable set search_path = ''
return case rule
  when 'fine' then case when kind = 'scheduled' then 'on schedule' else 'running' end
  when 'paused' then 'paused'
  when 'stopped' then 'stopped'
  when 'stopped-but-expected' then 'stopped'
  when 'never-reported' then 'never reported'
  when 'not-monitored' then 'not monitored'
  when 'crashed' then 'not running'
  when 'silent' then 'no signal'
  when 'late' then 'signal is late'
  when 'breaker-open' then 'failing'
  when 'breaker-half-open' then 'recovering'
  when 'error' then 'failing'
  when 'run-errors' then 'failing'
  when 'stuck' then 'stuck'
  when 'run-late' then 'slow'
  when 'event-loop' then 'slow'
  when 'draining' then 'paused'
  when 'no-run-yet' then 'starting'
  when 'starting' then 'starting'
  when 'stopping' then 'stopping'
  when 'overdue' then 'overdue'
  when 'due' then 'due'
  when 'not-scheduled' then 'not scheduled'
  else 'unknown'
end;

create or replace function public.hp_public_status() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  if (select s.value from public.hp_setting s where s.key = 'public_page') is distinct from 'true'::jsonb then
    return null;
  end if;
  return jsonb_build_object('now', now(), 'workers', (
    select coalesce(jsonb_agg(jsonb_build_object('name', w.worker_name, 'level', h.level,
      'words', hp_private.public_words(h.rule, w.kind), 'last_seen', w.last_heartbeat,
        'uptime', u.uptime, 'uptime_days', u.uptime_days) order by w.worker_name), '[]')
    from public.hp_worker_status w
      cross join hp_private.monitor p
      left join public.hp_worker_group g on g.worker_type = w.worker_type
      cross join lateral hp_private.worker_health(
        w, now(), p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h
      cross join lateral hp_private.uptime(w.worker_id, now()) u
    where w.is_public));
end
$$;

create or replace function public.hp_set_public_page(shown boolean, workers text[]) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.require_owner('change the public page');
  if hp_set_public_page.shown is null or hp_set_public_page.workers is null then
    raise exception '% is missing', case when hp_set_public_page.shown is null then 'shown' else 'workers' end
      using errcode = 'PT400';
  end if;

  insert into public.hp_setting as s (key, value) values ('public_page', to_jsonb(hp_set_public_page.shown))
  on conflict (key) do update set value = excluded.value, updated_at = now()
  where s.value is distinct from excluded.value;

  perform from public.hp_worker_status w
  where w.is_public <> (w.worker_name = any (hp_set_public_page.workers))
  order by w.worker_name for update;
  update public.hp_worker_status w set is_public = not w.is_public
  where w.is_public <> (w.worker_name = any (hp_set_public_page.workers));
end
$$;

create table if not exists public.hp_embed_key (
  key_hash bytea
    constraint hp_embed_key_pkey primary key
    constraint hp_embed_key_key_hash_check check (octet_length(key_hash) = 32),
  id uuid not null default gen_random_uuid()
    constraint hp_embed_key_id_key unique,
  label text not null
    constraint hp_embed_key_label_check check (char_length(label) between 1 and 100),
  created_at timestamptz not null default now(),
  last_used_at timestamptz
);

alter table public.hp_embed_key enable row level security;

drop policy if exists "owners see the embed keys" on public.hp_embed_key;
create policy "owners see the embed keys" on public.hp_embed_key
  for select to authenticated using ((select hp_private.member_role()) = 'owner');

drop policy if exists "only owners, whatever else is allowed" on public.hp_embed_key;
create policy "only owners, whatever else is allowed" on public.hp_embed_key as restrictive
  for all to public using ((select hp_private.member_role()) = 'owner');

revoke all on table public.hp_embed_key from anon, authenticated, service_role;
grant select (id, label, created_at, last_used_at) on table public.hp_embed_key to authenticated, service_role;

comment on table public.hp_embed_key is 'Keys that let a page embed the status line. A revoked one is gone.';
comment on column public.hp_embed_key.key_hash is 'SHA-256 of the key.';
comment on column public.hp_embed_key.id is 'By which it is revoked.';
comment on column public.hp_embed_key.label is 'Where it is used.';
comment on column public.hp_embed_key.created_at is 'When it was made.';
comment on column public.hp_embed_key.last_used_at is 'When it was last used, to the minute.';

create or replace function hp_private.bar(at timestamptz) returns jsonb
language sql stable set search_path = ''
return (
  select jsonb_build_object(
    'header', hp_private.fleet_header(bar.at),
    'frame_ancestors', (select s.value #>> '{}' from public.hp_setting s where s.key = 'frame_ancestors'),
    'groups', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('worker_type', g.worker_type, 'desired', g.desired,
        'minimum', g.minimum, 'paused_until', g.paused_until, 'revision', g.revision)) order by g.worker_type), '[]')
      from public.hp_worker_group g),
    'workers', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'worker_id', w.worker_id, 'worker_name', w.worker_name, 'worker_type', w.worker_type, 'kind', w.kind,
        'expected', w.expected, 'paused_until', w.paused_until, 'started_at', w.started_at,
        'status', w.status, 'status_since', w.status_since, 'last_heartbeat', w.last_heartbeat,
        'heartbeat_interval_s', w.heartbeat_interval_s, 'late_after_intervals', w.late_after_intervals,
        'lost_after_intervals', w.lost_after_intervals, 'lease_expires_at', w.lease_expires_at, 'revision', w.revision,
        'last_exit', case when w.last_exit is not null then '{}'::jsonb end,
        'jobs_active', w.jobs_active, 'draining', nullif(w.draining, false),
        'poll_interval_s', w.poll_interval_s, 'last_run_at', w.last_run_at,
        'processed_count', w.processed_count, 'last_run_errors', w.last_run_errors, 'next_run_at', w.next_run_at,
        'grace_s', w.grace_s, 'max_run_s', w.max_run_s, 'circuit_breaker_open', w.circuit_breaker_open,
        'circuit_breaker_state', w.circuit_breaker_state, 'circuit_breaker_failures', w.circuit_breaker_failures,
        'event_loop_blocked_ms', w.event_loop_blocked_ms)) order by w.worker_name), '[]')
      from public.hp_worker_status w))
);

create or replace function public.hp_bar(embed_key text default null) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_hash constant bytea := sha256(convert_to(hp_bar.embed_key, 'UTF8'));
begin
  if hp_bar.embed_key is not null then
    if not exists (select from public.hp_embed_key k where k.key_hash = v_hash) then
      raise exception 'there is no such embed key; it may have been revoked' using errcode = 'PT401';
    end if;
    update public.hp_embed_key k set last_used_at = now()
    where k.key_hash = (
      select u.key_hash from public.hp_embed_key u
      where u.key_hash = v_hash and (u.last_used_at is null or u.last_used_at < now() - interval '1 minute')
      for update skip locked);
  elsif auth.role() = 'anon' then
    raise exception 'neither a session nor an embed key' using errcode = 'PT401';
  else
    perform hp_private.require_member();
  end if;
  return hp_private.bar(now());
end
$$;

create or replace function public.hp_create_embed_key(label text) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_label constant text := trim(hp_create_embed_key.label);
  v_key constant text := 'lsb_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  v_id uuid;
begin
  perform hp_private.require_owner('make embed keys');
  if coalesce(char_length(v_label), 0) not between 1 and 100 then
    raise exception 'label is % characters long; 1 to 100', coalesce(char_length(v_label), 0) using errcode = 'PT400';
  end if;
  insert into public.hp_embed_key (key_hash, label) values (sha256(convert_to(v_key, 'UTF8')), v_label)
  returning id into v_id;
  return jsonb_build_object('id', v_id, 'label', v_label, 'key', v_key);
end
$$;

create or replace function public.hp_revoke_embed_key(id uuid) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.require_owner('revoke embed keys');
  delete from public.hp_embed_key k where k.id = hp_revoke_embed_key.id;
  return found;
end
$$;

create or replace function public.hp_set_frame_ancestors(sources text) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_sources constant text[] := regexp_split_to_array(trim(hp_set_frame_ancestors.sources), '\s+');
  v_wrong text;
begin
  perform hp_private.require_owner('say who embeds the status line');
  if coalesce(cardinality(v_sources), 0) not between 1 and 20 or char_length(hp_set_frame_ancestors.sources) > 2000 then
    raise exception 'sources must be 1 to 20, with spaces between them' using errcode = 'PT400';
  end if;
  select s into v_wrong from unnest(v_sources) s
  where s !~ '^(''self''|https?://(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?)$'
    and not (s = '''none''' and cardinality(v_sources) = 1)
  limit 1;
  if v_wrong is not null then
    raise exception 'sources has %, which is neither ''self'' nor like https://app.example.com', left(v_wrong, 100)
      using errcode = 'PT400';
  end if;
  insert into public.hp_setting as s (key, value)
  values ('frame_ancestors', to_jsonb(array_to_string(v_sources, ' ')))
  on conflict (key) do update set value = excluded.value, updated_at = now();
end
$$;

revoke all on function
  public.hp_public_status, public.hp_set_public_page, public.hp_bar, public.hp_create_embed_key,
  public.hp_revoke_embed_key, public.hp_set_frame_ancestors
from public, anon, authenticated, service_role;
grant execute on function public.hp_public_status, public.hp_bar to anon, authenticated, service_role;
grant execute on function
  public.hp_set_public_page, public.hp_create_embed_key, public.hp_revoke_embed_key, public.hp_set_frame_ancestors
to authenticated, service_role;

comment on function public.hp_public_status is 'Name, level, words, last_seen and uptime of the workers marked public; null while the public page is off. Anyone may ask.';
comment on function public.hp_set_public_page is 'Shows or hides the public page, and marks exactly these workers public. Errors: PT400 null, PT403 not an owner.';
comment on function public.hp_bar is 'What the status line is computed from, for a member or the holder of an embed key. Errors: PT401 no such key, PT403 not a member.';
comment on function public.hp_create_embed_key is 'Makes a key for the status line and returns it, this once. Errors: PT400 label, PT403 not an owner.';
comment on function public.hp_revoke_embed_key is 'Removes a key for the status line; whether there was one. Errors: PT403 not an owner.';
comment on function public.hp_set_frame_ancestors is 'Sets which sites may embed the status line. Errors: PT400 sources, PT403 not an owner.';

-- 20261122002000_apply_beats.sql
insert into public.hp_setting (key, value, description) values
  ('beats_per_second', '200', 'Beats a second that the whole fleet may send, activity included.')
on conflict (key) do nothing;

create or replace function hp_private.stretch_step(needed double precision, present double precision) returns double precision
language plpgsql immutable set search_path = ''
as $$
declare
  v_needed double precision := greatest(1, case when needed <= present then least(present, needed * 1.1) else needed end);
  v_step double precision := power(2, floor(ln(v_needed) / ln(2::double precision))) / 4;
begin
  return ceil(v_needed / v_step) * v_step;
end
$$;

create or replace function hp_private.pace_fleet(
  present double precision, live_workers integer, load double precision,
  out stretch double precision, out activity_every_s double precision
)
language plpgsql stable set search_path = ''
as $$
declare
  v_most constant double precision := coalesce(nullif(hp_private.setting('beats_per_second'), 0), 200);
begin
  stretch := hp_private.stretch_step(load / v_most, coalesce(present, 1));
  activity_every_s := least(3600, greatest(1, live_workers / greatest(v_most - load / stretch, v_most / 100)));
end
$$;

create or replace function hp_private.answered_interval(
  stretch double precision, override_s double precision, group_intervals jsonb, worker_type text, wanted_s double precision
) returns double precision
language plpgsql immutable set search_path = ''
as $$
begin
  return least(3600, stretch * coalesce(override_s, (group_intervals ->> worker_type)::double precision, wanted_s));
end
$$;

create or replace function hp_private.next_due(before timestamptz, in_ms bigint, at timestamptz) returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return case in_ms when 0 then least(before, at) else coalesce(at + make_interval(secs => in_ms / 1000.0), before) end;
end
$$;

create or replace function hp_private.apply_steady(
  beats hp_private.beat[], answers jsonb[], at timestamptz, stretch double precision, group_intervals jsonb, names_like text
)
returns jsonb[]
language plpgsql set search_path = '' set application_name = 'lastseen own write'
set plan_cache_mode = 'force_generic_plan' set jit = 'off'
set enable_seqscan = 'off' set enable_hashjoin = 'off' set enable_mergejoin = 'off'
as $$
#variable_conflict use_column
declare
  v_answers jsonb[] := coalesce(answers, array_fill(null::jsonb, array[cardinality(beats)]));
  v_place bigint;
  v_answer jsonb;
begin
  for v_place, v_answer in update public.hp_worker_status w set
    sequence = b.sequence,
    last_heartbeat = greatest(w.last_heartbeat, apply_steady.at),
    lease_expires_at = apply_steady.at + make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s),
    clock_skew_ms = coalesce(round(b.sent_at_ms - date_part('epoch', apply_steady.at) * 1000), w.clock_skew_ms),
    jobs_processed = least(9007199254740991, w.jobs_processed + greatest(w.counted_jobs, b.jobs_total) - w.counted_jobs),
    error_count = least(9007199254740991, w.error_count + greatest(w.counted_errors, b.errors_total) - w.counted_errors),
    counted_jobs = greatest(w.counted_jobs, b.jobs_total),
    counted_errors = greatest(w.counted_errors, b.errors_total),
    jobs_active = coalesce(b.jobs_active, 0),
    status_updated_at = case when b.jobs_total > w.counted_jobs or b.errors_total > w.counted_errors
      then greatest(w.status_updated_at, apply_steady.at - b.status_age_ms * interval '1 millisecond') else w.status_updated_at end,
    last_run_at = coalesce(apply_steady.at - b.last_run_age_ms * interval '1 millisecond', w.last_run_at),
    last_run_duration_ms = coalesce(b.last_run_duration_ms, w.last_run_duration_ms),
    processed_count = coalesce(b.processed_count, w.processed_count),
    last_run_errors = coalesce(b.last_run_errors, w.last_run_errors),
    cpu_percent = coalesce(b.cpu_percent, w.cpu_percent),
    memory_percent = coalesce(b.memory_percent, w.memory_percent),
    memory_rss_bytes = coalesce(b.memory_rss_bytes, w.memory_rss_bytes),
    event_loop_lag_ms = coalesce(b.event_loop_lag_ms, w.event_loop_lag_ms),
    event_loop_blocked_ms = b.event_loop_blocked_ms
  from unnest(apply_steady.beats) with ordinality as b
  where w.worker_name = b.worker_name and w.instance_id = b.instance_id and b.sequence > w.sequence
    and w.status = b.status and w.status not in ('unknown', 'stopped', 'crashed') and w.kind = 'resident'
    and (w.status_reason, w.current_status, w.current_job_id, w.current_job_type)
      is not distinct from (b.status_reason, b.current_status, b.current_job_id, b.current_job_type)
    and w.heartbeat_interval_s = greatest(b.heartbeat_interval_s, least(3600, apply_steady.stretch * coalesce(
      w.interval_override_s, (apply_steady.group_intervals ->> w.worker_type)::double precision, w.requested_interval_s)))
    and num_nonnulls(b.requested_interval_s, b.worker_type, b.description, b.version, b.kind, b.hostname, b.pid, b.runtime, b.parts,
      b.next_run_in_ms, b.schedule, b.grace_s, b.max_run_s, b.last_exit, b.circuit_breaker_opened_age_ms,
      b.circuit_breaker_retry_in_ms, b.circuit_breaker_reason, w.circuit_breaker_reason) = 0
    and w.draining = coalesce(b.draining, false)
    and w.circuit_breaker_state = 'closed' and coalesce(b.circuit_breaker_state, 'closed') = 'closed'
    and w.circuit_breaker_failures = coalesce(b.circuit_breaker_failures, w.circuit_breaker_failures)
    and w.circuit_breaker_threshold = coalesce(b.circuit_breaker_threshold, w.circuit_breaker_threshold)
    and (b.poll_interval_s is null or w.poll_interval_s = b.poll_interval_s)
    and (b.last_error is null or (w.last_error = b.last_error
      and abs(date_part('epoch', apply_steady.at - w.last_error_at) * 1000 - coalesce(b.last_error_age_ms, 0)) <= 2000))
    and (b.metadata is null or w.metadata = b.metadata)
    and (greatest(w.cpu_percent, b.cpu_percent, w.memory_percent, b.memory_percent) <= 80) is not false
    and (greatest(w.event_loop_blocked_ms, b.event_loop_blocked_ms) <= 1000) is not false
    and num_nulls(w.cpu_percent, w.memory_percent, w.event_loop_blocked_ms)
      = num_nulls(b.cpu_percent, b.memory_percent, b.event_loop_blocked_ms)
    and least(b.heartbeat_interval_s, b.sequence) >= 1
    and (least(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.jobs_active, b.uptime_ms, b.status_age_ms,
      b.last_run_age_ms, b.last_run_duration_ms, b.processed_count, b.last_run_errors, b.last_error_age_ms,
      b.memory_rss_bytes, b.event_loop_blocked_ms, b.epoch, b.logs_dropped) < 0) is not true
    and (least(b.cpu_percent, b.memory_percent, b.event_loop_lag_ms) < 0) is not true
    and (b.event_loop_lag_ms < 'infinity') is not false and (abs(b.sent_at_ms) <= 8640000000000000) is not false
    and (greatest(b.uptime_ms, b.status_age_ms, b.last_run_age_ms, b.last_run_duration_ms, b.last_error_age_ms)
      > 315360000000) is not true
    and (greatest(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.logs_dropped) > 1000000000000000) is not true
    and (cardinality(b.leases) > 1000) is not true
    and (b.worker_name like apply_steady.names_like) is not false
  returning b.ordinality, jsonb_build_object(
    'worker_name', w.worker_name, 'ok', true, 'epoch', w.epoch, 'current', true, 'sequence', w.sequence,
    'counted_jobs', w.counted_jobs, 'counted_errors', w.counted_errors, 'interval_s', least(3600, apply_steady.stretch * coalesce(
      w.interval_override_s, (apply_steady.group_intervals ->> w.worker_type)::double precision, w.requested_interval_s)))
  loop
    v_answers[v_place] := v_answer;
  end loop;
  return v_answers;
end
$$;

create or replace function hp_private.apply_beats(
  beats hp_private.beat[], at timestamptz, stretch double precision, group_intervals jsonb
)
returns table (place bigint, answer jsonb)
language plpgsql set search_path = '' set application_name = 'lastseen own write'
set plan_cache_mode = 'force_generic_plan' set jit = 'off'
set enable_seqscan = 'off' set enable_hashjoin = 'off' set enable_mergejoin = 'off'
as $$
#variable_conflict use_column
begin
  return query update public.hp_worker_status w set
    sequence = b.sequence,
    status = b.status,
    status_since = case when w.status = b.status then w.status_since else apply_beats.at end,
    status_reason = b.status_reason,
    last_heartbeat = greatest(w.last_heartbeat, apply_beats.at),
    heartbeat_interval_s = greatest(b.heartbeat_interval_s, hp_private.answered_interval(apply_beats.stretch, w.interval_override_s,
      apply_beats.group_intervals, coalesce(b.worker_type, w.worker_type),
      coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s))),
    requested_interval_s = coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s),
    lease_expires_at = hp_private.lease_end(coalesce(b.kind, w.kind), b.status, apply_beats.at,
      w.lost_after_intervals * greatest(b.heartbeat_interval_s, hp_private.answered_interval(apply_beats.stretch,
        w.interval_override_s, apply_beats.group_intervals, coalesce(b.worker_type, w.worker_type),
        coalesce(b.requested_interval_s, w.requested_interval_s, b.heartbeat_interval_s, w.heartbeat_interval_s))),
      hp_private.next_due(w.next_run_at, b.next_run_in_ms, apply_beats.at),
      coalesce(b.grace_s, w.grace_s), coalesce(b.max_run_s, w.max_run_s), case
        when w.status in ('starting', 'processing', 'running', 'stopping') and (b.last_run_age_ms is null
          or apply_beats.at - make_interval(secs => b.last_run_age_ms / 1000.0 + 2) <= w.last_run_at) then w.lease_expires_at
      end),
    clock_skew_ms = coalesce(round(b.sent_at_ms - extract(epoch from apply_beats.at)::double precision * 1000), w.clock_skew_ms),
    worker_type = coalesce(b.worker_type, w.worker_type),
    description = coalesce(b.description, w.description),
    version = coalesce(b.version, w.version),
    kind = coalesce(b.kind, w.kind),
    hostname = coalesce(b.hostname, w.hostname),
    pid = coalesce(b.pid, w.pid),
    runtime = coalesce(b.runtime, w.runtime),
    parts = coalesce(b.parts::text[], w.parts),
    jobs_processed = least(9007199254740991, w.jobs_processed + greatest(0, coalesce(b.jobs_total, 0) - w.counted_jobs)),
    error_count = least(9007199254740991, w.error_count + greatest(0, coalesce(b.errors_total, 0) - w.counted_errors)),
    counted_jobs = greatest(w.counted_jobs, b.jobs_total),
    counted_errors = greatest(w.counted_errors, b.errors_total),
    draining = coalesce(b.draining, false) and b.status not in ('stopped', 'crashed'),
    jobs_active = case when b.status in ('stopped', 'crashed') then 0 else coalesce(b.jobs_active, 0) end,
    current_status = case when b.status not in ('stopped', 'crashed') then b.current_status end,
    current_job_id = case when b.status not in ('stopped', 'crashed') then b.current_job_id end,
    current_job_type = case when b.status not in ('stopped', 'crashed') then b.current_job_type end,
    status_updated_at = case
      when (w.status, w.current_status, w.current_job_id, w.current_job_type)
        is distinct from (b.status, b.current_status, b.current_job_id, b.current_job_type)
        then apply_beats.at - make_interval(secs => coalesce(b.status_age_ms, 0) / 1000.0)
      when b.jobs_total > w.counted_jobs or b.errors_total > w.counted_errors
        then greatest(w.status_updated_at, apply_beats.at - b.status_age_ms * interval '1 millisecond')
      else w.status_updated_at
    end,
    activity_seen_at = case
      when (w.status, w.current_status, w.current_job_id, w.current_job_type)
        is distinct from (b.status, b.current_status, b.current_job_id, b.current_job_type)
        then clock_timestamp()
      else w.activity_seen_at
    end,
    poll_interval_s = coalesce(b.poll_interval_s, w.poll_interval_s),
    last_run_at = coalesce(apply_beats.at - make_interval(secs => b.last_run_age_ms / 1000.0), w.last_run_at),
    last_run_duration_ms = coalesce(b.last_run_duration_ms, w.last_run_duration_ms),
    processed_count = coalesce(b.processed_count, w.processed_count),
    last_run_errors = coalesce(b.last_run_errors, w.last_run_errors),
    next_run_at = hp_private.next_due(w.next_run_at, b.next_run_in_ms, apply_beats.at),
    grace_s = coalesce(b.grace_s, w.grace_s),
    max_run_s = coalesce(b.max_run_s, w.max_run_s),
    schedule = coalesce(b.schedule, w.schedule),
    last_error = coalesce(b.last_error, w.last_error),
    last_error_at = case
      when b.last_error is null then w.last_error_at
      else apply_beats.at - make_interval(secs => coalesce(b.last_error_age_ms, 0) / 1000.0)
    end,
    circuit_breaker_open = coalesce(b.circuit_breaker_state, w.circuit_breaker_state) = 'open',
    circuit_breaker_state = coalesce(b.circuit_breaker_state, w.circuit_breaker_state),
    circuit_breaker_failures = coalesce(b.circuit_breaker_failures, w.circuit_breaker_failures),
    circuit_breaker_threshold = coalesce(b.circuit_breaker_threshold, w.circuit_breaker_threshold),
    circuit_breaker_opened_at = case
      when b.circuit_breaker_state is null then w.circuit_breaker_opened_at
      else apply_beats.at - make_interval(secs => b.circuit_breaker_opened_age_ms / 1000.0)
    end,
    circuit_breaker_retry_at = case
      when b.circuit_breaker_state is null then w.circuit_breaker_retry_at
      else apply_beats.at + make_interval(secs => b.circuit_breaker_retry_in_ms / 1000.0)
    end,
    circuit_breaker_reason = case
      when b.circuit_breaker_state is null then w.circuit_breaker_reason else b.circuit_breaker_reason
    end,
    cpu_percent = coalesce(b.cpu_percent, w.cpu_percent),
    memory_percent = coalesce(b.memory_percent, w.memory_percent),
    memory_rss_bytes = coalesce(b.memory_rss_bytes, w.memory_rss_bytes),
    event_loop_lag_ms = coalesce(b.event_loop_lag_ms, w.event_loop_lag_ms),
    event_loop_blocked_ms = b.event_loop_blocked_ms,
    last_exit = case when b.status in ('stopped', 'crashed') then b.last_exit else w.last_exit end,
    metadata = case
      when b.metadata is null or b.metadata = w.metadata
        or (pg_column_size(b.metadata) > 1024 and w.metadata_at > apply_beats.at - interval '1 minute') then w.metadata
      else b.metadata
    end,
    metadata_at = case
      when b.metadata is null or b.metadata = w.metadata
        or (pg_column_size(b.metadata) > 1024 and w.metadata_at > apply_beats.at - interval '1 minute') then w.metadata_at
      else apply_beats.at
    end
  from unnest(apply_beats.beats) with ordinality as b
  where w.worker_name = b.worker_name and w.instance_id = b.instance_id and b.sequence > w.sequence
  returning b.ordinality, jsonb_build_object(
    'worker_name', w.worker_name, 'ok', true, 'epoch', w.epoch, 'current', true, 'sequence', w.sequence,
    'counted_jobs', w.counted_jobs, 'counted_errors', w.counted_errors, 'interval_s', hp_private.answered_interval(
      apply_beats.stretch, w.interval_override_s, apply_beats.group_intervals, w.worker_type, w.requested_interval_s));
end
$$;

create or replace function hp_private.credit(worker_name text, jobs bigint, errors bigint) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
begin
  if credit.jobs > 0 or credit.errors > 0 then
    update public.hp_worker_status w
    set jobs_processed = least(9007199254740991, w.jobs_processed + greatest(0, credit.jobs)),
      error_count = least(9007199254740991, w.error_count + greatest(0, credit.errors))
    where w.worker_name = credit.worker_name;
  end if;
end
$$;

create or replace function hp_private.hand_over(
  worker public.hp_worker_status, to_instance public.hp_worker_instance, at timestamptz
) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
begin
  update public.hp_worker_instance i
  set status = worker.status, sequence = worker.sequence, counted_jobs = worker.counted_jobs,
    counted_errors = worker.counted_errors, last_heartbeat = worker.last_heartbeat,
    lease_expires_at = least(worker.lease_expires_at, case
      when worker.kind = 'scheduled' then
        worker.last_heartbeat + make_interval(secs => worker.lost_after_intervals * worker.heartbeat_interval_s)
    end),
    superseded_at = hand_over.at,
    last_exit = case when worker.status in ('stopped', 'crashed') then worker.last_exit end,
    ended_at = case when worker.status in ('stopped', 'crashed') and worker.status_since <= worker.last_heartbeat
      then worker.status_since end
  where i.instance_id = worker.instance_id;

  update public.hp_worker_instance i
  set took_over_at = hand_over.at, superseded_at = null
  where i.instance_id = to_instance.instance_id;

  update public.hp_worker_status w
  set instance_id = to_instance.instance_id, epoch = to_instance.epoch, sequence = to_instance.sequence,
    started_at = to_instance.started_at, hostname = coalesce(to_instance.hostname, w.hostname),
    pid = coalesce(to_instance.pid, w.pid), version = coalesce(to_instance.version, w.version),
    runtime = coalesce(to_instance.runtime, w.runtime),
    parts = to_instance.parts,
    counted_jobs = to_instance.counted_jobs, counted_errors = to_instance.counted_errors,
    requested_interval_s = null, lease_expires_at = null,
    circuit_breaker_state = 'closed', circuit_breaker_open = false, circuit_breaker_failures = 0,
    circuit_breaker_opened_at = null, circuit_breaker_retry_at = null, circuit_breaker_reason = null,
    draining = false, name_conflict_since = null, event_loop_blocked_ms = null
  where w.worker_name = worker.worker_name;

  perform hp_private.note_successor(to_instance, at);
end
$$;

create or replace function hp_private.note_superseded(
  worker public.hp_worker_status, instance public.hp_worker_instance, beat hp_private.beat, lease_until timestamptz,
  at timestamptz
) returns void
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_newer boolean := beat.sequence > instance.sequence;
  v_ends boolean := beat.status in ('stopped', 'crashed');
begin
  update public.hp_worker_instance i set
    counted_jobs = greatest(i.counted_jobs, beat.jobs_total),
    counted_errors = greatest(i.counted_errors, beat.errors_total),
    sequence = greatest(i.sequence, beat.sequence),
    last_heartbeat = greatest(i.last_heartbeat, at),
    status = case when v_newer then beat.status else i.status end,
    lease_expires_at = case when v_newer then lease_until else i.lease_expires_at end,
    ended_at = case when v_ends then coalesce(i.ended_at, at) when not v_newer then i.ended_at end,
    last_exit = case when v_ends then coalesce(i.last_exit, beat.last_exit) else i.last_exit end
  where i.instance_id = instance.instance_id;
  if v_ends then
    perform hp_private.release_leases_of(instance.worker_name, instance.instance_id);
  end if;

  if v_newer and coalesce(instance.superseded_at, instance.registered_at) <= at - interval '1 minute' and worker.name_conflict_since is null
    and worker.lease_expires_at > at and worker.status not in ('stopping', 'stopped', 'crashed')
    and beat.status not in ('stopping', 'stopped', 'crashed')
    and (worker.kind <> 'scheduled' or (worker.status not in ('idle', 'error') and beat.status not in ('idle', 'error')))
  then
    update public.hp_worker_status w set name_conflict_since = note_superseded.at
    where w.worker_name = worker.worker_name;
  end if;
end
$$;

create or replace function hp_private.may_take_row(
  worker public.hp_worker_status, held boolean, instance public.hp_worker_instance, beat hp_private.beat, at timestamptz
) returns boolean
language plpgsql stable set search_path = ''
as $$
begin
  return beat.sequence > instance.sequence and (
    (instance.epoch > coalesce(worker.epoch, 0) and (not held or beat.epoch = instance.epoch))
    or (beat.epoch = instance.epoch and not held and beat.status not in ('stopping', 'stopped', 'crashed'))
    or (beat.epoch = instance.epoch and worker.kind = 'scheduled' and worker.status in ('idle', 'error') and (
      beat.status in ('starting', 'processing', 'running', 'error')
      or coalesce(at - make_interval(secs => beat.last_run_age_ms / 1000.0 + 2) > worker.last_run_at, false))));
end
$$;

create or replace function hp_private.register(beat hp_private.beat, lease_until timestamptz, at timestamptz)
returns public.hp_worker_instance
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_instance public.hp_worker_instance;
  v_jobs constant bigint := coalesce(beat.jobs_total, 0);
  v_errors constant bigint := coalesce(beat.errors_total, 0);
begin
  perform hp_private.credit(beat.worker_name,
    v_jobs - coalesce(beat.counted_jobs, 0), v_errors - coalesce(beat.counted_errors, 0));
  insert into public.hp_worker_instance (
    instance_id, worker_name, epoch, status, started_at, hostname, pid, version, runtime, parts, sequence,
    counted_jobs, counted_errors, last_heartbeat, lease_expires_at, registered_at)
  values (
    beat.instance_id, beat.worker_name, nextval('hp_private.epoch_seq'), beat.status,
    at - make_interval(secs => coalesce(beat.uptime_ms, 0) / 1000.0), beat.hostname, beat.pid, beat.version,
    beat.runtime, beat.parts, beat.sequence - 1, v_jobs, v_errors, at, register.lease_until, at)
  returning * into v_instance;
  return v_instance;
end
$$;

create or replace function hp_private.admit_beat(
  beat hp_private.beat, at timestamptz, stretch double precision, group_intervals jsonb
) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_worker public.hp_worker_status;
  v_instance public.hp_worker_instance;
  v_held boolean;
  v_current boolean;
  v_interval double precision;
  v_lease_until timestamptz;
  v_answer jsonb;
  v_jobs bigint := coalesce(beat.jobs_total, 0);
  v_errors bigint := coalesce(beat.errors_total, 0);
begin
  select * into v_instance from public.hp_worker_instance i where i.instance_id = beat.instance_id;
  if v_instance.worker_name <> beat.worker_name then
    return jsonb_build_object('worker_name', beat.worker_name, 'ok', false, 'error', hp_private.beat_error(
      'instance_id', format('is that of another worker, %s; every worker of a process needs its own', v_instance.worker_name)));
  end if;

  loop
    insert into public.hp_worker_status (worker_name, expected) values (beat.worker_name, coalesce(beat.expected, true))
    on conflict do nothing;
    select * into v_worker from public.hp_worker_status w where w.worker_name = beat.worker_name for no key update;
    exit when found;
  end loop;
  v_held := v_worker.instance_id is not null and v_worker.lease_expires_at > at
    and v_worker.status not in ('unknown', 'stopped', 'crashed');
  v_interval := hp_private.answered_interval(stretch, v_worker.interval_override_s,
    group_intervals, coalesce(beat.worker_type, v_worker.worker_type),
    coalesce(beat.requested_interval_s, v_worker.requested_interval_s, beat.heartbeat_interval_s, v_worker.heartbeat_interval_s));
  v_lease_until := case
    when beat.status not in ('stopped', 'crashed') then
      at + make_interval(secs => v_worker.lost_after_intervals * greatest(v_interval, beat.heartbeat_interval_s))
  end;

  if v_worker.instance_id = beat.instance_id then
    v_current := true;
    v_instance.epoch := v_worker.epoch;
    v_instance.counted_jobs := greatest(v_worker.counted_jobs, v_jobs);
    v_instance.counted_errors := greatest(v_worker.counted_errors, v_errors);
    if beat.sequence <= v_worker.sequence then
      perform hp_private.credit(beat.worker_name, v_jobs - v_worker.counted_jobs, v_errors - v_worker.counted_errors);
      update public.hp_worker_status w
      set counted_jobs = v_instance.counted_jobs, counted_errors = v_instance.counted_errors
      where w.worker_name = beat.worker_name;
    end if;
  else
    select * into v_instance from public.hp_worker_instance i where i.instance_id = beat.instance_id;
    if not found then
      v_instance := hp_private.register(beat, v_lease_until, at);
      v_current := not v_held;
    else
      v_current := hp_private.may_take_row(v_worker, v_held, v_instance, beat, at);
      perform hp_private.credit(beat.worker_name, v_jobs - v_instance.counted_jobs, v_errors - v_instance.counted_errors);
      perform hp_private.note_superseded(v_worker, v_instance, beat, v_lease_until, at);
      v_instance.counted_jobs := greatest(v_instance.counted_jobs, v_jobs);
      v_instance.counted_errors := greatest(v_instance.counted_errors, v_errors);
    end if;
    if v_current then
      perform hp_private.hand_over(v_worker, v_instance, at);
    end if;
  end if;

  if v_current then
    select a.answer into v_answer from hp_private.apply_beats(array[beat], at, stretch, group_intervals) a;
  end if;
  return coalesce(v_answer, jsonb_build_object(
    'worker_name', beat.worker_name, 'ok', true, 'epoch', v_instance.epoch, 'current', v_current,
    'sequence', beat.sequence, 'counted_jobs', v_instance.counted_jobs, 'counted_errors', v_instance.counted_errors,
    'interval_s', v_interval));
end
$$;

-- 20261122002100_silence.sql
create table if not exists hp_private.mass_silence (
  heartbeat_interval_s double precision,
  lost_after_intervals double precision,
  seen_at timestamptz not null,
  window_s double precision not null,
  expected double precision not null,
  reporting integer not null,
  constraint mass_silence_pkey primary key (heartbeat_interval_s, lost_after_intervals)
);

alter table hp_private.mass_silence enable row level security;

revoke all on table hp_private.mass_silence from public, anon, authenticated, service_role;


create or replace function hp_private.doubt_window_s(heartbeat_interval_s double precision, lost_after_intervals double precision)
returns double precision
language sql immutable set search_path = ''
return greatest(
  lost_after_intervals * heartbeat_interval_s - greatest(heartbeat_interval_s, 10),
  least(2, lost_after_intervals - 1) * heartbeat_interval_s);

create or replace function hp_private.patience(heartbeat_interval_s double precision, lost_after_intervals double precision)
returns interval
language sql immutable set search_path = ''
return make_interval(secs => greatest(lost_after_intervals * heartbeat_interval_s, heartbeat_interval_s + 10));

create or replace function hp_private.note_mass_silence(ticking_since timestamptz, impaired_since timestamptz, at timestamptz)
returns void
language plpgsql set search_path = ''
as $$
begin
  delete from hp_private.mass_silence m
  where m.seen_at + 2 * hp_private.patience(m.heartbeat_interval_s, m.lost_after_intervals) < at;

  if not exists (
    select from public.hp_worker_status w
    where w.kind = 'resident' and w.status not in ('unknown', 'stopped', 'crashed') and w.lost_after_intervals > 1
      and w.last_heartbeat <= at - make_interval(secs => least(2, w.lost_after_intervals - 1) * w.heartbeat_interval_s)
  ) then
    return;
  end if;

  with resident as materialized (
    select w.heartbeat_interval_s, w.lost_after_intervals, w.last_heartbeat,
      coalesce(greatest(w.paused_until, g.paused_until) > at, false) as paused, w.status = 'crashed' as given_up
    from public.hp_worker_status w left join public.hp_worker_group g on g.worker_type = w.worker_type
    where w.kind = 'resident' and (w.status not in ('unknown', 'stopped', 'crashed')
      or (w.status = 'crashed' and w.last_exit is null and w.status_since >= note_mass_silence.impaired_since))
  ),
  lease as (
    select r.heartbeat_interval_s, r.lost_after_intervals, min(r.last_heartbeat) as silent_since,
      hp_private.doubt_window_s(r.heartbeat_interval_s, r.lost_after_intervals) as window_s
    from resident r where not r.given_up group by r.heartbeat_interval_s, r.lost_after_intervals
  ),
  judged as (
    select l.heartbeat_interval_s, l.lost_after_intervals, l.window_s,
      sum(least(1, l.window_s / r.heartbeat_interval_s)) as expected,
      count(*) filter (where r.last_heartbeat > at - make_interval(secs => l.window_s)) as reporting
    from lease l join resident r on not r.paused
    where l.window_s > 0 and greatest(l.silent_since, note_mass_silence.ticking_since) <= at - make_interval(secs => l.window_s)
    group by l.heartbeat_interval_s, l.lost_after_intervals, l.window_s
  )
  insert into hp_private.mass_silence as m (heartbeat_interval_s, lost_after_intervals, seen_at, window_s, expected, reporting)
  select j.heartbeat_interval_s, j.lost_after_intervals, note_mass_silence.at, j.window_s, j.expected, j.reporting from judged j
  where j.expected >= 3 and j.reporting < j.expected / 2
  on conflict (heartbeat_interval_s, lost_after_intervals) do update
  set seen_at = excluded.seen_at, expected = excluded.expected, reporting = excluded.reporting;
end
$$;

create or replace function hp_private.mark_crashed(names text[], leases timestamptz[], deadlines timestamptz[], reasons text[])
returns text[]
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_names text[];
begin
  with silent as materialized (
    select w.worker_name, s.deadline, s.reason
    from unnest(names, leases, deadlines, reasons) s (worker_name, lease, deadline, reason)
    join public.hp_worker_status w on w.worker_name = s.worker_name and w.lease_expires_at = s.lease
    order by w.worker_name for no key update of w skip locked
  ),
  marked as (
    update public.hp_worker_status w set
      status = 'crashed', status_since = s.deadline, status_reason = s.reason,
      lease_expires_at = null, draining = false, jobs_active = 0, current_status = null, current_job_id = null,
      current_job_type = null, status_updated_at = s.deadline, activity_seen_at = clock_timestamp(), last_exit = null
    from silent s where w.worker_name = s.worker_name
    returning w.worker_name
  )
  select array_agg(m.worker_name order by m.worker_name) into v_names from marked m;
  return v_names;
end
$$;

create or replace function hp_private.find_silent(
  monitor hp_private.monitor, tick_every interval, at timestamptz,
  out doubt_since timestamptz, out doubt_lasts boolean,
  out names text[], out leases timestamptz[], out deadlines timestamptz[], out reasons text[], out doubted text[]
)
language plpgsql stable set search_path = ''
as $$
begin
  with overdue as materialized (
    select w.worker_name, w.kind, w.status, w.last_heartbeat, w.lease_expires_at, w.heartbeat_interval_s, w.next_run_at,
      w.max_run_s, w.lost_after_intervals,
      case
        when w.kind = 'resident' then make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
        else greatest(w.lease_expires_at - w.last_heartbeat, '0')
      end as lease,
      case
        when w.kind = 'resident' then hp_private.patience(w.heartbeat_interval_s, w.lost_after_intervals)
        else greatest(w.lease_expires_at - w.last_heartbeat, '0')
      end as patience,
      case
        when w.kind = 'resident' then make_interval(secs => w.lost_after_intervals * w.heartbeat_interval_s)
        when w.status in ('idle', 'stopped', 'error') then make_interval(secs => w.grace_s)
        else make_interval(secs => w.max_run_s)
      end as leeway,
      case
        when w.kind = 'resident' then '-infinity'
        when w.status in ('idle', 'stopped', 'error') then coalesce(w.next_run_at, w.last_heartbeat)
        else w.last_heartbeat
      end as due_at
    from public.hp_worker_status w
    where w.lease_expires_at <= find_silent.at
      and (w.status not in ('unknown', 'stopped', 'crashed') or (w.kind = 'scheduled' and w.status = 'stopped'))
  ),
  monitored as (
    select o.*, greatest(o.lease_expires_at,
      case when o.due_at <= monitor.ticking_since then monitor.ticking_since + o.patience end,
      case
        when o.due_at <= monitor.gap_ended_at and make_interval(secs => monitor.gap_s) >= o.leeway / 2
          then monitor.gap_ended_at + o.patience
      end) as deadline
    from overdue o
  ),
  excused as (
    select w.*, w.deadline + 3 * w.lease as latest, greatest(w.deadline,
      case
        when w.due_at <= monitor.watching_since then least(monitor.watching_since + w.patience, w.deadline + 3 * w.lease)
      end) as excused_until,
      make_interval(secs => hp_private.doubt_window_s(w.heartbeat_interval_s, w.lost_after_intervals)) as doubt_window,
      m.seen_at as doubted_at, coalesce(m.seen_at + w.patience > find_silent.at, false) as in_doubt
    from monitored w left join hp_private.mass_silence m
      on w.kind = 'resident' and m.heartbeat_interval_s = w.heartbeat_interval_s and m.lost_after_intervals = w.lost_after_intervals
  ),
  due as (
    select e.*,
      e.kind = 'scheduled' or e.excused_until <= least(monitor.tick_at, find_silent.at - tick_every)
        or e.lease - e.doubt_window >= 1.5 * tick_every as certain
    from excused e where e.excused_until <= find_silent.at
  ),
  spread as (
    select a.*,
      min(a.latest) filter (where a.in_doubt and a.latest <= find_silent.at) over alike as first_latest,
      min(a.latest) filter (where a.in_doubt and a.latest > find_silent.at) over alike as next_latest
    from due a window alike as (partition by a.kind, a.heartbeat_interval_s, a.lost_after_intervals)
  ),
  silent as materialized (
    select s.*, s.in_doubt and (s.latest > find_silent.at
      or coalesce(s.next_latest <= s.first_latest + (s.lease - s.doubt_window), false)) as held
    from spread s
  ),
  doubt as (
    select min(s.excused_until) filter (where s.held) as since,
      coalesce(bool_or(s.doubted_at = find_silent.at) filter (where s.held), false) as lasts
    from silent s
  ),
  accused as (
    select s.worker_name, s.lease_expires_at, s.excused_until, s.in_doubt,
      hp_private.silence_reason(s.kind, s.status, s.last_heartbeat, s.next_run_at,
        make_interval(secs => greatest(s.max_run_s, s.lost_after_intervals * s.heartbeat_interval_s)), s.excused_until) as reason
    from silent s cross join doubt d
    where s.certain and not s.held and not (
      s.kind = 'scheduled' and s.latest > find_silent.at and (d.since is not null or monitor.impaired_since is not null))
  )
  select d.since, d.lasts, array_agg(a.worker_name), array_agg(a.lease_expires_at), array_agg(a.excused_until),
    array_agg(a.reason), array_agg(a.worker_name) filter (where a.in_doubt)
  into doubt_since, doubt_lasts, names, leases, deadlines, reasons, doubted
  from doubt d left join accused a on true group by d.since, d.lasts;
end
$$;

create or replace function hp_private.give_up(
  names text[], leases timestamptz[], deadlines timestamptz[], reasons text[], doubted text[], at timestamptz,
  out crashed text[], out given_up text[]
)
language plpgsql set search_path = ''
as $$
declare
  v_event bigint;
begin
  crashed := hp_private.mark_crashed(names, leases, deadlines, reasons);
  select array_agg(n.name order by n.name) into given_up from unnest(doubted) n (name) where n.name = any (crashed);
  if given_up is null then
    return;
  end if;
  v_event := hp_private.monitor_event(at, 'impaired', 'lost',
    hp_private.monitor_reason('silent too long', workers => cardinality(given_up)),
    jsonb_build_object('workers', cardinality(given_up), 'names', to_jsonb(given_up[1:100])));
  update public.hp_worker_event e set details = e.details || jsonb_build_object('fleet_event', v_event)
  where e.worker_name = any (given_up) and e.type = 'status' and e.to_value = 'crashed' and e.recorded_at = now();
end
$$;

create or replace function hp_private.judge_silence(
  monitor hp_private.monitor, silent boolean, tick_every interval, at timestamptz,
  out crashed text[], out impaired_since timestamptz, out watching_since timestamptz
)
language plpgsql set search_path = ''
as $$
declare
  v_found record;
  v_given_up text[];
begin
  impaired_since := monitor.impaired_since;
  watching_since := monitor.watching_since;
  if not silent and impaired_since is null then
    return;
  end if;
  perform hp_private.note_mass_silence(monitor.ticking_since, monitor.impaired_since, at);
  v_found := hp_private.find_silent(monitor, tick_every, at);

  if v_found.doubt_since is not null and impaired_since is null then
    impaired_since := v_found.doubt_since;
    perform hp_private.monitor_event(v_found.doubt_since, 'monitoring', 'impaired',
      hp_private.monitor_reason('mass silence', make_interval(secs => m.window_s), m.reporting, round(m.expected)::integer),
      jsonb_build_object('reporting', m.reporting, 'expected', round(m.expected), 'window_s', m.window_s))
    from hp_private.mass_silence m order by m.seen_at desc, m.window_s limit 1;
  end if;

  if v_found.names[1] is not null then
    select g.crashed, g.given_up into judge_silence.crashed, v_given_up
    from hp_private.give_up(v_found.names, v_found.leases, v_found.deadlines, v_found.reasons, v_found.doubted, at) g;
  end if;

  if impaired_since is not null and not v_found.doubt_lasts then
    perform hp_private.monitor_event(at, 'impaired', 'monitoring',
      hp_private.monitor_reason(case when v_given_up is null then 'reports again' else 'no doubt' end),
      jsonb_build_object('impaired_s', round(extract(epoch from at - impaired_since))));
    impaired_since := null;
    if v_given_up is null then
      watching_since := greatest(watching_since, (select max(m.seen_at) from hp_private.mass_silence m));
    end if;
  end if;
end
$$;

-- 20261122002200_clean_up.sql
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
  if v_names is not null and exists (select from hp_private.monitor p where p.viewed_until > now()) then
    perform hp_private.send_digest('digest', now() - interval '10 seconds', now());
  end if;
  return jsonb_build_object('removed', coalesce(cardinality(v_names), 0), 'names', coalesce(to_jsonb(v_names), '[]'));
end
$$;

revoke all on function public.hp_cleanup_stale_workers from public, anon, authenticated, service_role;
grant execute on function public.hp_cleanup_stale_workers to authenticated, service_role;

comment on function public.hp_cleanup_stale_workers is 'Removes stopped and crashed workers that are not expected and have been so for older_than. Returns {removed, names}. Errors: PT400 older_than, PT403 not an operator.';

-- 20261122002300_tick.sql
create or replace function hp_private.look(
  at timestamptz, out live_workers integer, out load double precision, out silent boolean, out conflicts boolean
)
language sql stable set search_path = ''
as $$
  select count(*) filter (where w.beats),
    coalesce(sum(1 / greatest(
        coalesce(w.interval_override_s, g.heartbeat_interval_s, w.requested_interval_s, w.heartbeat_interval_s),
        w.heartbeat_interval_s / (8 * p.stretch)))
      filter (where w.beats), 0) / 0.95,
    coalesce(bool_or(w.lease_expires_at <= look.at or (w.beats and w.kind = 'resident'
      and date_part('epoch', w.last_heartbeat) <= date_part('epoch', look.at)
        - least(2, w.lost_after_intervals - 1) * w.heartbeat_interval_s)), false),
    coalesce(bool_or(w.name_conflict_since is not null), false)
  from (
    select s.worker_type, s.kind, s.last_heartbeat, s.lease_expires_at, s.interval_override_s, s.requested_interval_s,
      s.heartbeat_interval_s, s.lost_after_intervals, s.name_conflict_since,
      s.lease_expires_at is not null and s.status not in ('unknown', 'stopped', 'crashed')
        and not (s.kind = 'scheduled' and (s.status in ('idle', 'stopped') or date_part('epoch', s.last_heartbeat)
          <= date_part('epoch', look.at) - s.lost_after_intervals * s.heartbeat_interval_s)) as beats
    from public.hp_worker_status s
    offset 0
  ) w
    cross join hp_private.monitor p
    left join public.hp_worker_group g on g.worker_type = w.worker_type
$$;

create or replace function hp_private.settle_conflicts(at timestamptz) returns void
language sql set search_path = ''
as $$
  with settled as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.name_conflict_since is not null and not exists (
      select from public.hp_worker_instance i
      where i.worker_name = w.worker_name and i.instance_id <> w.instance_id and i.lease_expires_at > settle_conflicts.at)
    order by w.worker_name for no key update skip locked
  )
  update public.hp_worker_status w set name_conflict_since = null from settled s where w.worker_name = s.worker_name
$$;

create or replace function hp_private.note_gap(inout monitor hp_private.monitor, tick_every interval, at timestamptz)
language plpgsql set search_path = ''
as $$
begin
  if monitor.tick_at is null or at - monitor.tick_at > greatest(interval '30 seconds', 3 * tick_every) then
    monitor.ticking_since := at;
    monitor.watching_since := at;
    if monitor.tick_at is not null then
      if monitor.impaired_since is null then
        perform hp_private.monitor_event(monitor.tick_at, 'monitoring', 'impaired', hp_private.monitor_reason('no tick'), '{}');
      end if;
      perform hp_private.monitor_event(at, 'impaired', 'monitoring',
        hp_private.monitor_reason('tick again', at - monitor.tick_at),
        jsonb_build_object('impaired_s', round(extract(epoch from at - coalesce(monitor.impaired_since, monitor.tick_at)))));
      monitor.impaired_since := null;
    end if;
  elsif at - monitor.tick_at > 3 * tick_every then
    monitor.gap_ended_at := at;
    monitor.gap_s := extract(epoch from at - monitor.tick_at);
  end if;
end
$$;

create or replace function hp_private.run_parts(parts text[], at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part text;
begin
  foreach v_part in array parts loop
    begin
      execute format('select hp_private.%I($1)', v_part) using at;
    exception when others then
      perform hp_private.note_failure(v_part, sqlerrm, at);
    end;
  end loop;
end
$$;

create or replace function hp_private.tidy(monitor hp_private.monitor, conflicts boolean, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  perform hp_private.run_parts(array_remove(array[
    case when conflicts then 'settle_conflicts' end, 'release_leases', 'follow_commands',
    case when monitor.followed_until > at then 'follow_workers' end, 'forget_seen', 'prune', 'prune_large_logs'], null), at);
end
$$;

create or replace function hp_private.note_tick(
  monitor hp_private.monitor, judged record, look record, tick_every interval, at timestamptz
) returns boolean
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_digest_every constant interval := make_interval(secs => coalesce(hp_private.setting('digest_every_s'), 10)::double precision);
  v_viewed constant boolean := coalesce(monitor.viewed_until > at, false);
  v_digest constant boolean := v_viewed and (hp_private.digest_due(monitor.digest_at, tick_every, at)
    or judged.impaired_since is distinct from monitor.impaired_since or judged.watching_since > monitor.watching_since);
  v_pace constant record := hp_private.pace_fleet(monitor.stretch, look.live_workers, look.load);
begin
  update hp_private.monitor p set
    tick_at = note_tick.at,
    overdue_after = least(2 * tick_every, case when v_viewed then v_digest_every end),
    ticking_since = monitor.ticking_since, watching_since = judged.watching_since,
    impaired_since = judged.impaired_since, gap_ended_at = monitor.gap_ended_at, gap_s = monitor.gap_s,
    digest_at = case when v_digest then note_tick.at else p.digest_at end,
    live_workers = look.live_workers, stretch = v_pace.stretch, activity_every_s = v_pace.activity_every_s
  where p.id;
  return v_digest;
end
$$;

create or replace function hp_private.tick(at timestamptz) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_tick_every constant interval := make_interval(secs => coalesce(hp_private.setting('tick_every_s'), 5)::double precision);
  v_monitor hp_private.monitor;
  v_look record;
  v_judged record;
  v_digest boolean;
begin
  if not pg_try_advisory_xact_lock(hashtext('hp_private.tick')) then
    return jsonb_build_object('ran', false);
  end if;
  select * into v_monitor from hp_private.monitor;

  v_monitor := hp_private.note_gap(v_monitor, v_tick_every, at);
  v_look := hp_private.look(at);
  begin
    v_judged := hp_private.judge_silence(v_monitor, v_look.silent, v_tick_every, at);
  exception when others then
    select null::text[] as crashed, v_monitor.impaired_since, v_monitor.watching_since into v_judged;
    perform hp_private.note_failure('judge_silence', sqlerrm, at);
  end;
  perform hp_private.tidy(v_monitor, v_look.conflicts, at);

  if v_judged.crashed is not null then
    v_look := hp_private.look(at);
  end if;
  v_digest := hp_private.note_tick(v_monitor, v_judged, v_look, v_tick_every, at);
  begin
    if v_digest then
      perform hp_private.send_digest('digest',
        greatest(v_monitor.digest_at, at - interval '5 minutes') - interval '10 seconds', at);
    elsif v_judged.crashed is not null and v_monitor.viewed_until > at then
      perform hp_private.send_transition(v_judged.crashed);
    end if;
  exception when others then
    perform hp_private.note_failure('send_digest', sqlerrm, at);
  end;
  perform hp_private.keep_history(at);
  return jsonb_build_object('ran', true, 'silent', coalesce(cardinality(v_judged.crashed), 0));
end
$$;

create or replace function hp_private.tick_if_overdue(at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  if (select (p.tick_at + p.overdue_after > tick_if_overdue.at) is not true from hp_private.monitor p) then
    perform hp_private.tick(at);
  end if;
end
$$;

create or replace function public.hp_tick() returns jsonb
language sql security definer set search_path = ''
return hp_private.tick(now());

create or replace function public.hp_watch() returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_monitor hp_private.monitor;
begin
  perform hp_private.require_member();
  update hp_private.monitor p
  set viewed_until = now() + make_interval(secs => coalesce(hp_private.setting('viewer_lasts_s'), 150)::double precision),
    overdue_after = least(p.overdue_after, make_interval(secs => coalesce(hp_private.setting('digest_every_s'), 10)::double precision))
  where p.id
  returning * into v_monitor;
  perform hp_private.tick_if_overdue(now());
  return jsonb_build_object('now', now(), 'viewed_until', v_monitor.viewed_until, 'tick_at', v_monitor.tick_at);
end
$$;

create or replace function hp_private.schedule_tick() returns text
language plpgsql set search_path = ''
as $$
declare
  v_command constant text := 'select public.hp_tick()';
  v_schedule text;
  v_period integer := 5;
begin
  if not exists (
    select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'cron' and p.proname = 'schedule' and p.pronargs = 3)
  then
    if not exists (select from pg_catalog.pg_available_extensions e where e.name = 'pg_cron') then
      return 'not scheduled: there is no pg_cron here';
    end if;
    begin
      create extension pg_cron with schema pg_catalog;
    exception when others then
      return 'not scheduled: ' || sqlerrm;
    end;
  end if;

  begin
    execute 'select schedule from cron.job where jobname = $1' into v_schedule using 'lastseen-tick';
    if v_schedule is not null then
      return 'scheduled already: ' || v_schedule;
    end if;
    begin
      v_schedule := '5 seconds';
      execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick', v_schedule, v_command;
    exception when others then
      v_schedule := '* * * * *';
      v_period := 60;
      execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick', v_schedule, v_command;
    end;
    execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick-history', '17 3 * * *',
      'delete from cron.job_run_details d using cron.job j
       where j.jobid = d.jobid and j.jobname in (''lastseen-tick'', ''lastseen-tick-history'') and d.end_time < now() - interval ''1 day''';
  exception when others then
    return 'not scheduled: ' || sqlerrm;
  end;

  update public.hp_setting s set value = to_jsonb(v_period)
  where s.key = 'tick_every_s' and jsonb_typeof(s.value) = 'number'
    and (s.value::numeric > v_period or (s.value = '5' and v_period <> 5));
  return 'scheduled: ' || v_schedule;
end
$$;

do $$
begin
  raise notice 'hp_tick() is %', hp_private.schedule_tick();
end
$$;

revoke all on function public.hp_tick, public.hp_watch from public, anon, authenticated, service_role;
grant execute on function public.hp_tick to service_role;
grant execute on function public.hp_watch to authenticated, service_role;

comment on function public.hp_tick is 'One pass of the monitor, for a scheduler: finds the silent, sends the digest. Returns {ran, silent}.';
comment on function public.hp_watch is 'Announces a viewer for 150 s: messages flow only then. Call once a minute. Errors: PT403 not a member.';

-- 20261122002400_heartbeat.sql
create or replace function hp_private.refuse_added(
  inout beats hp_private.beat[], inout answers jsonb[], token_id bigint, at timestamptz
)
language plpgsql set search_path = ''
as $$
declare
  v_names text[];
  v_instances uuid[];
  v_over record;
  v_place bigint;
  v_error jsonb;
begin
  select array_agg(distinct b.worker_name) filter (where not exists (
      select from public.hp_worker_status w where w.worker_name = b.worker_name)),
    array_agg(distinct b.instance_id) filter (where not exists (
      select from public.hp_worker_instance i where i.instance_id = b.instance_id))
  into v_names, v_instances
  from unnest(beats) with ordinality b where answers[b.ordinality] is null;
  if v_instances is null then
    return;
  end if;

  v_over := hp_private.count_added(token_id, at, coalesce(cardinality(v_names), 0), cardinality(v_instances));
  if v_over.names = 0 and v_over.processes = 0 then
    return;
  end if;
  v_names := (
    select array_agg(n.name) from (
      select b.worker_name as name from unnest(beats) with ordinality b where b.worker_name = any (v_names)
      group by b.worker_name order by min(b.ordinality) desc limit v_over.names) n);
  v_instances := (
    select array_agg(n.instance) from (
      select b.instance_id as instance from unnest(beats) with ordinality b where b.instance_id = any (v_instances)
      group by b.instance_id order by min(b.ordinality) desc limit v_over.processes) n);
  for v_place, v_error in
    select b.ordinality, case
      when b.worker_name = any (v_names) then hp_private.beat_error('worker_name', format(
        'is new, and its worker token has added as many workers as it may within an hour, %s '
        '(setting token_new_names_per_hour)', coalesce(hp_private.setting('token_new_names_per_hour'), 1000)))
      else hp_private.beat_error('instance_id', format(
        'is new, and its worker token has added as many processes as it may within an hour, %s '
        '(setting token_new_processes_per_hour)', coalesce(hp_private.setting('token_new_processes_per_hour'), 5000)))
    end
    from unnest(beats) with ordinality b
    where answers[b.ordinality] is null and (b.worker_name = any (v_names) or b.instance_id = any (v_instances))
  loop
    answers[v_place] := hp_private.refusal(beats[v_place].worker_name, v_error);
    beats[v_place] := null;
  end loop;
end
$$;

create or replace function hp_private.lock_workers(
  inout beats hp_private.beat[], inout answers jsonb[], at timestamptz, names_like text, token_id bigint
)
language plpgsql set search_path = ''
set plan_cache_mode = 'force_generic_plan' set jit = 'off' set enable_seqscan = 'off' set enable_hashjoin = 'off'
set enable_mergejoin = 'off'
as $$
begin
  if exists (
    select from unnest(beats) b where not exists (
      select from public.hp_worker_status w where w.worker_name = b.worker_name and w.instance_id = b.instance_id))
  then
    select r.beats, r.answers into lock_workers.beats, lock_workers.answers
    from hp_private.refuse_beats(beats, coalesce(answers, array_fill(null::jsonb, array[cardinality(beats)])), names_like) r;
    if token_id is not null then
      select r.beats, r.answers into lock_workers.beats, lock_workers.answers
      from hp_private.refuse_added(beats, answers, token_id, at) r;
    end if;
    insert into public.hp_worker_status (worker_name, expected)
    select n.worker_name, coalesce(n.expected, true)
    from (
      select distinct on (b.instance_id) b.worker_name, b.expected, b.ordinality from unnest(beats) with ordinality b
      where b.worker_name is not null and not exists (
          select from public.hp_worker_instance i where i.instance_id = b.instance_id and i.worker_name <> b.worker_name)
      order by b.instance_id, b.worker_name, b.ordinality
    ) n
    where not exists (select from public.hp_worker_status w where w.worker_name = n.worker_name)
    order by n.worker_name, n.ordinality
    on conflict do nothing;
  end if;
  perform from public.hp_worker_status w where w.worker_name = any (array(select b.worker_name from unnest(beats) b))
  order by w.worker_name for no key update;
end
$$;

create or replace function hp_private.apply_others(
  inout beats hp_private.beat[], inout answers jsonb[], repeats boolean, at timestamptz, stretch double precision,
  group_intervals jsonb, names_like text, token_id bigint
)
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_answer jsonb;
begin
  select r.beats, r.answers into apply_others.beats, apply_others.answers
  from hp_private.refuse_beats(beats, answers, names_like) r;
  if not repeats then
    for v_place, v_answer in select a.place, a.answer from hp_private.apply_beats(beats, at, stretch, group_intervals) a loop
      answers[v_place] := v_answer;
    end loop;
  end if;
  if token_id is not null and cardinality(beats) = 1 and answers[1] is null then
    select r.beats, r.answers into apply_others.beats, apply_others.answers
    from hp_private.refuse_added(beats, answers, token_id, at) r;
  end if;
  for v_place in
    select b.ordinality from unnest(beats) with ordinality b
    where answers[b.ordinality] is null order by b.worker_name, b.ordinality
  loop
    answers[v_place] := hp_private.admit_beat(beats[v_place], at, stretch, group_intervals);
  end loop;
end
$$;

create or replace function hp_private.answer_more(
  beats hp_private.beat[], inout answers jsonb[], leases boolean, more boolean, commands_open boolean, followed boolean,
  activity_every_s double precision, at timestamptz
)
language plpgsql set search_path = ''
as $$
begin
  if leases then
    answers := hp_private.answer_leases(beats, answers, at);
  end if;
  if more then
    answers := hp_private.store_logs(beats, answers, at);
    answers := hp_private.take_reports(beats, answers, at);
  end if;
  if commands_open then
    answers := hp_private.answer_commands(beats, answers, at);
  end if;
  if followed then
    answers := hp_private.answer_followed(beats, answers, activity_every_s, at);
    if more then
      perform hp_private.send_logs(array(select b.worker_name from unnest(beats) b where b.worker_name is not null), at);
    end if;
  end if;
end
$$;

create or replace function hp_private.call_state(
  at timestamptz, out overdue boolean, out viewed boolean, out followed boolean, out commands_open boolean,
  out stretch double precision, out activity_every_s double precision, out group_intervals jsonb
)
language plpgsql stable set search_path = ''
as $$
begin
  select (p.tick_at + p.overdue_after > call_state.at) is not true, coalesce(p.viewed_until > call_state.at, false),
    coalesce(p.followed_until > call_state.at, false),
    exists (select from public.hp_worker_command c where c.open),
    coalesce(p.stretch, 1), p.activity_every_s,
    (select jsonb_object_agg(g.worker_type, g.heartbeat_interval_s) from public.hp_worker_group g
      where g.heartbeat_interval_s is not null)
  into overdue, viewed, followed, commands_open, stretch, activity_every_s, group_intervals
  from hp_private.monitor p;
end
$$;

create or replace function hp_private.answer_pacing(answers jsonb[], pacing jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if pacing is null then
    return to_jsonb(answers);
  end if;
  return (
    select jsonb_agg(case when (u.answer ->> 'ok')::boolean then u.answer || pacing else u.answer end order by u.place)
    from unnest(answers) with ordinality u (answer, place));
end
$$;

create or replace function hp_private.heartbeat(
  raw jsonb, at timestamptz, names_like text default null, token_id bigint default null
) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_read constant record := hp_private.read_beats(raw);
  v_state constant record := hp_private.call_state(at);
  v_beats hp_private.beat[] := v_read.beats;
  v_answers jsonb[] := v_read.answers;
  v_pacing jsonb;
begin
  if names_like is not null and hp_private.all_foreign(v_beats, names_like) then
    return null;
  end if;

  if cardinality(v_beats) > 1 then
    select l.beats, l.answers into v_beats, v_answers
    from hp_private.lock_workers(v_beats, v_answers, at, names_like, token_id) l;
  end if;
  if not v_read.repeats then
    v_answers := hp_private.apply_steady(v_beats, v_answers, at, v_state.stretch, v_state.group_intervals, names_like);
  end if;
  if v_read.repeats or array_position(v_answers, null) is not null then
    select o.beats, o.answers into v_beats, v_answers
    from hp_private.apply_others(v_beats, coalesce(v_answers, array_fill(null::jsonb, array[cardinality(v_beats)])),
      v_read.repeats, at, v_state.stretch, v_state.group_intervals, names_like, token_id) o;
  end if;

  if v_read.leases or v_read.more or v_state.commands_open or v_state.followed then
    v_answers := hp_private.answer_more(v_beats, v_answers, v_read.leases, v_read.more, v_state.commands_open,
      v_state.followed, v_state.activity_every_s, at);
  end if;
  if v_state.viewed or v_state.overdue then
    begin
      if v_state.viewed then
        v_pacing := hp_private.send_changes(array(select b.worker_name from unnest(v_beats) b where b.worker_name is not null),
          v_began, v_state.activity_every_s);
      end if;
      if v_state.overdue then
        perform hp_private.tick_if_overdue(at);
      end if;
    exception when others then
      perform hp_private.note_failure('heartbeat', sqlerrm, at);
    end;
  end if;
  return hp_private.answer_pacing(v_answers, v_pacing);
end
$$;

create or replace function public.hp_heartbeat(beats jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_pass record;
  v_answers jsonb;
begin
  if current_setting('role') = 'service_role' then
    return hp_private.heartbeat(hp_heartbeat.beats, now());
  end if;
  v_pass := hp_private.admit_worker(null, now());
  if v_pass.refused is not null then
    return v_pass.refused;
  end if;
  v_answers := hp_private.heartbeat(hp_heartbeat.beats, now(), v_pass.names_like, v_pass.token_id);
  return coalesce(v_answers,
    hp_private.refuse_name(v_pass.token_id, hp_heartbeat.beats -> 0 ->> 'worker_name', now()));
end
$$;

revoke all on function public.hp_heartbeat from public, anon, authenticated, service_role;
grant execute on function public.hp_heartbeat to anon, service_role;

comment on function public.hp_heartbeat is 'Reports of workers: an array of 1 to 1000 beats in, an answer per beat out. Errors: PT400 not such an array, 401 and 403 by response.status.';

revoke all on all functions in schema hp_private from public;
grant execute on function hp_private.member_role, hp_private.is_member to public;
commit;

select 'Lastseen is set up. hp_tick() is ' || hp_private.schedule_tick() || '.' as done,
  case
    when exists (select from public.hp_member m where m.role = 'owner') then 'There is an owner: sign in to the dashboard.'
    else 'Add yourself under Authentication, Users; then run: select hp_add_member(''you@example.com'', ''owner'');'
  end as next;
