import { claimsLife } from './health.ts';
import type { Worker } from './worker.ts';

/** Only longer intervals noticeably delay the detection of silence. */
const NOTABLE_S = 60;

/** Workers with a stretched interval, because the whole fleet beats too often. */
export interface Pacing {
  readonly workers: number;
  /** Their longest interval in seconds, and whether all have it. */
  readonly longest: number;
  readonly even: boolean;
}

/**
 * The pacing to show, or null if no interval is stretched beyond a minute. Intervals that people have set for a worker or a
 * group don't count.
 *
 * @param stretch the factor of the stretch; 1: none
 */
export function notablePacing(workers: Iterable<Worker>, stretch: number): Pacing | null {
  if (stretch <= 1) return null;
  const intervals: number[] = [];
  for (const worker of workers) {
    if (worker.kind !== 'resident' || !claimsLife(worker)) continue;
    if (worker.intervalSeconds > NOTABLE_S && isPaced(worker)) intervals.push(worker.intervalSeconds);
  }
  if (intervals.length === 0) return null;
  // Not Math.max(...), because a call allows fewer arguments than a fleet may have workers.
  const longest = intervals.reduce((a, b) => Math.max(a, b));
  const shortest = intervals.reduce((a, b) => Math.min(a, b));
  return { workers: intervals.length, longest, even: Math.round(shortest) === Math.round(longest) };
}

/** Whether the interval in force differs from the requested one, in full seconds. */
export function isPaced({ requestedIntervalSeconds, intervalSeconds }: Worker): boolean {
  if (requestedIntervalSeconds === null) return false;
  return Math.round(requestedIntervalSeconds) !== Math.round(intervalSeconds);
}
