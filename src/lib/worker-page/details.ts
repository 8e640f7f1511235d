import { anything, list, maybe, number, record, safeText, text } from '../rules/wire-reader.ts';
import { toDate, toLastExit, type LastExit } from '../rules/worker.ts';

/** Data of the worker page that no message carries (`hp_worker_page`). */
export interface Details {
  readonly metadata: Readonly<Record<string, unknown>> | null;
  readonly metadataAt: Date | null;
  /** The process that held the worker's row at that time, its epoch, and its own counts. */
  readonly instanceId: string | null;
  readonly epoch: number | null;
  readonly instanceJobs: number;
  readonly instanceErrors: number;
  /** Totals over all instances at the same time. */
  readonly jobsProcessed: number;
  readonly errorCount: number;
  readonly createdAt: Date | null;
  /** The number of workers in its group, itself included, and how many of them are alive. */
  readonly group: { readonly workers: number; readonly alive: number };
  /** Other living workers of the same process, by host and process id; at most 20. */
  readonly beside: readonly string[];
  readonly leases: Leases;
  /** Newest first. */
  readonly instances: readonly Instance[];
}

export interface Leases {
  readonly held: number;
  /** The latest leases. */
  readonly first: readonly {
    readonly key: string;
    readonly token: number;
    readonly instanceId: string;
    readonly claimedAt: Date;
  }[];
}

/** One process start of the worker. */
export interface Instance {
  readonly id: string;
  readonly epoch: number;
  readonly status: string;
  readonly startedAt: Date | null;
  readonly hostname: string | null;
  readonly pid: number | null;
  readonly version: string | null;
  readonly runtime: string | null;
  readonly countedJobs: number;
  readonly countedErrors: number;
  readonly lastHeartbeat: Date | null;
  readonly leaseExpiresAt: Date | null;
  readonly registeredAt: Date | null;
  readonly supersededAt: Date | null;
  /** When it reported its end; null for one that is alive or fell silent. */
  readonly endedAt: Date | null;
  readonly lastExit: LastExit | null;
}

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
      runtime: optionalText,
      counted_jobs: number,
      counted_errors: number,
      last_heartbeat: optionalText,
      lease_expires_at: optionalText,
      registered_at: optionalText,
      superseded_at: optionalText,
      ended_at: optionalText,
      last_exit: anything,
    }),
  ),
});

/** @throws if it is not the result of `hp_worker_page` */
export function readDetails(wire: unknown): Details {
  const row = detailsWire(wire);
  const { metadata } = row;
  const isObject = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  return {
    metadata: isObject ? (metadata as Record<string, unknown>) : null,
    metadataAt: toDate(row.metadata_at),
    instanceId: row.instance_id ?? null,
    epoch: row.epoch ?? null,
    instanceJobs: row.counted_jobs,
    instanceErrors: row.counted_errors,
    jobsProcessed: row.jobs_processed,
    errorCount: row.error_count,
    createdAt: toDate(row.created_at),
    group: row.group,
    beside: row.beside ?? [],
    leases: {
      held: row.leases.held,
      first: row.leases.first.map((lease) => ({
        key: lease.key,
        token: lease.token,
        instanceId: lease.instance_id,
        claimedAt: new Date(lease.claimed_at),
      })),
    },
    instances: row.instances.map((one) => ({
      id: one.instance_id,
      epoch: one.epoch,
      status: one.status,
      startedAt: toDate(one.started_at),
      hostname: one.hostname ?? null,
      pid: one.pid ?? null,
      version: one.version ?? null,
      runtime: one.runtime ?? null,
      countedJobs: one.counted_jobs,
      countedErrors: one.counted_errors,
      lastHeartbeat: toDate(one.last_heartbeat),
      leaseExpiresAt: toDate(one.lease_expires_at),
      registeredAt: toDate(one.registered_at),
      supersededAt: toDate(one.superseded_at),
      endedAt: toDate(one.ended_at),
      lastExit: toLastExit(one.last_exit),
    })),
  };
}
