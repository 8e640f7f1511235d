import { groupRow, toGroup, toGroupSettings, type GoneGroup, type GroupSettings } from './group.ts';
import { anything, list, maybe, number, record, safeText, text, type Shape } from './wire-reader.ts';
import { STATUSES, toDate, toWorker, workerRow, type Worker } from './worker.ts';

export interface Message {
  readonly part: number;
  readonly parts: number;
  /** Null in a transition. */
  readonly header: Header | null;
  readonly workers: readonly Worker[];
  readonly groups: readonly (GroupSettings | GoneGroup)[];
  readonly beats: readonly Beat[];
}

export interface Snapshot {
  readonly header: Header;
  readonly workers: readonly Worker[];
  readonly groups: readonly GroupSettings[];
}

const headerWire = record({
  generation: text,
  now: text,
  received_until: maybe(text),
  workers: number,
  groups: maybe(number),
  revision: number,
  tick_at: maybe(text),
  tick_every_s: maybe(number),
  watching_since: maybe(text),
  impaired_since: maybe(text),
  stretch: maybe(number),
  beats_per_second: maybe(number),
});

const messageWire = record({
  part: number,
  parts: number,
  header: maybe(headerWire),
  workers: maybe(list(workerRow)),
  groups: maybe(list(groupRow)),
  beats: maybe(list(list(anything))),
});

const snapshotWire = record({ header: headerWire, workers: list(workerRow), groups: maybe(list(groupRow)) });

const unreadSnapshot = record({ header: anything, workers: list(anything), groups: anything });
const readRows = list(workerRow);

/** The snapshot on the wire, also in the page's data. */
export type SnapshotWire = Shape<typeof snapshotWire>;

/** Number of rows read between two pauses, which takes a few milliseconds. */
const SLICE = 250;

/**
 * The same in slices, because reading a large fleet's rows would block the page for too long.
 *
 * @param pause gives the browser time for other work
 */
export async function readSnapshotInSlices(wire: unknown, pause: () => Promise<void>): Promise<Snapshot> {
  const { workers: rows, ...rest } = unreadSnapshot(wire);
  const workers: Worker[] = [];
  for (let from = 0; from < rows.length; from += SLICE) {
    if (from > 0) await pause();
    workers.push(...readRows(rows.slice(from, from + SLICE)).map(toWorker));
  }
  return { ...readSnapshot({ ...rest, workers: [] }), workers };
}

/** @throws if it is not a snapshot of docs/wire.md */
export function readSnapshot(wire: unknown): Snapshot {
  const { header, workers, groups } = snapshotWire(wire);
  return {
    header: toHeader(header),
    workers: workers.map(toWorker),
    groups: (groups ?? []).map(toGroupSettings),
  };
}

/** @throws if it is not a message of docs/wire.md */
export function readMessage(wire: unknown): Message {
  const { part, parts, header, workers, groups, beats } = messageWire(wire);
  const head = header ? toHeader(header) : null;
  return {
    part,
    parts,
    header: head,
    workers: (workers ?? []).map(toWorker),
    groups: (groups ?? []).map(toGroup),
    // Times in beats count back from header.now, so beats need a header.
    beats: head ? (beats ?? []).map((beat) => toBeat(beat, head.now)) : [],
  };
}

function toHeader(wire: Shape<typeof headerWire>) {
  const now = new Date(wire.now);
  return {
    /** Changes when the database is restored; the viewer's state is then invalid. */
    generation: wire.generation,
    now,
    /** The server had received everything up to this time. Silence is measured up to here. */
    heardUntil: toDate(wire.received_until) ?? now,
    workers: wire.workers,
    groups: wire.groups ?? 0,
    /** The highest revision of all workers and groups. */
    revision: wire.revision,
    tickAt: toDate(wire.tick_at),
    /** The intended period of the tick. */
    tickEverySeconds: wire.tick_every_s ?? 5,
    watchingSince: toDate(wire.watching_since),
    impairedSince: toDate(wire.impaired_since),
    /** The factor by which all intervals are stretched to keep the fleet under its limit; 1: not stretched. */
    stretch: wire.stretch ?? 1,
    /** That limit; null if not reported. */
    beatsPerSecond: wire.beats_per_second ?? null,
  };
}

/** The server's state when it sent the message. */
export type Header = Readonly<ReturnType<typeof toHeader>>;

/** Reads a tuple cell by cell, which takes less code than a schema for tuples. */
function toBeat(tuple: readonly unknown[], now: Date) {
  const number = (index: number) => {
    const value = tuple[index];
    if (typeof value !== 'number') throw new TypeError(`cell ${index} of a beat is ${value}, not a number`);
    return value;
  };
  const numberOrNull = (index: number) => (tuple[index] == null ? null : number(index));
  const text = (index: number) => (tuple[index] == null ? null : safeText(String(tuple[index])));
  const before = (index: number) => new Date(now.getTime() - number(index));
  return {
    workerId: number(0),
    revision: number(1),
    status: STATUSES[number(2)] ?? 'unknown',
    heardAt: before(3),
    jobsProcessed: number(4),
    errorCount: number(5),
    jobsActive: number(6),
    lastRunAt: tuple[7] == null ? null : before(7),
    lastRunProcessed: numberOrNull(8),
    lastRunErrors: numberOrNull(9),
    /** Null: the activity has not changed. */
    activity:
      tuple.length > 10
        ? {
            since: tuple[10] == null ? null : before(10),
            text: text(11),
            jobId: text(12),
            jobType: text(13),
          }
        : null,
  };
}

/** A plain beat: the values that change without a transition. */
export type Beat = Readonly<ReturnType<typeof toBeat>>;
