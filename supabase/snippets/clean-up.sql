-- Removes workers that stopped or crashed more than an hour ago and are not expected back: replicas, one-off processes.
-- (The tick does so after a day: setting cleanup_after_s.) An expected worker stays until somebody deletes its row.
select hp_cleanup_stale_workers(older_than => '60 minutes');
