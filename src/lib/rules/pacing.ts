import { claimsLife } from './health.ts';
import type { Worker } from './worker.ts';

/** So long an interval changes how soon a silence is found; shorter ones are nobody's concern. */
const NOTABLE_S = 60;

/** Workers that are made to beat more rarely than they would, because the whole fleet beats too often. */
export interface Pacing {
  readonly workers: number;
  /** The longest interval in force among them, seconds, and whether all keep it. */
  readonly longest: number;
  readonly even: boolean;
}

/**
 * What people need to know of the pacing of the fleet, or null: nothing is stretched, or not beyond a minute. What people
 * have set themselves, for a worker or a group, is as they wanted it.
 *
 * @param stretch by how much intervals are stretched; 1: not
 */
export function notablePacing(workers: Iterable<Worker>, stretch: number): Pacing | null {
  if (stretch <= 1) return null;
  const intervals: number[] = [];
  for (const worker of workers) {
    if (worker.kind !== 'resident' || !claimsLife(worker)) continue;
    if (worker.intervalSeconds > NOTABLE_S && isPaced(worker)) intervals.push(worker.intervalSeconds);
  }
  if (intervals.length === 0) return null;
  // Not Math.max(...): a fleet may have more members than a call may have arguments.
  const longest = intervals.reduce((a, b) => Math.max(a, b));
  const shortest = intervals.reduce((a, b) => Math.min(a, b));
  return { workers: intervals.length, longest, even: Math.round(shortest) === Math.round(longest) };
}

/** Whether another interval is in force, to the second, than the worker asked for. */
export function isPaced({ requestedIntervalSeconds, intervalSeconds }: Worker): boolean {
  if (requestedIntervalSeconds === null) return false;
  return Math.round(requestedIntervalSeconds) !== Math.round(intervalSeconds);
}
