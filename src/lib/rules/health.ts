import { absolute, ago, lasting, span } from '../time/wording.ts';
import type { Monitor } from './monitor.ts';
import { isPaused, type Pause } from './pause.ts';
import type { Worker } from './worker.ts';

export type Level = 'healthy' | 'warning' | 'critical' | 'inactive' | 'unknown';

/** The health of a worker at one instant. */
export interface Health {
  readonly level: Level;
  /** The matching rule. The page chooses text and icon by it, never by the stored status alone. */
  readonly rule: Rule;
  /** The reason, for people. Empty if there is nothing to explain. */
  readonly reason: string;
  /** Start of the silence, if that is the reason. The page counts from there by its own clock. */
  readonly silentSince?: Date;
}

export type Rule =
  | 'paused'
  | 'stopped'
  | 'never-reported'
  | 'not-monitored'
  | 'crashed'
  | 'stopped-but-expected'
  | 'silent'
  | 'breaker-open'
  | 'error'
  | 'run-errors'
  | 'stuck'
  | 'overdue'
  | 'not-scheduled'
  | 'starting'
  | 'stopping'
  | 'late'
  | 'run-late'
  | 'draining'
  | 'no-run-yet'
  | 'due'
  | 'breaker-half-open'
  | 'event-loop'
  | 'fine';

/** The health of most workers, one object for all of them. */
const FINE: Health = { level: 'healthy', rule: 'fine', reason: '' };

/** How long an expected worker may be `stopped` before it is critical: the time of a deploy. */
export const STOPPED_GRACE_MS = 60_000;

/** "No run" is late and stuck at the same multiples as silence has by default. */
const RUN_LATE_AFTER = 2;
const RUN_STUCK_AFTER = 5;

/** A blocked event loop can't beat, answer or handle a signal. */
export const EVENT_LOOP_BLOCKED_LIMIT_MS = 1_000;

/**
 * The health of a worker at one instant. Pure; the same rules as `hp_worker_health` in SQL, with the same order and texts. The
 * first match wins, and at exactly k times an interval the worse level holds (the health table of the design).
 *
 * @param group the settings of its group, if any
 */
export function workerHealth(worker: Worker, monitor: Monitor, group?: Pause | null): Health {
  return (
    inactive(worker, monitor, group) ??
    unknown(worker, monitor) ??
    critical(worker, monitor) ??
    warning(worker, monitor) ??
    FINE
  );
}

/** Whether the stored status means a process that is alive. */
export function claimsLife({ status }: Worker): boolean {
  return status !== 'unknown' && status !== 'stopped' && status !== 'crashed';
}

function inactive(worker: Worker, monitor: Monitor, group?: Pause | null): Health | null {
  if (isPaused(worker, monitor)) {
    return { level: 'inactive', rule: 'paused', reason: worker.pausedReason ?? 'paused' };
  }
  if (group && isPaused(group, monitor)) {
    return { level: 'inactive', rule: 'paused', reason: group.pausedReason ?? 'its group is paused' };
  }
  if (worker.status === 'stopped' && !worker.expected) {
    return { level: 'inactive', rule: 'stopped', reason: stopText(worker) };
  }
  return null;
}

function unknown(worker: Worker, { at, impairedSince }: Monitor): Health | null {
  if (worker.status === 'unknown' || !worker.lastHeartbeat) {
    return { level: 'unknown', rule: 'never-reported', reason: 'never reported' };
  }
  // A scheduled worker has a lease while its process is not running, too.
  const vouched = claimsLife(worker) || waits(worker);
  if (impairedSince && vouched && worker.leaseExpiresAt && worker.leaseExpiresAt <= at) {
    return {
      level: 'unknown',
      rule: 'not-monitored',
      reason: `not monitored since ${absolute(impairedSince)}`,
    };
  }
  return null;
}

