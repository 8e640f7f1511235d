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

revoke all on function hp_private.tg_hp_member__settle_invite() from public;
comment on function hp_private.tg_hp_member__settle_invite() is 'Removes the invite of somebody who has become a member.';

create or replace trigger _500_settle_invite after insert on public.hp_member
  for each row execute function hp_private.tg_hp_member__settle_invite();

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

revoke all on function public.hp_claim_invite() from public, anon, authenticated, service_role;
grant execute on function public.hp_claim_invite() to authenticated;

comment on function public.hp_claim_invite() is 'Makes the caller a member where their confirmed address has been invited. Returns their role, or null. Errors: PT401 signed out.';
