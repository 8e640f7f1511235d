import { applyGroups, keptGroups, type GroupSettings } from './group.ts';
import type { Beat, Header, Message, Snapshot } from './message.ts';
import { claimsLife, waits } from './health.ts';
import type { Worker } from './worker.ts';

/** The fleet at one instant, as a viewer knows it. Replaced with every change, never modified. */
export interface FleetState {
  readonly workers: ReadonlyMap<number, Worker>;
  /** The settings of groups, by worker type. */
  readonly groups: ReadonlyMap<string, GroupSettings>;
  /** The header of the last complete message that matched this state. */
  readonly header: Header;
  /** The highest applied revision. */
  readonly revision: number;
  /** A digest with missing parts. */
  readonly awaited: Awaited | null;
  /** The number of headers in a row with a lower revision than this state. */
  readonly behind: number;
}

interface Awaited {
  readonly now: number;
  readonly parts: ReadonlySet<number>;
}

/** The result of applying a message. */
export interface Applied {
  readonly state: FleetState;
  /** The reason if a message was lost; the viewer then takes a new snapshot. Else null. */
  readonly lost: string | null;
}

/**
 * One header with a lower revision means that a transition overtook the digest. Two in a row mean that the fleet's highest
 * revision went down, because a worker or a group was deleted.
 */
const BEHIND_LIMIT = 2;

/**
 * Starts from a snapshot.
 *
 * @param before the last state: unchanged workers keep their object, so that their rows are not rendered again
 */
export function fromSnapshot({ header, workers, groups }: Snapshot, before?: FleetState): FleetState {
  const known = before?.header.generation === header.generation ? before : null;
  const kept = (worker: Worker) => {
    const old = known?.workers.get(worker.id);
    const same = old?.revision === worker.revision && time(old.lastHeartbeat) === time(worker.lastHeartbeat);
    return same ? old : worker;
  };
  return {
    workers: new Map(workers.map((worker) => [worker.id, kept(worker)])),
    groups: keptGroups(groups, known?.groups),
    header,
    revision: header.revision,
    awaited: null,
    behind: 0,
  };
}

/**
 * Applies one message from the database. Never throws, and never goes back in time: duplicate, reordered and old messages
 * change nothing. Reports a gap (truth rule 8).
 */
export function applyMessage(state: FleetState, message: Message): Applied {
  const { header } = message;
  if (header && header.generation !== state.header.generation) {
    return { state, lost: 'the database was restored' };
  }

  let workers = state.workers as Map<number, Worker>;
  const put = (worker: Worker) => {
    // One copy, and none without a change, because a state is one instant and never modified.
    if (workers === state.workers) workers = new Map(workers);
    workers.set(worker.id, worker);
  };
  let { revision } = state;
  let lost: string | null = null;

  for (const worker of message.workers) {
    revision = Math.max(revision, worker.revision);
    if (supersedes(worker, workers.get(worker.id))) put(worker);
  }
  for (const beat of message.beats) {
    const worker = workers.get(beat.workerId);
    if (!worker) {
      lost ??= `worker ${beat.workerId} is not known`;
    } else if (beat.revision > worker.revision) {
      lost ??= `a transition of ${worker.name} is missing`;
    } else if (beat.revision === worker.revision && isNews(beat, worker)) {
      put(withBeat(worker, beat));
    }
  }

  const groups = applyGroups(state.groups, message.groups);
  for (const group of message.groups) if (!('gone' in group)) revision = Math.max(revision, group.revision);

  const next: FleetState = { ...state, workers, groups, revision };
  if (!header || lost) return { state: next, lost };
  return applyHeader(next, header, message);
}

