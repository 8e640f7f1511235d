-- What owners do with members. All of it SECURITY DEFINER, for nobody may write the tables, and addresses are in auth.users,
-- which nobody may read; each asks for the role first.

create or replace function hp_private.require_owner() returns void
language plpgsql set search_path = ''
as $$
begin
  -- The same turns as in the trigger, and taken before the question: of two owners who demote each other at once, the
  -- second one is an owner no more.
  perform pg_advisory_xact_lock(hashtextextended('hp_member', 0));
  if coalesce(hp_private.member_role(), '') <> 'owner' then
    raise exception 'only an owner may do that' using errcode = 'PT403';
  end if;
end
$$;

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

revoke all on function hp_private.require_owner() from public;
revoke all on function hp_private.require_role_name(text) from public;

comment on function hp_private.require_owner() is 'Refuses whoever is no owner. Changes of members wait for each other here. Error: PT403.';
comment on function hp_private.require_role_name(text) is 'Refuses what is no role. Error: PT400.';

create or replace function public.hp_members()
returns table (user_id uuid, email text, role text, pending boolean, since timestamptz, last_sign_in_at timestamptz, is_me boolean)
language plpgsql stable security definer set search_path = ''
as $$
begin
  if coalesce(hp_private.member_role(), '') <> 'owner' then
    raise exception 'only an owner may see the members' using errcode = 'PT403';
  end if;
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
  perform hp_private.require_owner();
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
  perform hp_private.require_owner();
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
  perform hp_private.require_owner();
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
  perform hp_private.require_owner();
  delete from public.hp_member m where m.user_id = hp_remove_member.user_id;
  if not found then
    raise exception 'there is no such member' using errcode = 'PT404';
  end if;
  -- An address that they took on later may have been invited too.
  delete from public.hp_member_invite i using auth.users u
  where u.id = hp_remove_member.user_id and i.email = lower(u.email);
end
$$;

revoke all on function public.hp_members() from public, anon, authenticated, service_role;
revoke all on function public.hp_invite_member(text, text) from public, anon, authenticated, service_role;
revoke all on function public.hp_withdraw_invite(text) from public, anon, authenticated, service_role;
revoke all on function public.hp_set_member_role(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.hp_remove_member(uuid) from public, anon, authenticated, service_role;
grant execute on function public.hp_members() to authenticated;
grant execute on function public.hp_invite_member(text, text) to authenticated;
grant execute on function public.hp_withdraw_invite(text) to authenticated;
grant execute on function public.hp_set_member_role(uuid, text) to authenticated;
grant execute on function public.hp_remove_member(uuid) to authenticated;
-- note: not to service_role. No API key makes an owner.

comment on function public.hp_members() is 'Members and pending invites, with addresses. Errors: PT403 not an owner.';
comment on function public.hp_invite_member(text, text) is 'Invites an address, or changes what it is invited to be. Errors: PT400 email, role; PT403 not an owner; PT409 a member already.';
comment on function public.hp_withdraw_invite(text) is 'Takes a pending invite back. Errors: PT403 not an owner; PT404 no such invite.';
comment on function public.hp_set_member_role(uuid, text) is 'Changes a member''s role. Errors: PT400 role; PT403 not an owner; PT404 no such member; PT409 the last owner.';
comment on function public.hp_remove_member(uuid) is 'Removes a member. Errors: PT403 not an owner; PT404 no such member; PT409 the last owner.';
