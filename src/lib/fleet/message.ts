import * as z from 'zod/mini';
import { STATUSES, toDate, toWorker, workerRow, type Status, type Worker } from './worker.ts';

// zod would compile its schemas with `new Function`; a strict content policy forbids that, and says so in the console.
z.config({ jitless: true });

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
    readonly since: Date;
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

const headerWire = z.object({
  generation: z.string(),
  now: z.string(),
  heard_until: z.nullish(z.string()),
  workers: z.number(),
  revision: z.number(),
  tick_at: z.nullish(z.string()),
  watching_since: z.nullish(z.string()),
  impaired_since: z.nullish(z.string()),
});

const nullableNumber = z.nullable(z.number());
const nullableText = z.nullable(z.string());

const beatWire = z.tuple(
  [z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()],
  z.unknown(),
);
const runWire = z.tuple([nullableNumber, nullableNumber, nullableNumber]);
const activityWire = z.tuple([z.number(), nullableText, nullableText, nullableText]);

const messageWire = z.object({
  part: z._default(z.number(), 1),
  parts: z._default(z.number(), 1),
  header: z.nullish(headerWire),
  workers: z._default(z.array(workerRow), []),
  beats: z._default(z.array(beatWire), []),
});

const snapshotWire = z.object({ header: headerWire, workers: z.array(workerRow) });

/** The snapshot as it travels; the page's data carries it from the server to the browser. */
export type SnapshotWire = z.infer<typeof snapshotWire>;

/** @throws {z.core.$ZodError} when it is not the snapshot of docs/wire.md */
export function readSnapshot(wire: unknown): Snapshot {
  const { header, workers } = snapshotWire.parse(wire);
  return { header: toHeader(header), workers: workers.map(toWorker) };
}

/** @throws {z.core.$ZodError} when it is not a message of docs/wire.md */
export function readMessage(wire: unknown): Message {
  const { part, parts, header, workers, beats } = messageWire.parse(wire);
  const head = header ? toHeader(header) : null;
  return {
    part,
    parts,
    header: head,
    workers: workers.map(toWorker),
    // Beats count their times back from header.now, so without one they mean nothing.
    beats: head ? beats.map((beat) => toBeat(beat, head.now)) : [],
  };
}

function toHeader(wire: z.infer<typeof headerWire>): Header {
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

function toBeat(tuple: z.infer<typeof beatWire>, now: Date): Beat {
  const [workerId, revision, code, heardMsAgo, jobsProcessed, errorCount, jobsActive, ...rest] = tuple;
  const [runMsAgo, lastRunProcessed, lastRunErrors] = runWire.parse(rest.slice(0, 3));
  const activity = rest.length > 3 ? activityWire.parse(rest.slice(3, 7)) : null;
  const before = (ms: number) => new Date(now.getTime() - ms);
  return {
    workerId,
    revision,
    status: STATUSES[code] ?? 'unknown',
    heardAt: before(heardMsAgo),
    jobsProcessed,
    errorCount,
    jobsActive,
    lastRunAt: runMsAgo == null ? null : before(runMsAgo),
    lastRunProcessed,
    lastRunErrors,
    activity: activity && {
      since: before(activity[0]),
      text: activity[1],
      jobId: activity[2],
      jobType: activity[3],
    },
  };
}
