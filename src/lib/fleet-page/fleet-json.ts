import { toRow } from '../rules/row.ts';
import type { Snapshot } from '../rules/message.ts';
import { runText } from '../rules/run-wording.ts';
import { isAlive, tallyByType, total } from '../rules/tally.ts';
import { monitorOf } from '../rules/monitor.ts';
import type { Worker } from '../rules/worker.ts';
import { FOREVER } from '../time/wording.ts';

/** The fleet for scripts: rows with their current health. Pure. */
export function fleetJson({ header, workers, groups }: Snapshot) {
  const monitor = monitorOf(header);
  const settings = new Map(groups.map((group) => [group.type, group]));
  const rows = workers.map((worker) => toRow(worker, monitor, settings));
  const { alive, expected } = total(tallyByType(rows, monitor, settings).values());
  return {
    now: header.now.toISOString(),
    /** Workers that should be running, and how many of them are: "5/5 running". */
    running: alive,
    expected,
    /** Since when the monitor is impaired; null normally. */
    impaired_since: iso(header.impairedSince),
    /** The monitor's last check. */
    tick_at: iso(header.tickAt),
    workers: rows.map(({ worker, health: { level, rule, reason } }) => ({
      ...columns(worker),
      /** Whether the worker is alive, by its last beat. */
      running: isAlive(worker, monitor),
      health: { level, rule, reason },
      /** Its runs, in at most 50 characters: "5m ago (12 new)", "running…", "next 3h". */
      words: runText(worker, { level, rule, reason }, header.now.getTime()).text,
    })),
  };
}

/** The response of /api/fleet.json (docs/api.md). Names are the column names where possible. Times are ISO 8601. */
export type FleetJson = ReturnType<typeof fleetJson>;

function columns(worker: Worker) {
  return {
    worker_name: worker.name,
    worker_type: worker.type,
    kind: worker.kind,
    /** Whether the worker should be running; replicas may come and go. */
    expected: worker.expected,
    /** The stored status; `health` has its current meaning. */
    status: worker.status,
    status_since: iso(worker.statusSince),
    last_heartbeat: iso(worker.lastHeartbeat),
    paused_until: iso(worker.pausedUntil),
    last_run_at: iso(worker.lastRunAt),
    last_run_duration_ms: worker.lastRunDurationMs,
    /** In the last run. */
    processed_count: worker.lastRunProcessed,
    last_run_errors: worker.lastRunErrors,
    next_run_at: iso(worker.nextRunAt),
    schedule: worker.schedule,
    /** Lifetime total over all processes. */
    jobs_processed: worker.jobsProcessed,
    error_count: worker.errorCount,
    jobs_active: worker.jobsActive,
    current_status: worker.activity,
    current_job_id: worker.jobId,
    current_job_type: worker.jobType,
    last_error: worker.lastError,
    last_error_at: iso(worker.lastErrorAt),
    circuit_breaker_state: worker.breaker.state,
    version: worker.version,
    hostname: worker.hostname,
  };
}

/** PostgreSQL's "infinity" means: paused until further notice. */
function iso(date: Date | null): string | null {
  if (date === null) return null;
  return date.getTime() === FOREVER.getTime() ? 'infinity' : date.toISOString();
}
