-- What happened in the last hour, newest first. An event without a worker is one of the watch itself.
select at, coalesce(worker_name, '(the watch)') as who, type, from_value, to_value, reason
from hp_worker_event
where at > now() - interval '1 hour'
order by at desc, id desc;
