import type { Group } from './arrange.ts';

/**
 * Up to so many workers stand in the page all together: they can be searched with the browser's own search, printed and read
 * through. Of a larger fleet only what is in sight and near it does; its search is the one of the page.
 */
export const ALL_TOGETHER = 100;

/** What the server renders of a larger fleet, and a browser begins with: more than a screen holds. */
export const FIRST_ROWS = 40;

/** A group of which some rows stand in the page, and the room that the others take. */
export interface Part {
  readonly group: Group;
  /** Places of its rows: from the first that is shown to the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly above: number;
  readonly below: number;
}

export interface VisibleRows {
  readonly parts: readonly Part[];
  /** Room for groups of which nothing is shown. */
  readonly above: number;
  readonly below: number;
}

/** All of it. */
export function everything(groups: readonly Group[]): VisibleRows {
  const parts = groups.map((group) => ({ group, from: 0, to: group.rows.length, above: 0, below: 0 }));
  return { parts, above: 0, below: 0 };
}

/** The first rows, where nobody knows yet how tall they are. */
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
