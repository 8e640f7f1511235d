import type { FleetState } from './fleet-state.ts';
import { STOPPED_GRACE_MS } from './health.ts';

/**
 * The instants, in order, at which time alone changes what rows mean: the ends of pauses, and of the grace after a stop.
 * Silence is not among them: only a message of the monitor ends it or finds it.
 */
export function timeBoundaries({
  workers,
  groups,
}: Pick<FleetState, 'workers' | 'groups'>): readonly number[] {
  const ends: number[] = [];
  for (const { pausedUntil } of groups.values()) if (pausedUntil) ends.push(pausedUntil.getTime());
  for (const { pausedUntil, status, statusSince } of workers.values()) {
    if (pausedUntil) ends.push(pausedUntil.getTime());
    if (status === 'stopped' && statusSince) ends.push(statusSince.getTime() + STOPPED_GRACE_MS);
  }
  return ends.sort((a, b) => a - b);
}
