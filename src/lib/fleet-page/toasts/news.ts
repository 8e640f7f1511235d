import type { Row } from '../../rules/row.ts';

/** What became of a worker: it came into trouble, out of it, ended in peace, or was heard for the first time. */
export type Change = 'trouble' | 'well' | 'ended' | 'new';

export interface Item {
  readonly change: Change;
  readonly row: Row;
}

/**
 * What a change of a row is to somebody who looks elsewhere; null where it is nothing to them. Pauses are somebody's own
 * doing, and to be seen in the row.
 *
 * @param before undefined: it was not there
 */
export function changeOf(before: Row | undefined, after: Row): Change | null {
  if (after.health.rule === 'paused' || before?.health.rule === 'paused') return null;
  const bad = after.health.level === 'critical';
  if (!before) return bad ? 'trouble' : after.worker.status === 'unknown' ? null : 'new';
  const wasBad = before.health.level === 'critical';
  if (bad !== wasBad) {
    // Where nobody can tell, nobody is well.
    if (after.health.level === 'unknown') return null;
    return bad ? 'trouble' : after.worker.status === 'stopped' ? 'ended' : 'well';
  }
  if (bad) return null;
  return after.worker.status === 'stopped' && before.worker.status !== 'stopped' ? 'ended' : null;
}

/** Notes what becomes of the workers of a fleet, from one look at it to the next. */
export class News {
  readonly #rows = new Map<number, Row>();
  #looked = false;

  /** What happened since the last look; nothing at the first one. */
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

/** More than so many of a kind at once are told in one. */
const APART = 2;

/** What happened at about the same time, as it is told: one by one, or where it is much, all of a kind together. */
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
