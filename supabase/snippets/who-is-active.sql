-- Active workers, and what each is doing.
select worker_name, worker_type, status, level, seconds_since_heartbeat, current_status, current_job_id, hostname
from hp_active_workers
order by worker_type nulls last, worker_name;
