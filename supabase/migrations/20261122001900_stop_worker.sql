-- Marks a worker as stopped by hand: for a script that takes a process down, or an operator who knows that it is gone.
-- Should the process live after all, its next beat says so.
create or replace function public.hp_stop_worker(worker_name text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' set application_name = 'lastseen own write'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_worker public.hp_worker_status;
  v_pulse hp_private.pulse;
begin
  -- SECURITY DEFINER, so the role is asked for here: an operator may, a viewer may not.
  if coalesce(nullif(auth.role(), ''), 'service_role') <> 'service_role' and coalesce(hp_private.member_role(), '') not in ('operator', 'owner') then
    raise exception 'only an operator or an owner may stop a worker' using errcode = 'PT403';
  end if;
  if char_length(hp_stop_worker.reason) > 500 then
    raise exception 'reason is % characters long; at most 500', char_length(hp_stop_worker.reason)
      using errcode = 'PT400';
  end if;

  update public.hp_worker_status w set
    status = 'stopped', status_since = case when w.status = 'stopped' then w.status_since else now() end,
    status_reason = coalesce(hp_stop_worker.reason, 'marked as stopped'),
    lease_expires_at = null, jobs_active = 0, current_status = null, current_job_id = null, current_job_type = null,
    last_exit = null, status_updated_at = now(), activity_seen_at = clock_timestamp()
  where w.worker_name = hp_stop_worker.worker_name
  returning * into v_worker;
  if not found then
    raise exception 'there is no worker named %', hp_stop_worker.worker_name using errcode = 'PT404';
  end if;

  select * into v_pulse from hp_private.pulse;
  if v_pulse.watched_until > now() then
    perform hp_private.tell(array[v_worker.worker_name], v_began, v_pulse.activity_every_s);
  end if;
  return jsonb_build_object('worker_name', v_worker.worker_name, 'status', v_worker.status,
    'status_since', v_worker.status_since);
end
$$;

revoke all on function public.hp_stop_worker(text, text) from public, anon, authenticated, service_role;
grant execute on function public.hp_stop_worker(text, text) to authenticated, service_role;

comment on function public.hp_stop_worker(text, text) is 'Marks a worker as stopped. Errors: PT400 reason too long, PT403 not an operator, PT404 no such worker.';
