import type { Monitor } from './monitor.ts';

/** A pause of a worker, or of all workers of a group. */
export interface Pause {
  readonly pausedUntil: Date | null;
  readonly pausedReason: string | null;
}

/** Whether a pause is in force. */
export function isPaused({ pausedUntil }: Pick<Pause, 'pausedUntil'>, { at, now = at }: Monitor): boolean {
  return pausedUntil !== null && pausedUntil > now;
}
