-- Removes workers that stopped or crashed more than an hour ago and are not expected: replicas, one-off processes.
-- (The tick removes them after a day: setting cleanup_after_s.) An expected worker stays until its row is deleted.
select hp_cleanup_stale_workers(older_than => '60 minutes');
