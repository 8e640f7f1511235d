import { setTimeout as sleep } from 'node:timers/promises';

/** 1 is a speed that a person can follow on the page. Tests go faster. */
export const speed = Number(process.env.SAMPLES_SPEED) || 1;

/**
 * Waits for so many seconds, but not once the worker is told to finish up: a plain `setTimeout` here would hold
 * back its goodbye.
 *
 * @returns true if the time went by, false if `signal` cut it short
 */
export function pause(seconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep((seconds * 1000) / speed, true, { signal }).catch(() => false);
}
