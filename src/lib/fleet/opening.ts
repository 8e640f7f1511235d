import { arrange, type Row } from './arrange.ts';
import { workerHealth } from './health.ts';
import { readSnapshot, type SnapshotWire } from './message.ts';
import { readQuery } from './query.ts';
import { ALL_TOGETHER, beginning } from './shown.ts';
import { tallyByType, type GroupTally } from './tally.ts';
import { watchOf } from './turns.ts';

/** What is known of a whole fleet of which only some workers have come yet. */
export interface Ahead {
  readonly tallies: ReadonlyMap<string | null, GroupTally>;
}

/** What a page begins with. */
export interface Opening {
  readonly snapshot: SnapshotWire;
  /** Null where the snapshot is all of it. */
  readonly ahead: Ahead | null;
}

/**
 * Of a large fleet a page begins with those workers that are at the top of its list, and with the tallies of all: the
 * others, megabytes of them, come as data once it is live. Of a small one with everything.
 *
 * @param params the query in its address, which says who is at the top
 */
export function opening(snapshot: SnapshotWire, params: URLSearchParams): Opening {
  if (snapshot.workers.length <= ALL_TOGETHER) return { snapshot, ahead: null };
  const { header, workers, groups } = readSnapshot(snapshot);
  const watch = watchOf(header);
  const settings = new Map(groups.map((group) => [group.type, group]));
  const rows = workers.map((worker): Row => {
    const group = worker.type === null ? null : settings.get(worker.type);
    return { worker, health: workerHealth(worker, watch, group) };
  });
  const tallies = tallyByType(rows, watch, settings);
  const top = beginning(arrange(rows, readQuery(params), tallies)).parts;
  const first = new Set(
    top.flatMap(({ group, from, to }) => group.rows.slice(from, to).map(({ worker }) => worker.id)),
  );
  const known = snapshot.workers.filter(({ worker_id }) => first.has(worker_id));
  return { snapshot: { ...snapshot, workers: known }, ahead: { tallies } };
}
