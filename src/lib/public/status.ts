import type { Level } from '../rules/health.ts';
import { LEVELS } from '../rules/tally.ts';

/** What anyone may know: /api/status.json, and what /status shows (docs/api.md). */
export interface PublicStatus {
  /** When this was so, ISO 8601. */
  readonly now: string;
  readonly workers: readonly PublicWorker[];
}

/** A worker that an owner marked public. */
export interface PublicWorker {
  readonly name: string;
  readonly level: Level;
  /** Its health in words that carry nothing a worker wrote: "running", "no signal", "failing". */
  readonly words: string;
  /** When it was last heard, ISO 8601. */
  readonly last_seen: string | null;
  /** Percent of what is known of the last 90 days in which it was up, rounded down; null where nothing is known. */
  readonly uptime: number | null;
  /** The same of each of these days, in UTC, today last. */
  readonly uptime_days: readonly (number | null)[];
}

/** All of it in a sentence, and the level that goes with it. */
export function verdict(workers: readonly PublicWorker[]): { level: Level; words: string } {
  const worst = LEVELS.find((level) => workers.some((worker) => worker.level === level)) ?? 'unknown';
  const many = workers.filter(({ level }) => level === worst).length;
  const of = `${many} of ${workers.length}`;
  if (workers.length === 0) return { level: 'unknown', words: 'No workers are shown yet' };
  if (worst === 'critical') return { level: worst, words: `${of} in trouble` };
  if (worst === 'warning') return { level: worst, words: `${of} with a warning` };
  if (worst === 'unknown') return { level: worst, words: `${of} unknown` };
  if (worst === 'inactive') return { level: worst, words: 'No worker is meant to run now' };
  return { level: worst, words: 'All workers are healthy' };
}
