import { anything, number, maybe, oneOf, record, safeText, text } from '../../rules/wire-reader.ts';
import { toLastExit } from '../../rules/worker.ts';

export const EVENT_TYPES = ['status', 'breaker', 'instance', 'conflict', 'monitor'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

const optionalText = maybe(safeText);

const eventWire = record({
  id: number,
  at: text,
  type: oneOf(EVENT_TYPES),
  from_value: optionalText,
  to_value: optionalText,
  reason: optionalText,
  instance_id: optionalText,
  epoch: maybe(number),
  details: anything,
});

/** @throws if it is not a row of `hp_worker_event` */
export function readEvent(wire: unknown) {
  const row = eventWire(wire);
  const details = (row.details ?? {}) as Record<string, unknown>;
  const string = (value: unknown) => (typeof value === 'string' ? safeText(value) : null);
  const figure = (value: unknown) => (typeof value === 'number' ? value : null);
  return {
    id: row.id,
    /** The time of the event; for silence the deadline. */
    at: new Date(row.at),
    /** The cursor for older events: the full time, because a Date has no microseconds. */
    cursor: `${row.at}~${row.id}`,
    type: row.type,
    from: row.from_value ?? null,
    to: row.to_value ?? null,
    reason: row.reason ?? null,
    instanceId: row.instance_id ?? null,
    epoch: row.epoch ?? null,
    /** The worker's activity at that time. */
    activity: string(details.current_status),
    jobId: string(details.current_job_id),
    jobType: string(details.current_job_type),
    lastExit: toLastExit(details.last_exit),
    /** For a breaker: failures in a row, and its threshold. */
    failures: figure(details.failures),
    threshold: figure(details.threshold),
  };
}

/** A recorded transition of the worker or of the monitor. */
export type WorkerEvent = Readonly<ReturnType<typeof readEvent>>;

/** Merges new events into the known ones: each once, latest first. Known objects stay. */
export function mergeEvents(
  known: readonly WorkerEvent[],
  news: readonly WorkerEvent[],
): readonly WorkerEvent[] {
  const ids = new Set(known.map(({ id }) => id));
  const fresh = news.filter(({ id }) => !ids.has(id));
  if (fresh.length === 0) return known;
  return [...known, ...fresh].sort((a, b) => b.at.getTime() - a.at.getTime() || b.id - a.id);
}
