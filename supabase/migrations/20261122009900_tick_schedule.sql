-- Who runs hp_tick(). Where there is pg_cron, as on hosted projects, it does: every 5 seconds where it takes seconds (1.5
-- and later), each minute where it does not. Elsewhere something must call it: see docs/scheduling.md.
--
-- It never fails: a database without a scheduler is a whole one, whose beats and open pages run an overdue tick. Jobs of
-- these names that exist are left as they are, for somebody may have set another pace.
create or replace function hp_private.schedule_tick() returns text
language plpgsql set search_path = ''
as $$
declare
  v_command constant text := 'select public.hp_tick()';
  v_schedule text;
  v_period integer := 5;
begin
  if not exists (
    select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'cron' and p.proname = 'schedule' and p.pronargs = 3)
  then
    if not exists (select from pg_catalog.pg_available_extensions e where e.name = 'pg_cron') then
      return 'not scheduled: there is no pg_cron here';
    end if;
    begin
      create extension pg_cron with schema pg_catalog;
    exception when others then
      -- Not preloaded, not ours to create, or at home in another database of this server.
      return 'not scheduled: ' || sqlerrm;
    end;
  end if;

  begin
    execute 'select schedule from cron.job where jobname = $1' into v_schedule using 'lastseen-tick';
    if v_schedule is not null then
      return 'scheduled already: ' || v_schedule;
    end if;
    begin
      v_schedule := '5 seconds';
      execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick', v_schedule, v_command;
    exception when others then
      v_schedule := '* * * * *';
      v_period := 60;
      execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick', v_schedule, v_command;
    end;
    -- pg_cron keeps a row for each run and clears none: 17,280 a day.
    execute 'select cron.schedule($1, $2, $3)' using 'lastseen-tick-history', '17 3 * * *',
      'delete from cron.job_run_details d using cron.job j
       where j.jobid = d.jobid and j.jobname in (''lastseen-tick'', ''lastseen-tick-history'') and d.end_time < now() - interval ''1 day''';
  exception when others then
    return 'not scheduled: ' || sqlerrm;
  end;

  -- The tick must know how often it is run. A shorter period is that of somebody else's scheduler; 5 is what a new
  -- installation begins with.
  update public.hp_setting s set value = to_jsonb(v_period)
  where s.key = 'tick_every_s' and jsonb_typeof(s.value) = 'number'
    and (s.value::numeric > v_period or (s.value = '5' and v_period <> 5));
  return 'scheduled: ' || v_schedule;
end
$$;

revoke all on function hp_private.schedule_tick() from public;
-- note: granted to nobody; its owner runs it in the SQL editor after enabling pg_cron.

comment on function hp_private.schedule_tick() is 'Has pg_cron run hp_tick(), where there is one; returns in words what came of it. Safe to run again.';

do $$
begin
  raise notice 'hp_tick() is %', hp_private.schedule_tick();
end
$$;
