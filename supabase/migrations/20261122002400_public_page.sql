-- What anyone may know: name, health, last seen and uptime of the workers that owners marked public, and only while they show
-- the public page. Off until an owner says otherwise.
insert into public.hp_setting (key, value, description) values
  ('public_page', 'false', 'Whether anyone may see the status of workers marked public: true or false.')
on conflict (key) do nothing;

-- Health in words that carry nothing a worker wrote: its reasons hold error messages, and those hold secrets.
create or replace function hp_private.public_words(rule text, kind text) returns text
language sql immutable set search_path = ''
return case rule
  when 'fine' then case when kind = 'scheduled' then 'on schedule' else 'running' end
  when 'paused' then 'paused'
  when 'stopped' then 'stopped'
  when 'stopped-but-expected' then 'stopped'
  when 'never-reported' then 'never reported'
  when 'not-watched' then 'not watched'
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
      cross join hp_private.pulse p
      left join public.hp_worker_group g on g.worker_type = w.worker_type
      cross join lateral hp_private.worker_health(
        w, now(), p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h
      cross join lateral hp_private.uptime(w.worker_id, now()) u
    where w.is_public));
end
$$;

-- SECURITY DEFINER: an owner may write these two things and no other column or setting; it asks for the role.
create or replace function public.hp_set_public_page(shown boolean, workers text[]) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role'
    and hp_private.member_role() is distinct from 'owner' then
    raise exception 'only an owner may change the public page' using errcode = 'PT403';
  end if;
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

revoke all on function hp_private.public_words(text, text) from public;
revoke all on function public.hp_public_status() from public, anon, authenticated, service_role;
revoke all on function public.hp_set_public_page(boolean, text[]) from public, anon, authenticated, service_role;
grant execute on function public.hp_public_status() to anon, authenticated, service_role;
grant execute on function public.hp_set_public_page(boolean, text[]) to authenticated, service_role;

comment on function hp_private.public_words(text, text) is 'A rule of hp_worker_health in words for anyone.';
comment on function public.hp_public_status() is 'Name, level, words, last_seen and uptime of the workers marked public; null while the public page is off. Anyone may ask.';
comment on function public.hp_set_public_page(boolean, text[]) is 'Shows or hides the public page, and marks exactly these workers public. Errors: PT400 null, PT403 not an owner.';
