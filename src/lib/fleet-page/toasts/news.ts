import type { Row } from '../../rules/row.ts';

/** A change of a worker: it got into trouble, recovered, stopped normally, or reported for the first time. */
export type Change = 'trouble' | 'well' | 'ended' | 'new';

export interface Item {
  readonly change: Change;
  readonly row: Row;
}

/**
 * The change to show as a notice; null if none. Pauses show no notice, because a person made them, and the row shows them.
 *
 * @param before undefined if the row is new
 */
export function changeOf(before: Row | undefined, after: Row): Change | null {
  if (after.health.rule === 'paused' || before?.health.rule === 'paused') return null;
  const bad = after.health.level === 'critical';
  if (!before) return bad ? 'trouble' : after.worker.status === 'unknown' ? null : 'new';
  const wasBad = before.health.level === 'critical';
  if (bad !== wasBad) {
    // Unknown is not recovered.
    if (after.health.level === 'unknown') return null;
    return bad ? 'trouble' : after.worker.status === 'stopped' ? 'ended' : 'well';
  }
  if (bad) return null;
  return after.worker.status === 'stopped' && before.worker.status !== 'stopped' ? 'ended' : null;
}

/** Finds the changes of the fleet's workers between two calls. */
export class News {
  readonly #rows = new Map<number, Row>();
  #looked = false;

  /** The changes since the last call; none at the first call. */
  look(rows: readonly Row[]): Item[] {
    const items: Item[] = [];
    for (const row of rows) {
      const before = this.#rows.get(row.worker.id);
      if (before === row) continue;
      this.#rows.set(row.worker.id, row);
      const change = this.#looked ? changeOf(before, row) : null;
      if (change) items.push({ change, row });
    }
    if (this.#rows.size > rows.length) {
      const there = new Set(rows.map(({ worker }) => worker.id));
      for (const id of this.#rows.keys()) if (!there.has(id)) this.#rows.delete(id);
    }
    this.#looked = true;
    return items;
  }
}

/** More changes of a kind at once appear in one notice. */
const APART = 2;

/** Groups simultaneous changes into notices: one each, or one for many of the same kind. */
export function joined(items: readonly Item[]): Item[][] {
  const groups: Item[][] = [];
  for (const change of ['trouble', 'ended', 'new', 'well'] as const) {
    const latest = new Map(items.map((item) => [item.row.worker.id, item]));
    const of = [...latest.values()].filter((item) => item.change === change);
    if (of.length > APART) groups.push(of);
    else groups.push(...of.map((item) => [item]));
  }
  return groups;
}
