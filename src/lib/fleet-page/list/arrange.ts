import { claimsLife, type Level } from '../../rules/health.ts';
import type { Row } from '../../rules/row.ts';
import { FACETS, type Facet, type Query, type Sort } from '../toolbar/query.ts';
import { byType, LEVELS, type GroupTally } from '../../rules/tally.ts';
import type { Worker } from '../../rules/worker.ts';

export interface Group {
  /** The worker type; null for workers without one, and for one list of all. */
  readonly type: string | null;
  readonly rows: readonly Row[];
}

/**
 * Filters, sorts and groups. Groups are sorted by name, workers without a type last. Sorted by trouble, groups in trouble come
 * first. A group that itself matches the filter appears even without workers.
 *
 * @param tallies of all groups, also those without workers
 */
export function arrange(
  rows: readonly Row[],
  query: Query,
  tallies: ReadonlyMap<string | null, GroupTally> = new Map(),
): Group[] {
  const words = wordsOf(query);
  const found = rows.filter((row) => isWanted(row, query, words));
  const sign = query.reverse ? -1 : 1;
  const order = ORDER[query.sort];
  const ordered = found.sort((a, b) => sign * order(a, b) || byName(a, b));
  if (query.flat) return ordered.length > 0 ? [{ type: null, rows: ordered }] : [];
  const rowsOf = new Map(byType(ordered));
  for (const [type, { settings, health, levels }] of tallies) {
    if (!settings || rowsOf.has(type) || isNarrow(query)) continue;
    if (query.type !== null && query.type !== type) continue;
    const wanted =
      query.health === null
        ? LEVELS.every((level) => levels[level] === 0)
        : health.rule !== 'fine' && health.level === query.health;
    if (wanted && includesAll([type, settings.description], words)) rowsOf.set(type, []);
  }
  const trouble = ({ type, rows }: Group) =>
    Math.min(
      ...[rows[0], rows.at(-1)].map((row) => RANK[row?.health.level ?? 'inactive']),
      RANK[tallies.get(type)?.health.level ?? 'inactive'],
    );
  return [...rowsOf]
    .map(([type, rows]) => ({ type, rows }))
    .sort(
      (a, b) =>
        (query.sort === 'trouble' ? sign * (trouble(a) - trouble(b)) : 0) || compareTypes(a.type, b.type),
    );
}

/**
 * Arranges a list repeatedly. Most changes move no row; then only the changed rows are replaced.
 */
export class Arrangement {
  #groups: Group[] = [];
  #query: Query | null = null;
  #rows = 0;
  /** The inputs of the order of groups. */
  #standing = '';
  /** For each worker in the list: its group, and its row in the group. */
  #places = new Map<number, { readonly group: number; readonly index: number }>();

  arrange(
    rows: readonly Row[],
    query: Query,
    tallies: ReadonlyMap<string | null, GroupTally>,
  ): readonly Group[] {
    const standing = JSON.stringify(
      [...tallies].map(([type, { health, settings, levels }]) => [
        type,
        health.level,
        settings?.revision,
        LEVELS.map((level) => levels[level] > 0),
      ]),
    );
    const same = query === this.#query && rows.length === this.#rows && standing === this.#standing;
    const replaced = same ? this.#replace(rows, query) : null;
    if (replaced) return (this.#groups = replaced);
    this.#query = query;
    this.#rows = rows.length;
    this.#standing = standing;
    this.#groups = arrange(rows, query, tallies);
    this.#places.clear();
    for (const [group, { rows: all }] of this.#groups.entries())
      for (const [index, { worker }] of all.entries()) this.#places.set(worker.id, { group, index });
    return this.#groups;
  }

  /** The groups with the old rows replaced; null if a row has moved. */
  #replace(rows: readonly Row[], query: Query): Group[] | null {
    const words = wordsOf(query);
    const fresh = new Map<number, Row[]>();
    for (const row of rows) {
      const place = this.#places.get(row.worker.id);
      if (!place) {
        if (isWanted(row, query, words)) return null;
        continue;
      }
      const { group, index } = place;
      const old = this.#groups[group]!.rows[index]!;
      if (old === row) continue;
      const stays =
        old.worker.name === row.worker.name &&
        old.worker.type === row.worker.type &&
        ORDER[query.sort](old, row) === 0 &&
        isWanted(row, query, words);
      if (!stays) return null;
      let copy = fresh.get(group);
      if (!copy) fresh.set(group, (copy = [...this.#groups[group]!.rows]));
      copy[index] = row;
    }
    return this.#groups.map((group, place) => {
      const copy = fresh.get(place);
      return copy ? { ...group, rows: copy } : group;
    });
  }
}

function wordsOf({ search }: Query): string[] {
  return search.toLowerCase().split(/\s+/).filter(Boolean);
}

/** A worker's value of a facet; empty if it has none. */
export function facetOf({ type, hostname, version }: Worker, facet: Facet): string {
  return { type, host: hostname, version }[facet] ?? '';
}

function isWanted({ worker, health }: Row, query: Query, words: readonly string[]): boolean {
  if (query.health !== null && health.level !== query.health) return false;
  if (query.status !== null && worker.status !== query.status) return false;
  for (const facet of FACETS)
    if (query[facet] !== null && facetOf(worker, facet) !== query[facet]) return false;
  return words.length === 0 || matches(worker, words);
}

/** Whether the query filters by properties of workers, which excludes groups without workers. */
function isNarrow({ status, host, version }: Query): boolean {
  return status !== null || host !== null || version !== null;
}

const RANK = Object.fromEntries(LEVELS.map((level, rank) => [level, rank])) as Record<Level, number>;

const ORDER: Record<Sort, (a: Row, b: Row) => number> = {
  trouble: (a, b) => RANK[a.health.level] - RANK[b.health.level],
  name: byName,
  doing: (a, b) => workingSince(a) - workingSince(b),
  seen: (a, b) => lastSeen(a) - lastSeen(b),
  jobs: (a, b) => b.worker.jobsProcessed - a.worker.jobsProcessed,
  errors: (a, b) => b.worker.errorCount - a.worker.errorCount,
  host: (a, b) => compareTypes(a.worker.hostname, b.worker.hostname),
};

/** The worker with the longest activity comes first, workers without activity last. */
function workingSince({ worker }: Row): number {
  const works = claimsLife(worker) && (worker.jobsActive > 0 || worker.status === 'processing');
  return works ? (worker.activitySince?.getTime() ?? 0) : Number.MAX_VALUE;
}

/** The longest silent worker comes first. All workers on time are equal, because otherwise each digest would reorder them. */
function lastSeen({ worker, health }: Row): number {
  const onTime = worker.kind === 'resident' && claimsLife(worker) && !health.silentSince;
  return onTime ? Number.MAX_VALUE : (worker.lastHeartbeat?.getTime() ?? 0);
}

/** By name, null last. */
function compareTypes(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return compare(a, b);
}

function byName(a: Row, b: Row): number {
  return compare(a.worker.name, b.worker.name);
}

// Not localeCompare, because server and browser must give the same order in any language.
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function matches(worker: Worker, words: readonly string[]): boolean {
  const { name, type, description, activity, hostname, version, status } = worker;
  return includesAll([name, type, description, activity, hostname, version, status], words);
}

function includesAll(texts: readonly (string | null)[], words: readonly string[]): boolean {
  const text = texts.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}
