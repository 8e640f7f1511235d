import type { Row } from '../../rules/row.ts';
import { facetOf } from '../list/arrange.ts';
import type { Facet } from './query.ts';

/** Maximum number of choices. A longer list is no help, and the search finds the rest. */
const MOST = 500;

/** The values of a facet with their counts, sorted by value; the most frequent ones if there are too many. */
export function facetValues(rows: Iterable<Row>, facet: Facet): [value: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { worker } of rows) {
    const value = facetOf(worker, facet);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
