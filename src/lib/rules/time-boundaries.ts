import type { FleetState } from './fleet-state.ts';
import { STOPPED_GRACE_MS } from './health.ts';

/**
 * The sorted instants at which time alone changes the health of rows: the ends of pauses, and of the grace after a stop. Not
 * silence, because only a message of the monitor starts or ends it.
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
