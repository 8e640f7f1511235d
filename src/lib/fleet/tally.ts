import { claimsLife, type Health, type Level, type Watch } from './health.ts';
import type { Worker } from './worker.ts';

/** "5/5 running", and what stands behind it. */
export interface Tally {
  /** Expected, unpaused workers that are alive. */
  readonly alive: number;
  /** Workers that should be running: expected and not paused. */
  readonly expected: number;
  /** Of those, how many crashed or fell silent. */
  readonly dead: number;
  readonly levels: Readonly<Record<Level, number>>;
  /** The most serious level of all. */
  readonly worst: Level;
}

/** From the most serious to the least: the order in which rows want to be seen. */
export const LEVELS: readonly Level[] = ['critical', 'warning', 'unknown', 'healthy', 'inactive'];

export function tally(rows: Iterable<{ worker: Worker; health: Health }>, watch: Watch): Tally {
  const levels: Record<Level, number> = { critical: 0, warning: 0, unknown: 0, healthy: 0, inactive: 0 };
  let alive = 0;
  let expected = 0;
  let dead = 0;
  for (const { worker, health } of rows) {
    levels[health.level] += 1;
    if (!worker.expected || health.rule === 'paused') continue;
    expected += 1;
    if (isAlive(worker, watch.at)) alive += 1;
    if (isDead(health)) dead += 1;
  }
  const worst = LEVELS.find((level) => levels[level] > 0) ?? 'inactive';
  return { alive, expected, dead, levels, worst };
}

/**
 * Whether the last beat still vouches for the worker. A resident: a valid lease and a status that claims life.
 * A scheduled one: not overdue, its last run not crashed.
 */
export function isAlive(worker: Worker, at: Date): boolean {
  const leased = worker.leaseExpiresAt != null && worker.leaseExpiresAt > at;
  if (worker.kind === 'scheduled') {
    const early = worker.nextRunAt != null && worker.nextRunAt > at;
    return (leased || early) && worker.status !== 'crashed' && worker.status !== 'unknown';
  }
  return leased && claimsLife(worker);
}

/** Gone without a goodbye. */
export function isDead({ rule }: Health): boolean {
  return rule === 'crashed' || rule === 'silent';
}
