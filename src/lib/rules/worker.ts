import { FOREVER } from '../time/wording.ts';
import {
  anything,
  flag,
  list,
  maybe,
  number,
  oneOf,
  record,
  safeText,
  text,
  type Shape,
} from './wire-reader.ts';

/** In the order of the status codes of a beat tuple (docs/wire.md). */
export const STATUSES = [
  'unknown',
  'starting',
  'idle',
  'processing',
  'running',
  'error',
  'stopping',
  'stopped',
  'crashed',
] as const;

export type Status = (typeof STATUSES)[number];

const optionalText = maybe(safeText);
const count = maybe(number);
const instant = maybe(text);

/** A worker on the wire: column names, nulls left out. Unknown columns are ignored, so the database may gain some first. */
export const workerRow = record({
  worker_id: number,
  worker_name: text,
  worker_type: optionalText,
  kind: oneOf(['resident', 'scheduled']),
  description: optionalText,
  expected: flag,
  paused_until: instant,
  paused_reason: optionalText,
  seen_at: instant,
  instance_id: optionalText,
  started_at: instant,
  hostname: optionalText,
  pid: count,
  version: optionalText,
  runtime: optionalText,
  parts: maybe(list(text)),
  last_exit: anything,
  name_conflict_since: instant,
  status: oneOf(STATUSES),
  status_since: instant,
  status_reason: optionalText,
  last_heartbeat: instant,
  heartbeat_interval_s: number,
  requested_interval_s: count,
  interval_override_s: count,
  late_after_intervals: number,
  lost_after_intervals: number,
  lease_expires_at: instant,
  clock_skew_ms: count,
  revision: number,
  draining: maybe(flag),
  jobs_active: count,
  current_status: optionalText,
  current_job_id: optionalText,
  current_job_type: optionalText,
  status_updated_at: instant,
  poll_interval_s: count,
  last_run_at: instant,
  last_run_duration_ms: count,
  processed_count: count,
  last_run_errors: count,
  next_run_at: instant,
  grace_s: count,
  max_run_s: count,
  schedule: optionalText,
  jobs_processed: count,
  error_count: count,
  last_error: optionalText,
  last_error_at: instant,
  circuit_breaker_open: maybe(flag),
  circuit_breaker_state: maybe(oneOf(['closed', 'open', 'half_open'])),
  circuit_breaker_failures: count,
  circuit_breaker_threshold: count,
  circuit_breaker_opened_at: instant,
  circuit_breaker_retry_at: instant,
  circuit_breaker_reason: optionalText,
  cpu_percent: count,
  memory_percent: count,
  memory_rss_bytes: count,
  event_loop_lag_ms: count,
  event_loop_blocked_ms: count,
});

export type WorkerRow = Shape<typeof workerRow>;

export function toWorker(row: WorkerRow) {
  return {
    id: row.worker_id,
    name: row.worker_name,
    /** The group: workers that do the same work. */
    type: row.worker_type || null,
    kind: row.kind,
    description: row.description ?? null,
    expected: row.expected,
    pausedUntil: toDate(row.paused_until),
    pausedReason: row.paused_reason ?? null,
    /** When a person marked its trouble as seen; valid until its next transition. */
    seenAt: toDate(row.seen_at),

    instanceId: row.instance_id ?? null,
    startedAt: toDate(row.started_at),
    hostname: row.hostname ?? null,
    pid: row.pid ?? null,
    version: row.version ?? null,
    runtime: row.runtime ?? null,
    /** The optional files of the heartbeat module that the process carries; null if it names none. */
    parts: row.parts ?? null,
    lastExit: toLastExit(row.last_exit),
    nameConflictSince: toDate(row.name_conflict_since),

    status: row.status,
    statusSince: toDate(row.status_since),
    statusReason: row.status_reason ?? null,
    lastHeartbeat: toDate(row.last_heartbeat),
    /** The interval in force. */
    intervalSeconds: row.heartbeat_interval_s,
    /** The interval that the worker requested; null if none. */
    requestedIntervalSeconds: row.requested_interval_s ?? null,
    /** The interval that a person has set for this worker. */
    intervalOverrideSeconds: row.interval_override_s ?? null,
    /** Number of silent intervals until late (yellow) and crashed (red). */
    lateAfter: row.late_after_intervals,
    lostAfter: row.lost_after_intervals,
    leaseExpiresAt: toDate(row.lease_expires_at),
    clockSkewMs: row.clock_skew_ms ?? null,
    revision: row.revision,

    /** An operator has requested that it takes no more work for now. */
    draining: row.draining ?? false,
    jobsActive: row.jobs_active ?? 0,
    activity: row.current_status ?? null,
    activitySince: toDate(row.status_updated_at),
    jobId: row.current_job_id ?? null,
    jobType: row.current_job_type ?? null,
    jobsProcessed: row.jobs_processed ?? 0,
    errorCount: row.error_count ?? 0,
    lastError: row.last_error ?? null,
    lastErrorAt: toDate(row.last_error_at),

    pollIntervalSeconds: row.poll_interval_s ?? null,
    lastRunAt: toDate(row.last_run_at),
    lastRunDurationMs: row.last_run_duration_ms ?? null,
    lastRunProcessed: row.processed_count ?? null,
    lastRunErrors: row.last_run_errors ?? null,
    nextRunAt: toDate(row.next_run_at),
    // The columns' defaults.
    /** How late a scheduled run may start, and how long it may take. */
    graceSeconds: row.grace_s ?? 300,
    maxRunSeconds: row.max_run_s ?? 3600,
    schedule: row.schedule ?? null,

    breaker: {
      // A plain upsert may set only the flag.
      state: row.circuit_breaker_open ? 'open' : (row.circuit_breaker_state ?? 'closed'),
      failures: row.circuit_breaker_failures ?? 0,
      threshold: row.circuit_breaker_threshold ?? null,
      openedAt: toDate(row.circuit_breaker_opened_at),
      retryAt: toDate(row.circuit_breaker_retry_at),
      reason: row.circuit_breaker_reason ?? null,
    },

    cpuPercent: row.cpu_percent ?? null,
    memoryPercent: row.memory_percent ?? null,
    memoryBytes: row.memory_rss_bytes ?? null,
    eventLoopLagMs: row.event_loop_lag_ms ?? null,
    eventLoopBlockedMs: row.event_loop_blocked_ms ?? null,
  };
}

/**
 * One worker on the page. Only {@link toWorker} creates it, from a wire row. Never modified, only replaced, so that a row is
 * rendered again exactly when its worker is a new object.
 */
export type Worker = Readonly<ReturnType<typeof toWorker>>;

export type Breaker = Readonly<Worker['breaker']>;

/** Reads a timestamptz from JSON of PostgreSQL. */
export function toDate(value: string | null | undefined): Date | null {
  if (value == null) return null;
  if (value === 'infinity') return FOREVER;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

export type LastExit = Readonly<NonNullable<ReturnType<typeof toLastExit>>>;

export function toLastExit(wire: unknown) {
  if (typeof wire !== 'object' || wire === null) return null;
  // The worker wrote this object, so only values with the expected type are used.
  const exit = wire as Record<string, unknown>;
  const string = (value: unknown) => (typeof value === 'string' ? safeText(value) : null);
  const integer = (value: unknown) => (typeof value === 'number' ? value : null);
  return {
    code: integer(exit.code),
    signal: string(exit.signal),
    drainMs: integer(exit.drain_ms),
    abandonedJob: string(exit.abandoned_job),
    error: string(exit.error),
  };
}
