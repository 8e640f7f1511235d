import { arrange } from './list/arrange.ts';
import type { Ahead } from '../live/fleet.svelte.ts';
import { readSnapshot, type SnapshotWire } from '../rules/message.ts';
import { readQuery } from './toolbar/query.ts';
import { ALL_TOGETHER, beginning } from './list/visible-rows.ts';
import { toRow } from '../rules/row.ts';
import { tallyByType } from '../rules/tally.ts';
import { monitorOf } from '../rules/monitor.ts';

/** The first data of a page. */
export interface Opening {
  readonly snapshot: SnapshotWire;
  /** Null if the snapshot contains all workers. */
  readonly ahead: Ahead | null;
}

/**
 * With a large fleet, a page starts with the workers at the top of its list and the tallies of all. The others, megabytes of
 * them, are loaded when the page is live. With a small fleet, a page starts with all workers.
 *
 * @param params the query in its address, which decides the order
 */
export function opening(snapshot: SnapshotWire, params: URLSearchParams): Opening {
  if (snapshot.workers.length <= ALL_TOGETHER) return { snapshot, ahead: null };
  const { header, workers, groups } = readSnapshot(snapshot);
  const monitor = monitorOf(header);
  const settings = new Map(groups.map((group) => [group.type, group]));
  const rows = workers.map((worker) => toRow(worker, monitor, settings));
  const tallies = tallyByType(rows, monitor, settings);
  const top = beginning(arrange(rows, readQuery(params), tallies)).parts;
  const first = new Set(
    top.flatMap(({ group, from, to }) => group.rows.slice(from, to).map(({ worker }) => worker.id)),
  );
  const known = snapshot.workers.filter(({ worker_id }) => first.has(worker_id));
  return { snapshot: { ...snapshot, workers: known }, ahead: { tallies } };
}
