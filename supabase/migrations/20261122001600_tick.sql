-- The server's own pulse. It finds the workers that have fallen silent, keeps open pages up to date, and records that
-- it ran. One at a time however often it is called.

create or replace function hp_private.tick(at timestamptz) returns jsonb
language plpgsql set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_pulse hp_private.pulse;
  v_tick_every interval := make_interval(secs => coalesce(hp_private.setting('tick_every_s'), 5)::double precision);
  v_watched boolean;
  v_digest boolean;
  v_judged record;
  v_pace record;
begin
  if not pg_try_advisory_xact_lock(hashtext('hp_private.tick')) then
    return jsonb_build_object('ran', false);
  end if;
  select * into v_pulse from hp_private.pulse;

  if v_pulse.tick_at is null or at - v_pulse.tick_at > greatest(interval '30 seconds', 3 * v_tick_every) then
    v_pulse.ticking_since := at;
    v_pulse.watching_since := at;
    if v_pulse.tick_at is not null then
      if v_pulse.impaired_since is null then
        perform hp_private.watch_event(v_pulse.tick_at, 'watching', 'impaired', 'the tick did not run', '{}');
      end if;
      perform hp_private.watch_event(at, 'impaired', 'watching', format('the tick runs again, after %s: silence counts from now',
        hp_private.in_words(at - v_pulse.tick_at)),
        jsonb_build_object('impaired_s', round(extract(epoch from at - coalesce(v_pulse.impaired_since, v_pulse.tick_at)))));
      v_pulse.impaired_since := null;
    end if;
  elsif at - v_pulse.tick_at > 3 * v_tick_every then
    v_pulse.gap_ended_at := at;
    v_pulse.gap_s := extract(epoch from at - v_pulse.tick_at);
  end if;
  v_judged := hp_private.judge_silence(v_pulse, v_tick_every, at);

  -- A conflict is over when no superseded instance vouches for itself any more.
  with settled as materialized (
    select w.worker_name from public.hp_worker_status w
    where w.name_conflict_since is not null and not exists (
      select from public.hp_worker_instance i
      where i.worker_name = w.worker_name and i.instance_id <> w.instance_id and i.lease_expires_at > tick.at)
    order by w.worker_name for no key update skip locked
  )
  update public.hp_worker_status w set name_conflict_since = null from settled s where w.worker_name = s.worker_name;

  perform hp_private.release_leases(at);
  if v_pulse.commands_open then
    perform hp_private.follow_commands(at);
  end if;
  if v_pulse.followed_until > at then
    perform hp_private.follow_workers(at);
  end if;
  if v_pulse.seen_any then
    perform hp_private.forget_seen(at);
  end if;
  perform hp_private.prune(at);
  perform hp_private.prune_large_logs(v_pulse.logs_pruned_at, at);

  v_watched := coalesce(v_pulse.watched_until > at, false);
  v_digest := v_watched and (hp_private.digest_due(v_pulse.digest_at, v_tick_every, at)
    or v_judged.impaired_since is distinct from v_pulse.impaired_since or v_judged.watching_since > v_pulse.watching_since);
  select * into v_pace from hp_private.pace_fleet(v_pulse.stretch, at);
  update hp_private.pulse p set
    tick_at = tick.at, ticking_since = v_pulse.ticking_since, watching_since = v_judged.watching_since,
    impaired_since = v_judged.impaired_since, gap_ended_at = v_pulse.gap_ended_at, gap_s = v_pulse.gap_s,
    digest_at = case when v_digest then tick.at else p.digest_at end,
    live_workers = v_pace.live_workers, stretch = v_pace.stretch, activity_every_s = v_pace.activity_every_s
  where p.id;

  if v_digest then
    perform hp_private.send_digest('digest',
      greatest(v_pulse.digest_at, at - interval '5 minutes') - interval '10 seconds', at);
  elsif v_watched and v_judged.crashed is not null then
    perform hp_private.send_transition(v_judged.crashed);
  end if;
  perform hp_private.keep_history(at);
  return jsonb_build_object('ran', true, 'silent', coalesce(cardinality(v_judged.crashed), 0));
end
$$;

-- A page needs its digests even where a scheduler calls but once a minute.
create or replace function hp_private.tick_if_overdue(tick_at timestamptz, at timestamptz) returns void
language plpgsql set search_path = ''
as $$
begin
  -- note: the settings are looked up only past the shortest period that they are likely to have.
  if tick_at is null or (tick_at < at - interval '2 seconds' and tick_at < at - least(
    2 * make_interval(secs => coalesce(hp_private.setting('tick_every_s'), 5)::double precision),
    (select make_interval(secs => coalesce(hp_private.setting('digest_every_s'), 10)::double precision)
      from hp_private.pulse p where p.watched_until > tick_if_overdue.at)))
  then
    perform hp_private.tick(at);
  end if;
end
$$;

create or replace function public.hp_tick() returns jsonb
language sql security definer set search_path = ''
return hp_private.tick(now());

revoke all on function hp_private.tick(timestamptz) from public;
revoke all on function hp_private.tick_if_overdue(timestamptz, timestamptz) from public;
revoke all on function public.hp_tick() from public, anon, authenticated, service_role;
grant execute on function public.hp_tick() to service_role;
-- note: the scheduler alone; pg_cron runs it as its owner.

comment on function hp_private.tick(timestamptz) is 'hp_tick at a given time.';
comment on function hp_private.tick_if_overdue(timestamptz, timestamptz) is 'Runs the tick when whoever should run it is two periods late.';
comment on function public.hp_tick() is 'The watch''s pulse, for a scheduler: finds the silent, sends the digest. Returns {ran, silent}.';
