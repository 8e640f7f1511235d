-- Figures of each type of worker.
select worker_type, workers, alive, desired, minimum, critical, warning, jobs_active, jobs_processed, error_count, error_percent
from hp_worker_stats
order by critical desc, worker_type nulls last;
