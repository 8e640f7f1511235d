-- What a page asks for: the whole fleet at one instant, and that somebody is watching.

-- Security invoker, so that row level security decides; a stranger gets an error rather than an empty fleet.
create or replace function public.hp_fleet() returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  -- Two conditions, not one: the right to call is_member() is checked before "and" can pass over it, and the secret key has none.
  if current_user = 'authenticated' then
    if not hp_private.is_member() then
      raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403',
        hint = 'An owner can add you: select hp_add_member(''you@example.com'');';
    end if;
  end if;
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

-- SECURITY DEFINER: a viewer may say that it watches and may write nothing else. A hidden tab calls late, hence the
-- long time for which one call counts.
create or replace function public.hp_watch() returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_pulse hp_private.pulse;
begin
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role' and not hp_private.is_member() then
    raise exception 'you are signed in, but not a member of this Lastseen' using errcode = 'PT403';
  end if;
  update hp_private.pulse p
  set watched_until = now() + make_interval(secs => coalesce(hp_private.setting('watch_lasts_s'), 150)::double precision)
  where p.id
  returning * into v_pulse;
  perform hp_private.tick_if_overdue(v_pulse.tick_at, now());
  return jsonb_build_object('now', now(), 'watched_until', v_pulse.watched_until, 'tick_at', v_pulse.tick_at);
end
$$;

revoke all on function public.hp_fleet() from public, anon, authenticated, service_role;
revoke all on function public.hp_watch() from public, anon, authenticated, service_role;
grant execute on function public.hp_fleet() to authenticated, service_role;
grant execute on function public.hp_watch() to authenticated, service_role;

comment on function public.hp_fleet() is 'Snapshot of the fleet: header, workers and groups, from one instant. Errors: PT403 not a member.';
comment on function public.hp_watch() is 'Says that somebody watches; messages flow only then. Call once a minute. Errors: PT403 not a member.';
