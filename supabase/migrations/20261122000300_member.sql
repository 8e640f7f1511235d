-- Who may look and act: an Auth user is nobody here until a row says otherwise.
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

revoke all on function hp_private.session_lives() from public;
revoke all on function hp_private.member_role() from public;
revoke all on function hp_private.is_member() from public;
grant execute on function hp_private.member_role() to authenticated;
grant execute on function hp_private.is_member() to authenticated;

drop policy if exists "members see their own row" on public.hp_member;
create policy "members see their own row" on public.hp_member
  for select to authenticated using (user_id = (select auth.uid()));

revoke all on table public.hp_member from anon, authenticated, service_role;
grant select on table public.hp_member to authenticated, service_role;
-- note: nobody writes but functions that ask who calls, and the SQL editor: no API key makes an owner.

comment on table public.hp_member is 'Who may use the dashboard, and as what.';
comment on column public.hp_member.user_id is 'The Auth user.';
comment on column public.hp_member.role is 'viewer reads, operator also acts on workers, owner also manages members and settings.';
comment on column public.hp_member.created_at is 'When the membership began.';
comment on function hp_private.session_lives() is 'Whether the session of the caller''s token has not been signed out, as far as that can be known.';
comment on function hp_private.member_role() is 'The caller''s role, or null for somebody who is no member or was signed out.';
comment on function hp_private.is_member() is 'Whether the caller is a member, in any role, and not signed out.';

drop policy if exists "members read the settings" on public.hp_setting;
create policy "members read the settings" on public.hp_setting
  for select to authenticated using ((select hp_private.is_member()));

-- The first owner is made in the SQL editor: select hp_add_member('you@example.com', 'owner');
create or replace function public.hp_add_member(email text, role text default 'viewer') returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  if hp_add_member.role is null or hp_add_member.role not in ('viewer', 'operator', 'owner') then
    raise exception 'role is %; it must be viewer, operator or owner', coalesce(hp_add_member.role, 'null')
      using errcode = 'PT400';
  end if;

  select u.id into v_user_id from auth.users u where lower(u.email) = lower(trim(hp_add_member.email));
  if v_user_id is null then
    raise exception 'nobody has signed up with the address %', hp_add_member.email
      using errcode = 'PT404', hint = 'Add the user under Authentication, Users, then run this again.';
  end if;

  insert into public.hp_member as m (user_id, role) values (v_user_id, hp_add_member.role)
  on conflict (user_id) do update set role = excluded.role;
end
$$;

revoke all on function public.hp_add_member(text, text) from public, anon, authenticated, service_role;
-- note: granted to nobody; its owner runs it in the SQL editor, so that no API key can make an owner.

comment on function public.hp_add_member(text, text) is 'Makes the Auth user with this address a member, or changes the role. Errors: PT400 role, PT404 no such user.';
