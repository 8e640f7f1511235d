import type { Level, Rule } from '../rules/health.ts';
import { toRow } from '../rules/row.ts';
import type { Snapshot } from '../rules/message.ts';
import { runText } from '../rules/run-wording.ts';
import { isAlive, tallyByType, total } from '../rules/tally.ts';
import { monitorOf } from '../rules/monitor.ts';
import type { Breaker, Status, Worker } from '../rules/worker.ts';
import { FOREVER } from '../time/wording.ts';

export interface WorkerJson {
  worker_name: string;
  worker_type: string | null;
  kind: 'resident' | 'scheduled';
  /** Whether the worker should be running; replicas may come and go. */
  expected: boolean;
  /** Whether the worker is alive, by its last beat. */
  running: boolean;
  health: { level: Level; rule: Rule; reason: string };
  /** Its runs, in at most 50 characters: "5m ago (12 new)", "running…", "next 3h". */
  words: string;
  /** The stored status; `health` has its current meaning. */
  status: Status;
  status_since: string | null;
  last_heartbeat: string | null;
  paused_until: string | null;
  last_run_at: string | null;
  last_run_duration_ms: number | null;
  /** In the last run. */
  processed_count: number | null;
  last_run_errors: number | null;
  next_run_at: string | null;
  schedule: string | null;
  /** Lifetime total over all processes. */
  jobs_processed: number;
  error_count: number;
  jobs_active: number;
  current_status: string | null;
  current_job_id: string | null;
  current_job_type: string | null;
  last_error: string | null;
  last_error_at: string | null;
  circuit_breaker_state: Breaker['state'];
  version: string | null;
  hostname: string | null;
}

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
      running: isAlive(worker, monitor),
      health: { level, rule, reason },
      words: runText(worker, { level, rule, reason }, header.now.getTime()).text,
    })),
  };
}

/** The response of /api/fleet.json (docs/api.md). Names are the column names where possible. Times are ISO 8601. */
export type FleetJson = ReturnType<typeof fleetJson>;

function columns(worker: Worker): Omit<WorkerJson, 'running' | 'health' | 'words'> {
  return {
    worker_name: worker.name,
    worker_type: worker.type,
    kind: worker.kind,
    expected: worker.expected,
    status: worker.status,
    status_since: iso(worker.statusSince),
    last_heartbeat: iso(worker.lastHeartbeat),
    paused_until: iso(worker.pausedUntil),
    last_run_at: iso(worker.lastRunAt),
    last_run_duration_ms: worker.lastRunDurationMs,
    processed_count: worker.lastRunProcessed,
    last_run_errors: worker.lastRunErrors,
    next_run_at: iso(worker.nextRunAt),
    schedule: worker.schedule,
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