function critical(worker: Worker, monitor: Monitor): Health | null {
  const bad = (rule: Rule, reason: string): Health => ({ level: 'critical', rule, reason });

  if (worker.status === 'crashed') {
    if (!foundByTick(worker)) return bad('crashed', worker.statusReason ?? 'crashed');
    return worker.kind === 'resident'
      ? silent('critical', 'crashed', worker.lastHeartbeat!, monitor.at)
      : bad('overdue', worker.statusReason ?? 'overdue');
  }
  if (worker.status === 'stopped' && worker.kind === 'resident') {
    const stoppedMs = since(worker.statusSince, monitor.now ?? monitor.at);
    if (stoppedMs >= STOPPED_GRACE_MS) {
      return bad('stopped-but-expected', missedText(worker, stoppedMs));
    }
  }
  const silentMs = silence(worker, monitor);
  if (silentMs >= worker.lostAfter * worker.intervalSeconds * 1000) {
    return silent('critical', 'silent', new Date(monitor.at.getTime() - silentMs), monitor.at);
  }
  if (worker.breaker.state === 'open') {
    return bad('breaker-open', worker.breaker.reason ?? `circuit breaker open${failures(worker)}`);
  }
  if (worker.status === 'error') return bad('error', worker.statusReason ?? 'the last run failed');
  if (worker.lastRunErrors)
    return bad('run-errors', `${plural(worker.lastRunErrors, 'error')} in the last run`);

  const idleMs = runless(worker, monitor);
  if (worker.pollIntervalSeconds && idleMs >= RUN_STUCK_AFTER * worker.pollIntervalSeconds * 1000) {
    return bad('stuck', `alive, but ${runlessText(worker, idleMs)}`);
  }
  if (waits(worker)) {
    if (!worker.nextRunAt) return bad('not-scheduled', 'no next run is scheduled');
    if (isOverdue(worker, monitor)) {
      return bad('overdue', `overdue by ${lasting(since(worker.nextRunAt, monitor.at))}`);
    }
  } else if (isOverdue(worker, monitor)) {
    return bad('overdue', `its run has lasted longer than ${span(worker.maxRunSeconds * 1000)}`);
  }
  return null;
}

function warning(worker: Worker, monitor: Monitor): Health | null {
  const odd = (rule: Rule, reason: string): Health => ({ level: 'warning', rule, reason });

  if (worker.status === 'starting') return odd('starting', worker.statusReason ?? 'starting');
  if (worker.status === 'stopping') return odd('stopping', stoppingText(worker));
  if (worker.status === 'stopped' && worker.kind === 'resident') {
    return odd('stopped-but-expected', stopText(worker));
  }

  const silentMs = silence(worker, monitor);
  if (silentMs >= worker.lateAfter * worker.intervalSeconds * 1000) {
    return silent('warning', 'late', new Date(monitor.at.getTime() - silentMs), monitor.at);
  }
  if (worker.draining && claimsLife(worker))
    return odd('draining', 'takes no work until an operator resumes it');
  if (polls(worker)) {
    const idleMs = runless(worker, monitor);
    if (!worker.lastRunAt) return odd('no-run-yet', 'no run yet');
    if (idleMs >= RUN_LATE_AFTER * worker.pollIntervalSeconds! * 1000) {
      return odd('run-late', runlessText(worker, idleMs));
    }
  }
  if (isDue(worker, monitor)) return odd('due', `due ${ago(since(worker.nextRunAt, monitor.at))}`);
  if (worker.breaker.state === 'half_open') {
    return odd('breaker-half-open', 'circuit breaker half open: trying again');
  }
  const blockedMs = claimsLife(worker) ? (worker.eventLoopBlockedMs ?? 0) : 0;
  if (blockedMs > EVENT_LOOP_BLOCKED_LIMIT_MS) {
    return odd('event-loop', `alive, event loop blocked for ${Math.floor(blockedMs / 1000)} s`);
  }
  return null;
}

/**
 * Whether the tick found the crash, and not the worker's exit report. The tick stamps the crash with the deadline, which is
 * after the last beat; an exit report is itself a beat.
 */
function foundByTick({ statusSince, lastHeartbeat, lastExit }: Worker): boolean {
  return !lastExit && statusSince != null && lastHeartbeat != null && statusSince > lastHeartbeat;
}

function silent(level: Level, rule: Rule, from: Date, at: Date): Health {
  return { level, rule, reason: `no heartbeat for ${lasting(since(from, at))}`, silentSince: from };
}

/** The heartbeat module's reason for stopping, as half a sentence; null for other texts. */
function cause({ statusReason }: Worker): string | null {
  if (/^SIG[A-Z0-9]+$/.test(statusReason ?? '')) return `by ${statusReason}`;
  return /^exit code \d+$/.test(statusReason ?? '') ? `with ${statusReason}` : null;
}

function stopText(worker: Worker): string {
  const how = cause(worker);
  return how ? `stopped ${how}` : (worker.statusReason ?? 'stopped');
}

