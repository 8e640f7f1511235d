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

/**
 * One worker on the page. Only {@link toWorker} creates it, from a wire row. Never modified, only replaced, so that a row is
 * rendered again exactly when its worker is a new object.
 */
export interface Worker {
  readonly id: number;
  readonly name: string;
  /** The group: workers that do the same work. */
  readonly type: string | null;
  readonly kind: 'resident' | 'scheduled';
  readonly description: string | null;
  readonly expected: boolean;
  readonly pausedUntil: Date | null;
  readonly pausedReason: string | null;
  /** When a person marked its trouble as seen; valid until its next transition. */
  readonly seenAt: Date | null;

  readonly instanceId: string | null;
  readonly startedAt: Date | null;
  readonly hostname: string | null;
  readonly pid: number | null;
  readonly version: string | null;
  readonly runtime: string | null;
  /** The optional files of the heartbeat module that the process carries; null if it names none. */
  readonly parts: readonly string[] | null;
  readonly lastExit: LastExit | null;
  readonly nameConflictSince: Date | null;

  readonly status: Status;
  readonly statusSince: Date | null;
  readonly statusReason: string | null;
  readonly lastHeartbeat: Date | null;
  /** The interval in force. */
  readonly intervalSeconds: number;
  /** The interval that the worker requested; null if none. */
  readonly requestedIntervalSeconds: number | null;
  /** The interval that a person has set for this worker. */
  readonly intervalOverrideSeconds: number | null;
  /** Number of silent intervals until late (yellow) and crashed (red). */
  readonly lateAfter: number;
  readonly lostAfter: number;
  readonly leaseExpiresAt: Date | null;
  readonly clockSkewMs: number | null;
  readonly revision: number;

  /** An operator has requested that it takes no more work for now. */
  readonly draining: boolean;
  readonly jobsActive: number;
  readonly activity: string | null;
  readonly activitySince: Date | null;
  readonly jobId: string | null;
  readonly jobType: string | null;
  readonly jobsProcessed: number;
  readonly errorCount: number;
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;

  readonly pollIntervalSeconds: number | null;
  readonly lastRunAt: Date | null;
  readonly lastRunDurationMs: number | null;
  readonly lastRunProcessed: number | null;
  readonly lastRunErrors: number | null;
  readonly nextRunAt: Date | null;
  /** How late a scheduled run may start, and how long it may take. */
  readonly graceSeconds: number;
  readonly maxRunSeconds: number;
  readonly schedule: string | null;

  readonly breaker: Breaker;

  readonly cpuPercent: number | null;
  readonly memoryPercent: number | null;
  readonly memoryBytes: number | null;
  readonly eventLoopLagMs: number | null;
  readonly eventLoopBlockedMs: number | null;
}

export interface Breaker {
  readonly state: 'closed' | 'open' | 'half_open';
  readonly failures: number;
  readonly threshold: number | null;
  readonly openedAt: Date | null;
  readonly retryAt: Date | null;
  readonly reason: string | null;
}

export interface LastExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly drainMs: number | null;
  readonly abandonedJob: string | null;
  readonly error: string | null;
}

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

export function toWorker(row: WorkerRow): Worker {
  return {
    id: row.worker_id,
    name: row.worker_name,
    type: row.worker_type || null,
    kind: row.kind,
    description: row.description ?? null,
    expected: row.expected,
    pausedUntil: toDate(row.paused_until),
    pausedReason: row.paused_reason ?? null,
    seenAt: toDate(row.seen_at),

    instanceId: row.instance_id ?? null,
    startedAt: toDate(row.started_at),
    hostname: row.hostname ?? null,
    pid: row.pid ?? null,
    version: row.version ?? null,
    runtime: row.runtime ?? null,
    parts: row.parts ?? null,
    lastExit: toLastExit(row.last_exit),
    nameConflictSince: toDate(row.name_conflict_since),

    status: row.status,
    statusSince: toDate(row.status_since),
    statusReason: row.status_reason ?? null,
    lastHeartbeat: toDate(row.last_heartbeat),
    intervalSeconds: row.heartbeat_interval_s,
    requestedIntervalSeconds: row.requested_interval_s ?? null,
    intervalOverrideSeconds: row.interval_override_s ?? null,
    lateAfter: row.late_after_intervals,
    lostAfter: row.lost_after_intervals,
    leaseExpiresAt: toDate(row.lease_expires_at),
    clockSkewMs: row.clock_skew_ms ?? null,
    revision: row.revision,

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

/** Reads a timestamptz from JSON of PostgreSQL. */
export function toDate(value: string | null | undefined): Date | null {
  if (value == null) return null;
  if (value === 'infinity') return FOREVER;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function toLastExit(wire: unknown): LastExit | null {
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
