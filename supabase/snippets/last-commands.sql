-- Commands of the last 30 days: who requested them, for which worker or group, and the outcome.
select c.requested_at, coalesce(u.email, c.requested_as) as requested_by,
  coalesce(c.worker_name, 'group ' || c.worker_type) as target, c.command, nullif(c.args, '{}') as args, c.reason,
  c.state, c.message, c.finished_at - c.requested_at as took, c.tries
from hp_worker_command c
left join auth.users u on u.id = c.requested_by
where c.requested_at > now() - interval '30 days'
order by c.id desc;
