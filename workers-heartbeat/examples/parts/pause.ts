import { setTimeout as sleep } from 'node:timers/promises';

/** 1 is slow enough to follow on the page. Tests use more. */
export const speed = Number(process.env.SAMPLES_SPEED) || 1;

/**
 * Waits, but ends at once when the worker stops. A plain `setTimeout` would delay the stop.
 *
 * @returns true after the full time, false if `signal` ended it
 */
export function pause(seconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep((seconds * 1000) / speed, true, { signal }).catch(() => false);
}
