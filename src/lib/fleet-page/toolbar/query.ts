import type { Level } from '../../rules/health.ts';
import { LEVELS } from '../../rules/tally.ts';
import { STATUSES, type Status } from '../../rules/worker.ts';

export const SORTS = ['trouble', 'name', 'doing', 'seen', 'jobs', 'errors', 'host'] as const;
export type Sort = (typeof SORTS)[number];

/** Properties to filter by. Null: any; empty: workers without a value. */
export const FACETS = ['type', 'host', 'version'] as const;
export type Facet = (typeof FACETS)[number];

/** Filter and order of the fleet. Stored in the address, so that a view can be shared and bookmarked. */
export interface Query extends Readonly<Record<Facet, string | null>> {
  readonly search: string;
  /** Null: any. */
  readonly health: Level | null;
  readonly status: Status | null;
  readonly sort: Sort;
  /** Reverse order. */
  readonly reverse: boolean;
  /** One list without groups. */
  readonly flat: boolean;
}

export const DEFAULT_QUERY: Query = {
  search: '',
  health: null,
  status: null,
  type: null,
  host: null,
  version: null,
  sort: 'trouble',
  reverse: false,
  flat: false,
};

/** Reads a query from the address; unknown values become defaults. */
export function readQuery(params: URLSearchParams): Query {
  const known = <T extends string>(values: readonly T[], value: string | null): T | null =>
    values.find((candidate) => candidate === value) ?? null;
  const facet = (name: Facet) => params.get(name)?.slice(0, 255) ?? null;
  const sort = params.get('sort') ?? '';
  return {
    search: (params.get('q') ?? '').slice(0, 200),
    health: known(LEVELS, params.get('health')),
    status: known(STATUSES, params.get('status')),
    type: facet('type'),
    host: facet('host'),
    version: facet('version'),
    sort: known(SORTS, sort.replace(/^-/, '')) ?? DEFAULT_QUERY.sort,
    reverse: sort.startsWith('-') && known(SORTS, sort.slice(1)) !== null,
    flat: params.has('flat'),
  };
}

/** Writes a query as the search part of an address; defaults are left out. */
export function writeQuery({ search, sort, reverse, flat, ...filters }: Query): string {
  const params = new URLSearchParams();
  if (search) params.set('q', search);
  for (const name of ['health', 'status', ...FACETS] as const) {
    const value = filters[name];
    if (value !== null) params.set(name, value);
  }
  if (reverse) params.set('sort', `-${sort}`);
  else if (sort !== DEFAULT_QUERY.sort) params.set('sort', sort);
  if (flat) params.set('flat', '');
  const text = params.toString().replace(/\bflat=(?=&|$)/, 'flat');
  return text && `?${text}`;
}

/** Whether the query may exclude workers. */
export function isFiltered({ search, health, status, type, host, version }: Query): boolean {
  return search.trim() !== '' || [health, status, type, host, version].some((value) => value !== null);
}
