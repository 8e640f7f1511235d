import type { Row } from '../../rules/row.ts';
import type { Group } from './arrange.ts';
import type { Part, VisibleRows } from './visible-rows.ts';

/** Heights of the parts of the list, in pixels. */
export interface Heights {
  heading(type: string | null): number;
  row(row: Row): number;
  /** The line in a group without visible workers. */
  readonly note: number;
}

/** The positions of all rows, in pixels from the top of the list. */
export class Layout {
  readonly #groups: readonly Group[];
  readonly #heights: Heights;
  readonly #headed: boolean;
  /** The tops of all rows, group after group. */
  readonly #tops: Float64Array;
  /** For each group: its top, its end, and the place of its first row among all rows. */
  readonly #bounds: readonly { readonly top: number; readonly end: number; readonly first: number }[];

  constructor(groups: readonly Group[], headed: boolean, heights: Heights) {
    this.#groups = groups;
    this.#heights = heights;
    this.#headed = headed;
    this.#tops = new Float64Array(groups.reduce((sum, { rows }) => sum + rows.length, 0));
    let y = 0;
    let place = 0;
    this.#bounds = groups.map(({ type, rows }) => {
      const top = y;
      const first = place;
      if (headed) y += heights.heading(type);
      if (rows.length === 0) y += heights.note;
      for (const row of rows) {
        this.#tops[place++] = y;
        y += heights.row(row);
      }
      return { top, end: y, first };
    });
  }

  get height(): number {
    return this.#bounds.at(-1)?.end ?? 0;
  }

  /** The rows between two heights. */
  show(top: number, bottom: number): VisibleRows {
    const parts: Part[] = [];
    let above = 0;
    let below = this.height;
    for (const [index, group] of this.#groups.entries()) {
      const bounds = this.#bounds[index]!;
      if (bounds.end <= top) above = bounds.end;
      else if (bounds.top >= bottom) break;
      else {
        const after = bounds.first + group.rows.length;
        const from = Math.max(bounds.first, this.#firstBelow(top, bounds.first, after) - 1);
        const to = this.#firstBelow(bottom, from, after, true);
        const start = bounds.top + (this.#headed ? this.#heights.heading(group.type) : 0);
        parts.push({
          group,
          from: from - bounds.first,
          to: to - bounds.first,
          above: (from < after ? this.#tops[from]! : start) - start,
          below: to < after ? bounds.end - this.#tops[to]! : 0,
        });
      }
      below = this.height - bounds.end;
    }
    return { parts, above, below: parts.length > 0 ? below : this.height - above };
  }

  /** Top and bottom of a row; its place counts over all groups. */
  span(place: number): { top: number; bottom: number } | null {
    const top = this.#tops[place];
    if (top === undefined) return null;
    const { end } = this.#bounds.findLast(({ first }) => first <= place)!;
    const next = this.#tops[place + 1] ?? end;
    return { top, bottom: Math.min(next, end) };
  }

  /** The place of the first row from `low` with its top beyond `y` (or at `y`, if `at`); `high` if there is none. */
  #firstBelow(y: number, low: number, high: number, at = false): number {
    while (low < high) {
      const middle = (low + high) >> 1;
      const top = this.#tops[middle]!;
      if (at ? top >= y : top > y) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
