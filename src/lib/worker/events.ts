import { anything, number, maybe, oneOf, record, said, text } from '../fleet/shape.ts';
import { toLastExit, type LastExit } from '../fleet/worker.ts';

export const EVENT_TYPES = ['status', 'breaker', 'instance', 'conflict', 'monitor'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** A transition of the worker, or of the watch over all of them, as it was written down. */
export interface WorkerEvent {
  readonly id: number;
  /** When it happened: for silence the deadline that passed. */
  readonly at: Date;
  /** Where to go on from here: the instant in full, for a Date has no microseconds. */
  readonly cursor: string;
  readonly type: EventType;
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string | null;
  readonly instanceId: string | null;
  readonly epoch: number | null;
  /** What the worker was doing then. */
  readonly activity: string | null;
  readonly jobId: string | null;
  readonly jobType: string | null;
  readonly lastExit: LastExit | null;
  /** Of a breaker: failures in a row, and how many it bears. */
  readonly failures: number | null;
  readonly threshold: number | null;
}

const words = maybe(said);

const eventWire = record({
  id: number,
  at: text,
  type: oneOf(EVENT_TYPES),
  from_value: words,
  to_value: words,
  reason: words,
  instance_id: words,
  epoch: maybe(number),
  details: anything,
});

/** @throws when it is no row of `hp_worker_event` */
export function readEvent(wire: unknown): WorkerEvent {
  const row = eventWire(wire);
  const details = (row.details ?? {}) as Record<string, unknown>;
  const string = (value: unknown) => (typeof value === 'string' ? said(value) : null);
  const figure = (value: unknown) => (typeof value === 'number' ? value : null);
  return {
    id: row.id,
    at: new Date(row.at),
    cursor: `${row.at}~${row.id}`,
    type: row.type,
    from: row.from_value ?? null,
    to: row.to_value ?? null,
    reason: row.reason ?? null,
    instanceId: row.instance_id ?? null,
    epoch: row.epoch ?? null,
    activity: string(details.current_status),
    jobId: string(details.current_job_id),
    jobType: string(details.current_job_type),
    lastExit: toLastExit(details.last_exit),
    failures: figure(details.failures),
    threshold: figure(details.threshold),
  };
}

/** Puts news among what is known: each event once, the latest first. Known objects stay. */
export function mergeEvents(
  known: readonly WorkerEvent[],
  news: readonly WorkerEvent[],
): readonly WorkerEvent[] {
  const ids = new Set(known.map(({ id }) => id));
  const fresh = news.filter(({ id }) => !ids.has(id));
  if (fresh.length === 0) return known;
  return [...known, ...fresh].sort((a, b) => b.at.getTime() - a.at.getTime() || b.id - a.id);
}
