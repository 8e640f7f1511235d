import type { Header } from './message.ts';

/** The server's own checking, from the header of the last message. */
export interface Monitor {
  /** Silence is judged up to this time, which is never later than the server's last received time. */
  readonly at: Date;
  /** The current time, for pauses and the grace after a stop. @default `at` */
  readonly now?: Date;
  /** Since when the monitor runs without a gap; silence before that is no worker's fault. */
  readonly watchingSince: Date | null;
  readonly impairedSince: Date | null;
}

/**
 * The state of the monitor that a header reports.
 *
 * @param boundary the last time boundary that has passed since, epoch ms
 */
export function monitorOf({ heardUntil, watchingSince, impairedSince }: Header, boundary = 0): Monitor {
  const now = new Date(Math.max(heardUntil.getTime(), boundary));
  return { at: heardUntil, now, watchingSince, impairedSince };
}

/** A gap of this length also impairs the monitor on the server (truth rule 3): max(30 s, 3 × its own period). */
const GAP_MS = 30_000;
const GAP_PERIODS = 3;

/**
 * Whether the server's tick is late. No silent worker is found meanwhile.
 *
 * @param tickAt when it last ran, as far as is known; null: never
 * @param everySeconds its intended period
 * @param knownUntil a later tick would be known here up to this time, epoch ms
 */
export function isTickLate(tickAt: Date | null, everySeconds: number, knownUntil: number): boolean {
  if (!tickAt) return true;
  return knownUntil - tickAt.getTime() > Math.max(GAP_MS, GAP_PERIODS * everySeconds * 1000);
}
