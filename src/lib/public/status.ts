import type { Level } from '../rules/health.ts';
import { LEVELS } from '../rules/tally.ts';

/** The public data: /api/status.json and /status (docs/api.md). */
export interface PublicStatus {
  /** The time of this state, ISO 8601. */
  readonly now: string;
  readonly workers: readonly PublicWorker[];
}

/** A worker that an owner marked public. */
export interface PublicWorker {
  readonly name: string;
  readonly level: Level;
  /** Its health, without any text from a worker: "running", "no signal", "failing". */
  readonly words: string;
  /** Its last report, ISO 8601. */
  readonly last_seen: string | null;
  /** Uptime in percent of the known time in the last 90 days, rounded down; null without data. */
  readonly uptime: number | null;
  /** The same for each of these days in UTC, today last. */
  readonly uptime_days: readonly (number | null)[];
}

/** One sentence for all workers, with its level. */
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
