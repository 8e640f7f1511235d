-- What people asked of workers in the last 30 days, and what came of it.
select c.requested_at, coalesce(u.email, c.requested_as) as requested_by,
  coalesce(c.worker_name, 'group ' || c.worker_type) as of_whom, c.command, nullif(c.args, '{}') as args, c.reason,
  c.state, c.message, c.finished_at - c.requested_at as took, c.tries
from hp_worker_command c
left join auth.users u on u.id = c.requested_by
where c.requested_at > now() - interval '30 days'
order by c.id desc;
