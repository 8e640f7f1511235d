import { anything, list, maybe, number, record, text, type Shape } from './shape.ts';
import { STATUSES, toDate, toWorker, workerRow, type Status, type Worker } from './worker.ts';

/** What the server knew at the instant it spoke. */
export interface Header {
  /** Changes when the database was restored: nothing that the viewer holds is comparable any more. */
  readonly generation: string;
  readonly now: Date;
  /** Everything heard until then is in the message or in one before it. Silence is measured up to here. */
  readonly heardUntil: Date;
  readonly workers: number;
  readonly revision: number;
  readonly tickAt: Date | null;
  readonly watchingSince: Date | null;
  readonly impairedSince: Date | null;
}

/** A plain beat: what changes without a transition. */
export interface Beat {
  readonly workerId: number;
  readonly revision: number;
  readonly status: Status;
  readonly heardAt: Date;
  readonly jobsProcessed: number;
  readonly errorCount: number;
  readonly jobsActive: number;
  readonly lastRunAt: Date | null;
  readonly lastRunProcessed: number | null;
  readonly lastRunErrors: number | null;
  /** Absent: the activity is as it was. */
  readonly activity: null | {
    readonly since: Date | null;
    readonly text: string | null;
    readonly jobId: string | null;
    readonly jobType: string | null;
  };
}

export interface Message {
  readonly part: number;
  readonly parts: number;
  /** Absent from a transition. */
  readonly header: Header | null;
  readonly workers: readonly Worker[];
  readonly beats: readonly Beat[];
}

export interface Snapshot {
  readonly header: Header;
  readonly workers: readonly Worker[];
}

const headerWire = record({
  generation: text,
  now: text,
  heard_until: maybe(text),
  workers: number,
  revision: number,
  tick_at: maybe(text),
  watching_since: maybe(text),
  impaired_since: maybe(text),
});

const messageWire = record({
  part: number,
  parts: number,
  header: maybe(headerWire),
  workers: maybe(list(workerRow)),
  beats: maybe(list(list(anything))),
});

const snapshotWire = record({ header: headerWire, workers: list(workerRow) });

/** The snapshot as it travels; the page's data carries it from the server to the browser. */
export type SnapshotWire = Shape<typeof snapshotWire>;

/** @throws when it is not the snapshot of docs/wire.md */
export function readSnapshot(wire: unknown): Snapshot {
  const { header, workers } = snapshotWire(wire);
  return { header: toHeader(header), workers: workers.map(toWorker) };
}

/** @throws when it is not a message of docs/wire.md */
export function readMessage(wire: unknown): Message {
  const { part, parts, header, workers, beats } = messageWire(wire);
  const head = header ? toHeader(header) : null;
  return {
    part,
    parts,
    header: head,
    workers: (workers ?? []).map(toWorker),
    // Beats count their times back from header.now, so without one they mean nothing.
    beats: head ? (beats ?? []).map((beat) => toBeat(beat, head.now)) : [],
  };
}

function toHeader(wire: Shape<typeof headerWire>): Header {
  const now = new Date(wire.now);
  return {
    generation: wire.generation,
    now,
    heardUntil: toDate(wire.heard_until) ?? now,
    workers: wire.workers,
    revision: wire.revision,
    tickAt: toDate(wire.tick_at),
    watchingSince: toDate(wire.watching_since),
    impairedSince: toDate(wire.impaired_since),
  };
}

/** Reads a tuple cell by cell: a schema for tuples would weigh more than all that it checks here. */
function toBeat(tuple: readonly unknown[], now: Date): Beat {
  const number = (index: number) => {
    const value = tuple[index];
    if (typeof value !== 'number') throw new TypeError(`cell ${index} of a beat is ${value}, not a number`);
    return value;
  };
  const numberOrNull = (index: number) => (tuple[index] == null ? null : number(index));
  const text = (index: number) => (tuple[index] == null ? null : String(tuple[index]));
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
