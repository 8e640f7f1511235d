-- What people without an account may see: the public page, and the status line in other people's pages.

insert into public.hp_setting (key, value, description) values
  ('public_page', 'false', 'Whether anyone may see the status of workers marked public: true or false.'),
  ('frame_ancestors', '"''self''"', 'Which sites may embed the status line: sources of the directive frame-ancestors, as text.')
on conflict (key) do nothing;

-- Health as a text that carries nothing a worker wrote: its reasons hold error messages, and those hold secrets.
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

-- SECURITY DEFINER: anon has no right to anything else. Null while the page is off.
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

-- SECURITY DEFINER: an owner may write these two things and no other column or setting; the function checks the role.
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

  -- Whoever writes several workers locks them in the order of their names.
  perform from public.hp_worker_status w
  where w.is_public <> (w.worker_name = any (hp_set_public_page.workers))
  order by w.worker_name for update;
  update public.hp_worker_status w set is_public = not w.is_public
  where w.is_public <> (w.worker_name = any (hp_set_public_page.workers));
end
$$;

-- A key opens the status line and nothing else. Only its hash is kept, as with passwords: whoever reads the table, or a
-- copy of it, cannot use it. The key is 244 random bits, so there is nothing to guess and no need for a slow hash.
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
-- note: no role reads the hashes, and keys come and go through the functions below.

comment on table public.hp_embed_key is 'Keys that let a page embed the status line. A revoked one is gone.';
comment on column public.hp_embed_key.key_hash is 'SHA-256 of the key.';
comment on column public.hp_embed_key.id is 'By which it is revoked.';
comment on column public.hp_embed_key.label is 'Where it is used.';
comment on column public.hp_embed_key.created_at is 'When it was made.';
comment on column public.hp_embed_key.last_used_at is 'When it was last used, to the minute.';

-- What the status line is computed from: rules and texts are the page's own (src/lib/public/bar.ts). No text of a worker, no host,
-- no job: nothing that the line doesn't show.
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
        -- That there was an exit report, not what was in it.
        'last_exit', case when w.last_exit is not null then '{}'::jsonb end,
        'jobs_active', w.jobs_active, 'draining', nullif(w.draining, false),
        'poll_interval_s', w.poll_interval_s, 'last_run_at', w.last_run_at,
        'processed_count', w.processed_count, 'last_run_errors', w.last_run_errors, 'next_run_at', w.next_run_at,
        'grace_s', w.grace_s, 'max_run_s', w.max_run_s, 'circuit_breaker_open', w.circuit_breaker_open,
        'circuit_breaker_state', w.circuit_breaker_state, 'circuit_breaker_failures', w.circuit_breaker_failures,
        'event_loop_blocked_ms', w.event_loop_blocked_ms)) order by w.worker_name), '[]')
      from public.hp_worker_status w))
);

-- SECURITY DEFINER: the holder of a key reads this and nothing else, members need none; the function checks both.
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
    -- Once a minute, and without waiting for a lock.
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

-- SECURITY DEFINER: an owner may make keys and see each once; the function checks the role.
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

-- SECURITY DEFINER: an owner may revoke keys; the function checks the role.
create or replace function public.hp_revoke_embed_key(id uuid) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  perform hp_private.require_owner('revoke embed keys');
  delete from public.hp_embed_key k where k.id = hp_revoke_embed_key.id;
  return found;
end
$$;

-- SECURITY DEFINER: an owner may write this one setting; the function checks the role. The value goes into a header: sources are
-- checked here, and once more where the header is made.
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

revoke all on function hp_private.public_words, hp_private.bar from public;
revoke all on function
  public.hp_public_status, public.hp_set_public_page, public.hp_bar, public.hp_create_embed_key,
  public.hp_revoke_embed_key, public.hp_set_frame_ancestors
from public, anon, authenticated, service_role;
grant execute on function public.hp_public_status, public.hp_bar to anon, authenticated, service_role;
grant execute on function
  public.hp_set_public_page, public.hp_create_embed_key, public.hp_revoke_embed_key, public.hp_set_frame_ancestors
to authenticated, service_role;

comment on function hp_private.public_words is 'A rule of hp_worker_health as a text for the public.';
comment on function public.hp_public_status is 'Name, level, words, last_seen and uptime of the workers marked public; null while the public page is off. Anyone may ask.';
comment on function public.hp_set_public_page is 'Shows or hides the public page, and marks exactly these workers public. Errors: PT400 null, PT403 not an owner.';
comment on function hp_private.bar is 'What the status line is computed from, at a time.';
comment on function public.hp_bar is 'What the status line is computed from, for a member or the holder of an embed key. Errors: PT401 no such key, PT403 not a member.';
comment on function public.hp_create_embed_key is 'Makes a key for the status line and returns it, this once. Errors: PT400 label, PT403 not an owner.';
comment on function public.hp_revoke_embed_key is 'Removes a key for the status line; whether there was one. Errors: PT403 not an owner.';
comment on function public.hp_set_frame_ancestors is 'Sets which sites may embed the status line. Errors: PT400 sources, PT403 not an owner.';
