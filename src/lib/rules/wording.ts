import type { Health, Level } from './health.ts';
import type { Status, Worker } from './worker.ts';

/** The page's text for each status. */
export const STATUS_TEXT: Readonly<Record<Status, string>> = {
  unknown: 'Unknown',
  starting: 'Starting',
  idle: 'Idle',
  processing: 'Processing',
  running: 'Running',
  error: 'Error',
  stopping: 'Stopping',
  stopped: 'Stopped',
  crashed: 'Crashed',
};

export const LEVEL_TEXT: Readonly<Record<Level, string>> = {
  critical: 'Critical',
  warning: 'Warning',
  healthy: 'Healthy',
  unknown: 'Unknown',
  inactive: 'Inactive',
};

/**
 * One word for a worker's current state. The stored status alone is not enough: a worker that fell silent while
 * "processing" is not processing.
 */
export function statusText({ status, jobsActive }: Worker, { rule, level }: Health): string {
  if (rule === 'paused') return 'Paused';
  if (rule === 'not-monitored') return STATUS_TEXT.unknown;
  if (rule === 'silent') return 'Silent';
  if (rule === 'overdue' && level === 'critical') return 'Overdue';
  if (rule === 'draining') return jobsActive > 0 ? 'Draining' : 'Drained';
  return STATUS_TEXT[status];
}

// One language for all, because server and browser must render the same text.
const grouped = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** 1204 → "1,204", and 98765432 → "98.8M", to fit into a column. */
export function figure(count: number): string {
  return count < 1_000_000 ? grouped.format(count) : compact.format(count);
}

/** The whole number, if {@link figure} shortens it. */
export function exact(count: number): string | undefined {
  return count < 1_000_000 ? undefined : grouped.format(count);
}