function applyHeader(state: FleetState, header: Header, { part, parts }: Message): Applied {
  const now = header.now.getTime();
  if (now < state.header.now.getTime()) return { state, lost: null };

  const { awaited } = state;
  const incomplete = awaited && awaited.now < now ? 'part of a digest is missing' : null;
  if (parts > 1) {
    const seen = new Set(awaited?.now === now ? awaited.parts : []).add(part);
    if (seen.size < parts) return { state: { ...state, awaited: { now, parts: seen } }, lost: incomplete };
  }
  const whole = { ...state, awaited: null };
  if (incomplete) return { state: whole, lost: incomplete };

  if (header.revision < state.revision) {
    const behind = state.behind + 1;
    const lost = behind >= BEHIND_LIMIT ? 'the fleet went back' : null;
    // Its times are valid: everything that it covers is applied already.
    return { state: { ...whole, behind, header: lost ? state.header : header }, lost };
  }
  if (header.revision > state.revision) return { state: whole, lost: 'a transition is missing' };
  if (header.workers !== state.workers.size) {
    return { state: whole, lost: `${header.workers} workers there, ${state.workers.size} here` };
  }
  if (header.groups !== state.groups.size) {
    return { state: whole, lost: `${header.groups} groups there, ${state.groups.size} here` };
  }
  return { state: { ...whole, header, behind: 0 }, lost: null };
}

/**
 * A full worker replaces one with a lower revision. At the same revision only beats differ, so the later beat is newer.
 */
function supersedes(worker: Worker, known: Worker | undefined): boolean {
  if (!known || worker.revision > known.revision) return true;
  return worker.revision === known.revision && time(worker.lastHeartbeat) > time(known.lastHeartbeat);
}

/** Times in a tuple are rounded to milliseconds twice. */
const ROUNDING_MS = 2;

/** A time that a worker sends as a duration varies by the length of a request. */
const WOBBLE_MS = 2_000;

/** A digest repeats beats of the last seconds. A repeated beat must not render its row again. */
function isNews(beat: Beat, worker: Worker): boolean {
  return beat.heardAt.getTime() > time(worker.lastHeartbeat) + ROUNDING_MS;
}

function withBeat(worker: Worker, beat: Beat): Worker {
  return {
    ...worker,
    status: beat.status,
    lastHeartbeat: beat.heardAt,
    leaseExpiresAt: leaseAfter(worker, beat),
    jobsProcessed: beat.jobsProcessed,
    errorCount: beat.errorCount,
    jobsActive: beat.jobsActive,
    lastRunAt: beat.lastRunAt,
    lastRunProcessed: beat.lastRunProcessed,
    lastRunErrors: beat.lastRunErrors,
    ...(beat.activity && {
      activity: beat.activity.text,
      activitySince: beat.activity.since,
      jobId: beat.activity.jobId,
      jobType: beat.activity.jobType,
    }),
  };
}

/**
 * A resident's lease moves with each beat. A scheduled worker's lease lasts from the first beat of a run for the longest
 * allowed run; between runs it ends when the next run is overdue, and a new time for that arrives as a change of state.
 */
function leaseAfter(worker: Worker, beat: Beat): Date | null {
  const usual = worker.lostAfter * worker.intervalSeconds;
  if (worker.kind === 'resident') return after(beat.heardAt, usual);
  const next = { ...worker, status: beat.status };
  if (waits(next)) return worker.nextRunAt && after(worker.nextRunAt, worker.graceSeconds);
  const running = claimsLife(worker) && !waits(worker) && worker.status !== 'error';
  const ended = beat.lastRunAt && time(beat.lastRunAt) - WOBBLE_MS > time(worker.lastRunAt);
  if (running && !ended && beat.status !== 'error') return worker.leaseExpiresAt;
  const run = after(beat.heardAt, Math.max(usual, worker.maxRunSeconds));
  // Between runs, after a failed one.
  const wait = beat.status === 'error' && worker.nextRunAt && after(worker.nextRunAt, worker.graceSeconds);
  return wait && wait > run ? wait : run;
}

function after(date: Date, seconds: number): Date {
  return new Date(date.getTime() + seconds * 1000);
}

function time(date: Date | null): number {
  return date?.getTime() ?? -Infinity;
}
