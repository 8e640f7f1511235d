import type { Worker } from '../../rules/worker.ts';
import type { Details, Instance } from '../details.ts';

/** What became of a process: "crashed", "ended", "superseded, still alive", "fell silent", or what it does now. */
export function outcomeOf(
  one: Instance,
  worker: Pick<Worker, 'instanceId' | 'status'>,
  details: Pick<Details, 'instanceId'>,
  now: number,
): string {
  if (one.endedAt) return one.lastExit?.error || one.status === 'crashed' ? 'crashed' : 'ended';
  if (one.id === worker.instanceId) return worker.status;
  // The row, which comes by message, is the next process's already; what is known of this one was read while it lived.
  // How it ended we learn with the next reading: until then nothing is said of how.
  if (one.id === details.instanceId) return 'ended';
  if (one.leaseExpiresAt && one.leaseExpiresAt.getTime() > now) return 'superseded, still alive';
  return SILENT;
}

/** Without a goodbye, and without a lease. */
export const SILENT = 'fell silent';
