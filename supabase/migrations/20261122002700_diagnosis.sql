-- What `npm run doctor` asks of a database: facts, no judgement. What they should be is known to the one who asks, from
-- the migrations that lie beside it.
--
-- SECURITY DEFINER because pg_cron shows its jobs to their owner alone, and hp_private its state to nobody. For the
-- secret key only. It changes nothing, and runs no tick: that would hide that nobody else does.
create or replace function public.hp_diagnosis() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_job jsonb;
begin
  -- pg_cron's tables are there only where it is.
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

  return jsonb_build_object(
    'now', clock_timestamp(),
    'server_version', current_setting('server_version'),
    'cron', jsonb_build_object(
      'available', exists (select from pg_catalog.pg_available_extensions e where e.name = 'pg_cron'),
      'job', v_job),
    'tick', (
      select jsonb_build_object('age_s', extract(epoch from clock_timestamp() - p.tick_at),
        'every_s', hp_private.setting('tick_every_s'), 'impaired_since', p.impaired_since)
      from hp_private.pulse p),
    'history', (
      select jsonb_build_object('failed_since', h.failed_at, 'failure', h.failure) from hp_private.history h),
    'digest_every_s', hp_private.setting('digest_every_s'),
    -- What is there, and who may use it.
    'objects', (
      select jsonb_object_agg(o.name, o.rights) from (
        select n.nspname || '.' || p.proname as name, (
          select coalesce(jsonb_agg(distinct a.grantee::regrole::text || ' execute'), '[]')
          from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> 0) as rights
        from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'hp_private' or (n.nspname = 'public' and p.proname like 'hp\_%')
        union all
        select n.nspname || '.' || c.relname, (
          select coalesce(jsonb_agg(a.grantee::regrole::text || ' ' || lower(a.privilege_type)), '[]')
          from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a where a.grantee <> 0)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v') and not c.relispartition and (n.nspname = 'hp_private' or (n.nspname = 'public' and c.relname like 'hp\_%'))
      ) o),
    'unguarded', (
      select coalesce(jsonb_agg(c.relname order by c.relname), '[]')
      from pg_catalog.pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname like 'hp\_%' and not c.relrowsecurity),
    'policies', (
      select coalesce(jsonb_agg(p.policyname order by p.policyname), '[]') from pg_catalog.pg_policies p
      where p.schemaname = 'realtime' and p.tablename = 'messages'),
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

revoke all on function public.hp_diagnosis() from public, anon, authenticated, service_role;
grant execute on function public.hp_diagnosis() to service_role;

comment on function public.hp_diagnosis() is 'Facts about this installation for npm run doctor: objects and their rights, the tick, pg_cron, members, workers in doubt. Changes nothing.';
