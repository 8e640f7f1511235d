import { anything, list, maybe, number, record, safeText, text } from '../rules/wire-reader.ts';
import { toDate, toLastExit } from '../rules/worker.ts';

const count = maybe(number);
const optionalText = maybe(safeText);

const detailsWire = record({
  metadata: anything,
  metadata_at: optionalText,
  instance_id: optionalText,
  epoch: count,
  created_at: optionalText,
  counted_jobs: number,
  counted_errors: number,
  jobs_processed: number,
  error_count: number,
  group: record({ workers: number, alive: number }),
  beside: maybe(list(safeText)),
  leases: record({
    held: number,
    first: list(record({ key: safeText, token: number, instance_id: text, claimed_at: text })),
  }),
  instances: list(
    record({
      instance_id: text,
      epoch: number,
      status: text,
      started_at: optionalText,
      hostname: optionalText,
      pid: count,
      version: optionalText,
      counted_jobs: number,
      counted_errors: number,
      last_heartbeat: optionalText,
      lease_expires_at: optionalText,
      ended_at: optionalText,
      last_exit: anything,
    }),
  ),
});

/** @throws if it is not the result of `hp_worker_page` */
export function readDetails(wire: unknown) {
  const row = detailsWire(wire);
  const { metadata } = row;
  const isObject = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  return {
    metadata: isObject ? (metadata as Record<string, unknown>) : null,
    metadataAt: toDate(row.metadata_at),
    /** The process that held the worker's row at that time, its epoch, and its own counts. */
    instanceId: row.instance_id ?? null,
    epoch: row.epoch ?? null,
    instanceJobs: row.counted_jobs,
    instanceErrors: row.counted_errors,
    /** Totals over all instances at the same time. */
    jobsProcessed: row.jobs_processed,
    errorCount: row.error_count,
    createdAt: toDate(row.created_at),
    /** The number of workers in its group, itself included, and how many of them are alive. */
    group: row.group,
    /** Other living workers of the same process, by host and process id; at most 20. */
    beside: row.beside ?? [],
    leases: {
      held: row.leases.held,
      /** The latest leases. */
      first: row.leases.first.map((lease) => ({
        key: lease.key,
        token: lease.token,
        instanceId: lease.instance_id,
        claimedAt: new Date(lease.claimed_at),
      })),
    },
    /** Newest first. */
    instances: row.instances.map((one) => ({
      id: one.instance_id,
      epoch: one.epoch,
      status: one.status,
      startedAt: toDate(one.started_at),
      hostname: one.hostname ?? null,
      pid: one.pid ?? null,
      version: one.version ?? null,
      countedJobs: one.counted_jobs,
      countedErrors: one.counted_errors,
      lastHeartbeat: toDate(one.last_heartbeat),
      leaseExpiresAt: toDate(one.lease_expires_at),
      /** When it reported its end; null for one that is alive or fell silent. */
      endedAt: toDate(one.ended_at),
      lastExit: toLastExit(one.last_exit),
    })),
  };
}

/** Data of the worker page that no message carries (`hp_worker_page`). */
export type Details = Readonly<ReturnType<typeof readDetails>>;
export type Leases = Details['leases'];
/** One process start of the worker. */
export type Instance = Details['instances'][number];
