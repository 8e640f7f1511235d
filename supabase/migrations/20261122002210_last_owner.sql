-- Somebody must be able to let others in: the last owner is neither removed nor demoted, whoever tries and however.

-- Two owners who demote each other at once would each find the other one still there. So changes of members wait for
-- each other, before any of them has locked a row.
create or replace function hp_private.tg_hp_member__take_turns() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('hp_member', 0));
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

revoke all on function hp_private.tg_hp_member__take_turns() from public;
revoke all on function hp_private.tg_hp_member__keep_an_owner() from public;

create or replace trigger _100_take_turns before update or delete on public.hp_member
  for each statement execute function hp_private.tg_hp_member__take_turns();

-- A trigger that compares with what was before may serve one command only.
create or replace trigger _900_keep_an_owner_at_update after update on public.hp_member
  referencing old table as v_before
  for each statement execute function hp_private.tg_hp_member__keep_an_owner();
create or replace trigger _900_keep_an_owner_at_delete after delete on public.hp_member
  referencing old table as v_before
  for each statement execute function hp_private.tg_hp_member__keep_an_owner();

comment on function hp_private.tg_hp_member__take_turns() is 'Lets one change of members at a time go ahead.';
comment on function hp_private.tg_hp_member__keep_an_owner() is 'Refuses to leave no owner. Error: PT409.';