function missedText(worker: Worker, stoppedMs: number): string {
  const how = cause(worker);
  const words = `stopped ${how ? `${how} ` : ''}${lasting(stoppedMs)} ago, but expected to run`;
  return how || !worker.statusReason ? words : `${words}: ${worker.statusReason}`;
}

function stoppingText(worker: Worker): string {
  const how = cause(worker);
  return how ? `asked to stop ${how}` : (worker.statusReason ?? 'finishing its work');
}

/**
 * How long a resident with a living status has been silent, in ms; 0 for all others. Counts from the later of its last beat
 * and the start of the monitor.
 */
export function silence(worker: Worker, monitor: Monitor): number {
  if (worker.kind !== 'resident' || !claimsLife(worker) || !worker.lastHeartbeat) return 0;
  return Math.max(
    0,
    monitor.at.getTime() - Math.max(worker.lastHeartbeat.getTime(), watched(worker, monitor)),
  );
}

/** Whether a resident's lease ended while the monitor was working. A lease that ended during our outage means nothing. */
export function isLapsed(worker: Worker, monitor: Monitor): boolean {
  const lease = worker.leaseExpiresAt?.getTime() ?? -Infinity;
  if (lease === -Infinity) return true;
  const excused = watched(worker, monitor) + worker.lostAfter * worker.intervalSeconds * 1000;
  return Math.max(lease, excused) <= monitor.at.getTime();
}

/** A request of the heartbeat module may hang for this time, which is longer than the lease of a short interval. */
const REQUEST_HANGS_MS = 10_000;

/** The time from which a resident's silence counts, epoch ms; the tick uses the same. */
function watched({ lostAfter, intervalSeconds }: Worker, { watchingSince }: Monitor): number {
  if (!watchingSince) return 0;
  const patience = intervalSeconds * 1000 + REQUEST_HANGS_MS - lostAfter * intervalSeconds * 1000;
  return watchingSince.getTime() + Math.max(0, patience);
}

/** Whether the worker is a living resident that polls. A draining worker needs no runs. */
function polls(worker: Worker): boolean {
  return (
    worker.pollIntervalSeconds != null && worker.kind === 'resident' && claimsLife(worker) && !worker.draining
  );
}

/** How long a polling worker has finished no run, in ms. The time before the start of its process does not count. */
function runless(worker: Worker, { at, watchingSince }: Monitor): number {
  if (!polls(worker)) return 0;
  const from = Math.max(
    worker.lastRunAt?.getTime() ?? 0,
    worker.startedAt?.getTime() ?? 0,
    watchingSince?.getTime() ?? 0,
  );
  return from === 0 ? 0 : Math.max(0, at.getTime() - from);
}

function runlessText({ pollIntervalSeconds }: Worker, idleMs: number): string {
  return `no run for ${lasting(idleMs)} (polls every ${span(pollIntervalSeconds! * 1000, idleMs)})`;
}

/** A scheduled worker between its runs. Its process may have ended. */
export function waits(worker: Worker): boolean {
  return worker.kind === 'scheduled' && (worker.status === 'idle' || worker.status === 'stopped');
}

function isDue(worker: Worker, { at }: Monitor): boolean {
  return waits(worker) && worker.nextRunAt !== null && worker.nextRunAt <= at;
}

/**
 * Whether the lease of a scheduled worker has ended. Between runs it lasts until the grace after the next run, during a run
 * for the longest allowed run. A run that was due while the monitor was down may have happened unnoticed, so the worker has
 * until the time after.
 */
export function isOverdue(worker: Worker, monitor: Monitor): boolean {
  const { leaseExpiresAt, lastHeartbeat } = worker;
  if (worker.kind !== 'scheduled' || !leaseExpiresAt) return false;
  if (waits(worker) ? !isDue(worker, monitor) : !claimsLife(worker)) return false;
  const between = waits(worker) || worker.status === 'error';
  const due = (between ? worker.nextRunAt : null) ?? lastHeartbeat;
  const missed = due && lastHeartbeat && monitor.watchingSince && due <= monitor.watchingSince;
  const lease = leaseExpiresAt.getTime();
  const until = missed
    ? monitor.watchingSince.getTime() + Math.max(0, lease - lastHeartbeat.getTime())
    : lease;
  return Math.max(lease, until) <= monitor.at.getTime();
}

function since(from: Date | null, at: Date): number {
  return from ? Math.max(0, at.getTime() - from.getTime()) : 0;
}

function failures({ breaker }: Worker): string {
  return breaker.failures ? ` after ${plural(breaker.failures, 'failure')} in a row` : '';
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
