import type { Health, Level } from '../fleet/health.ts';
import type { Status, Worker } from '../fleet/worker.ts';

/** The words of the page for the words of the code. */
export const STATUS_WORDS: Readonly<Record<Status, string>> = {
  unknown: 'Never reported',
  starting: 'Starting',
  idle: 'Idle',
  processing: 'Processing',
  running: 'Running',
  error: 'Error',
  stopping: 'Stopping',
  stopped: 'Stopped',
  crashed: 'Crashed',
};

export const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  critical: 'Critical',
  warning: 'Warning',
  healthy: 'Healthy',
  unknown: 'Unknown',
  inactive: 'Inactive',
};

/**
 * One word for what a worker is now. The stored status alone must not be believed: a worker that fell silent while
 * "processing" is not processing.
 */
export function statusWord({ status, jobsActive }: Worker, { rule, level }: Health): string {
  if (rule === 'paused') return 'Paused';
  if (rule === 'not-monitored') return 'Not monitored';
  if (rule === 'silent') return 'Silent';
  if (rule === 'overdue' && level === 'critical') return 'Overdue';
  if (rule === 'draining') return jobsActive > 0 ? 'Draining' : 'Drained';
  return STATUS_WORDS[status];
}

// One language for all: the server's and the browser's words must agree.
const grouped = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** 1204 → "1,204", and 98765432 → "98.8M": a column has room for so many digits. */
export function figure(count: number): string {
  return count < 1_000_000 ? grouped.format(count) : compact.format(count);
}

/** The whole number, where {@link figure} shows less. */
export function exact(count: number): string | undefined {
  return count < 1_000_000 ? undefined : grouped.format(count);
}
