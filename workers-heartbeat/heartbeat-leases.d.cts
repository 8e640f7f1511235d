// The types of Lastseen's heartbeat-leases module, made from heartbeat-leases.ts by `npm run heartbeat`.
/**
 * Job leases for Lastseen's heartbeat: of all processes, one at a time does the work of a key.
 *
 *     import { jobLeases } from './heartbeat-leases.cjs';
 *     const lease = jobLeases(heartbeat);
 *     const outcome = await lease(`page:${id}`, async (token, signal) => { … });
 */
import type { Heartbeat } from './heartbeat.cjs';
/** The result of the work; or why it was not done. */
export type LeaseOutcome<T> =
  | {
      held: true;
      result: T;
    }
  | {
      held: false;
      reason: string;
    };
/**
 * Does `work` while this process, of all that there are, holds the lease of `key` (1 to 255 characters). Returns what it
 * returned and rejects with what it throws; `held: false` where another process holds the lease, or the database can't be
 * asked.
 *
 * The signal is aborted when the lease is about to end because no beat gets through, when it is lost, and with that of the
 * worker. A process that is paused for longer than its lease notices too late: where that matters, write `token` with what
 * you write, and refuse one that is lower than the last; those of a key only grow.
 */
export type Lease = <T>(key: string, work: LeasedWork<T>) => Promise<LeaseOutcome<T>>;
export type LeasedWork<T> = (token: number, signal: AbortSignal) => T | Promise<T>;
/** Adds job leases to a worker. */
export declare function jobLeases(heartbeat: Heartbeat): Lease;
