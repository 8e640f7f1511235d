import { readMessage, readSnapshot, type Message, type Snapshot } from '../../src/lib/rules/message.ts';
import type { GroupRow } from '../../src/lib/rules/group.ts';
import { toWorker, type Worker, type WorkerRow } from '../../src/lib/rules/worker.ts';

/** The instant at which the made-up fleets of unit tests stand. */
export const NOW = new Date('2026-11-22T12:00:00.000Z');

/** So many seconds before {@link NOW}; after it, if negative. */
export function before(seconds: number): string {
  return new Date(NOW.getTime() - seconds * 1000).toISOString();
}

let lastId = 0;

/** A wire row of a healthy, idle resident that beats every 10 s and reported 1 s ago. */
export function workerRow(traits: Partial<WorkerRow> = {}): WorkerRow {
  const id = traits.worker_id ?? ++lastId;
  return {
    worker_id: id,
    worker_name: `worker-${id}`,
    kind: 'resident',
    expected: true,
    status: 'idle',
    status_since: before(600),
    started_at: before(600),
    last_heartbeat: before(1),
    heartbeat_interval_s: 10,
    late_after_intervals: 2,
    lost_after_intervals: 5,
    lease_expires_at: before(-49),
    revision: id,
    circuit_breaker_open: false,
    circuit_breaker_state: 'closed',
    ...traits,
  };
}

export function worker(traits: Partial<WorkerRow> = {}): Worker {
  return toWorker(workerRow(traits));
}

/** A wire row of a group that wants three alive. */
export function groupRow(traits: Partial<GroupRow> = {}): GroupRow {
  return { worker_type: 'crawl', desired: 3, minimum: 2, revision: 1, ...traits };
}

export interface HeaderTraits {
  generation?: string;
  now?: string;
  received_until?: string;
  workers?: number;
  groups?: number;
  revision?: number;
  tick_every_s?: number;
  stretch?: number;
  tick_at?: string | null;
  impaired_since?: string | null;
}

export function header(
  rows: readonly WorkerRow[],
  traits: HeaderTraits = {},
  groups: readonly GroupRow[] = [],
) {
  const now = traits.now ?? before(0);
  return {
    generation: 'a',
    now,
    received_until: now,
    workers: rows.length,
    groups: groups.length,
    revision: Math.max(0, ...[...rows, ...groups].map(({ revision }) => revision)),
    tick_at: now,
    tick_every_s: 5,
    watching_since: before(86_400),
    impaired_since: null,
    stretch: 1,
    ...traits,
  };
}

export function snapshot(
  rows: readonly WorkerRow[],
  traits: HeaderTraits = {},
  groups: readonly GroupRow[] = [],
): Snapshot {
  return readSnapshot({ header: header(rows, traits, groups), workers: rows, groups });
}

/** The tuple of a beat of `row`, heard so many ms before the message's time. */
export function beat(
  row: WorkerRow,
  {
    heardMs = 0,
    jobs = row.jobs_processed ?? 0,
    code = 2,
    revision = row.revision,
    activity,
  }: BeatTraits = {},
): unknown[] {
  const plain = [row.worker_id, revision, code, heardMs, jobs, row.error_count ?? 0, 0, null, null, null];
  return activity === undefined ? plain : [...plain, 0, activity, null, null];
}

export interface BeatTraits {
  heardMs?: number;
  jobs?: number;
  code?: number;
  revision?: number;
  activity?: string | null;
}

export function message(wire: Record<string, unknown>): Message {
  return readMessage({ part: 1, parts: 1, ...wire });
}
