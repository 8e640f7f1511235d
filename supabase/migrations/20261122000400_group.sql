-- What people decide about workers that do the same work (one worker_type). A type has a group as soon as a worker
-- names it; it has a row here only where somebody has settings for it, with or without workers.
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
  -- note: a page makes links of it, so that nothing but the web may stand here (javascript: would run as the reader).
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
-- note: people pause by hp_pause(), which writes down who did; revision and the times are the trigger's.

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

-- note: an upsert that changes nothing is no edit.
create or replace trigger _500_revision before update on public.hp_worker_group
  for each row when (old.* is distinct from new.*) execute function hp_private.tg_hp_worker_group__revision();

revoke all on function hp_private.tg_hp_worker_group__revision from public;

comment on function hp_private.tg_hp_worker_group__revision is 'Moves the revision of a group that is new or was edited.';
