-- Who is dead, since when, and what to do about it. Paused workers are not among them.
select worker_name, worker_type, dead_since, seconds_since_heartbeat, reason, last_error, hostname, restart_hint
from hp_dead_workers
order by expected desc, dead_since;
