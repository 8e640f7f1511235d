import type { Group } from './arrange.ts';

/**
 * Up to this number, all workers are in the page, so that the browser's own search and printing work. Of a larger fleet, only the
 * rows in sight and near are in the page, and the page has its own search.
 */
export const ALL_TOGETHER = 100;

/** Number of rows that the server renders of a larger fleet: more than a screen. */
export const FIRST_ROWS = 40;

/** A group with some rows in the page, and the height of the other rows. */
export interface Part {
  readonly group: Group;
  /** Places of its first visible row, and of the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly above: number;
  readonly below: number;
}

export interface VisibleRows {
  readonly parts: readonly Part[];
  /** Height of groups without visible rows. */
  readonly above: number;
  readonly below: number;
}

/** All rows. */
export function everything(groups: readonly Group[]): VisibleRows {
  const parts = groups.map((group) => ({ group, from: 0, to: group.rows.length, above: 0, below: 0 }));
  return { parts, above: 0, below: 0 };
}

/** The first rows, before heights are known. */
export function beginning(groups: readonly Group[], rows = FIRST_ROWS): VisibleRows {
  const parts: Part[] = [];
  let left = rows;
  for (const group of groups) {
    if (left <= 0) break;
    const to = Math.min(left, group.rows.length);
    parts.push({ group, from: 0, to, above: 0, below: 0 });
    left -= Math.max(1, to);
  }
  return { parts, above: 0, below: 0 };
}
