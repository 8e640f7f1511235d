-- Events of the last hour, newest first. An event without a worker belongs to the monitor.
select at, coalesce(worker_name, '(monitor)') as worker, type, from_value, to_value, reason
from hp_worker_event
where at > now() - interval '1 hour'
order by at desc, id desc;
