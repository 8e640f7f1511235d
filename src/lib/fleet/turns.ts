import type { FleetState } from './fleet.ts';
import { STOPPED_GRACE_MS, type Watch } from './health.ts';
import type { Header } from './message.ts';

/**
 * The instants, in order, at which time alone changes what rows mean: the ends of pauses, and of the grace after a stop.
 * Silence is not among them, for it needs hearing.
 */
export function turns({ workers, groups }: Pick<FleetState, 'workers' | 'groups'>): readonly number[] {
  const ends: number[] = [];
  for (const { pausedUntil } of groups.values()) if (pausedUntil) ends.push(pausedUntil.getTime());
  for (const { pausedUntil, status, statusSince } of workers.values()) {
    if (pausedUntil) ends.push(pausedUntil.getTime());
    if (status === 'stopped' && statusSince) ends.push(statusSince.getTime() + STOPPED_GRACE_MS);
  }
  return ends.sort((a, b) => a - b);
}

/**
 * The server's watch as a header tells of it.
 *
 * @param turned the last turn that has passed since, epoch ms
 */
export function watchOf({ heardUntil, watchingSince, impairedSince }: Header, turned = 0): Watch {
  const now = new Date(Math.max(heardUntil.getTime(), turned));
  return { at: heardUntil, now, watchingSince, impairedSince };
}
