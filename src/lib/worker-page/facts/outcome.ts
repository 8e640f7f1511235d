import type { Worker } from '../../rules/worker.ts';
import type { Details, Instance } from '../details.ts';

/** The outcome of a process: "crashed", "ended", "superseded, still alive", "fell silent", or its current status. */
export function outcomeOf(
  one: Instance,
  worker: Pick<Worker, 'instanceId' | 'status'>,
  details: Pick<Details, 'instanceId'>,
  now: number,
): string {
  if (one.endedAt) return one.lastExit?.error || one.status === 'crashed' ? 'crashed' : 'ended';
  if (one.id === worker.instanceId) return worker.status;
  // The row, updated by a message, already belongs to the next process. The details were fetched while this process was alive,
  // so how it ended is known only after the next fetch.
  if (one.id === details.instanceId) return 'ended';
  if (one.leaseExpiresAt && one.leaseExpiresAt.getTime() > now) return 'superseded, still alive';
  return SILENT;
}

/** Without an exit report, and without a valid lease. */
export const SILENT = 'fell silent';
