-- Job leases: which worker works on which key, and when it last reported.
select l.key, l.worker_name, l.token, l.claimed_at, w.last_heartbeat, w.hostname, w.pid, w.instance_id = l.instance_id as holds_the_row
from hp_job_lease l
  join hp_worker_status w using (worker_name)
order by l.claimed_at;
