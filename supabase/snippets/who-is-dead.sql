-- Dead workers: since when, why, and how to restart them. Paused workers are not listed.
select worker_name, worker_type, dead_since, seconds_since_heartbeat, reason, last_error, hostname, restart_hint
from hp_dead_workers
order by expected desc, dead_since;
