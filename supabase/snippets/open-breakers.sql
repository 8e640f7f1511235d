-- Circuit breakers that are not closed: the reason, and when each tries again.
select worker_name, circuit_breaker_state, circuit_breaker_failures, circuit_breaker_opened_at, circuit_breaker_retry_at,
  circuit_breaker_reason
from hp_worker_status
where circuit_breaker_state <> 'closed'
order by circuit_breaker_opened_at;
