import { claimsLife, type Health, type Level } from './health.ts';
import { byType, LEVELS, type GroupTally } from './tally.ts';
import type { Worker } from './worker.ts';

/** A line of the fleet: a worker and what its row means now. */
export interface Row {
  readonly worker: Worker;
  readonly health: Health;
}

export interface Group {
  /** The worker type, or null for workers without one. */
  readonly type: string | null;
  readonly rows: readonly Row[];
}

export const SORTS = ['trouble', 'name', 'seen', 'jobs', 'errors'] as const;
export type Sort = (typeof SORTS)[number];

export const FILTERS = ['all', 'critical', 'warning', 'healthy', 'inactive'] as const;
export type Filter = (typeof FILTERS)[number];

/** What of the fleet to show, and in which order. Lives in the address, so that a view can be shared and kept. */
export interface Query {
  readonly search: string;
  readonly filter: Filter;
  readonly sort: Sort;
}

export const DEFAULT_QUERY: Query = { search: '', filter: 'all', sort: 'trouble' };

/** Reads a query from the address; what it does not know it takes for the default. */
export function readQuery(params: URLSearchParams): Query {
  const known = <T extends string>(values: readonly T[], value: string | null): T =>
    values.find((candidate) => candidate === value) ?? values[0]!;
  return {
    search: (params.get('q') ?? '').slice(0, 200),
    filter: known(FILTERS, params.get('status')),
    sort: known(SORTS, params.get('sort')),
  };
}

/** Writes a query as the search part of an address; defaults are left out. */
export function writeQuery({ search, filter, sort }: Query): string {
  const params = new URLSearchParams();
  if (search) params.set('q', search);
  if (filter !== DEFAULT_QUERY.filter) params.set('status', filter);
  if (sort !== DEFAULT_QUERY.sort) params.set('sort', sort);
  const text = params.toString();
  return text && `?${text}`;
}

/**
 * Filters, sorts and groups. Groups stand by name, workers without a type last; where trouble goes first,
 * the groups that are in trouble do too. A group that is itself what the filter asks for is shown without any worker.
 *
 * @param tallies of all groups, those without workers included
 */
export function arrange(
  rows: readonly Row[],
  query: Query,
  tallies: ReadonlyMap<string | null, GroupTally> = new Map(),
): Group[] {
  const words = query.search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = rows
    .filter(({ health }) => inFilter(health.level, query.filter))
    .filter(({ worker }) => words.length === 0 || matches(worker, words))
    .sort((a, b) => ORDER[query.sort](a, b) || byName(a, b));
  const rowsOf = new Map(byType(shown));
  for (const [type, { settings, health, levels }] of tallies) {
    if (!settings || rowsOf.has(type)) continue;
    const empty = LEVELS.every((level) => levels[level] === 0);
    const asked =
      query.filter === 'all' ? empty : health.rule !== 'fine' && inFilter(health.level, query.filter);
    if (asked && includesAll([type, settings.description], words)) rowsOf.set(type, []);
  }
  const trouble = ({ type, rows }: Group) =>
    Math.min(rank(rows[0]?.health.level ?? 'inactive'), rank(tallies.get(type)?.health.level ?? 'inactive'));
  return [...rowsOf]
    .map(([type, rows]) => ({ type, rows }))
    .sort((a, b) => (query.sort === 'trouble' ? trouble(a) - trouble(b) : 0) || compareTypes(a.type, b.type));
}

/** Whether a level is in a filter. */
export function inFilter(level: Level, filter: Filter): boolean {
  if (filter === 'all') return true;
  if (filter === 'inactive') return level === 'inactive' || level === 'unknown';
  return level === filter;
}

const ORDER: Record<Sort, (a: Row, b: Row) => number> = {
  trouble: byTrouble,
  name: () => 0,
  seen: (a, b) => lastSeen(a) - lastSeen(b),
  jobs: (a, b) => b.worker.jobsProcessed - a.worker.jobsProcessed,
  errors: (a, b) => b.worker.errorCount - a.worker.errorCount,
};

/** Who has been silent longest comes first. All who beat as they should are equal, or each digest would shuffle them. */
function lastSeen({ worker, health }: Row): number {
  const onTime = worker.kind === 'resident' && claimsLife(worker) && !health.silentSince;
  return onTime ? Number.MAX_VALUE : (worker.lastHeartbeat?.getTime() ?? 0);
}

function byTrouble(a: Row, b: Row): number {
  return rank(a.health.level) - rank(b.health.level);
}

function rank(level: Level): number {
  return LEVELS.indexOf(level);
}

function compareTypes(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return compare(a, b);
}

function byName(a: Row, b: Row): number {
  return compare(a.worker.name, b.worker.name);
}

// Not localeCompare: server and browser must agree on the order, whatever their languages.
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function matches(worker: Worker, words: readonly string[]): boolean {
  const { name, type, description, activity, hostname, status } = worker;
  return includesAll([name, type, description, activity, hostname, status], words);
}

function includesAll(texts: readonly (string | null)[], words: readonly string[]): boolean {
  const text = texts.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}
