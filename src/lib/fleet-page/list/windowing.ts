import type { Attachment } from 'svelte/attachments';
import type { Group } from './arrange.ts';
import { Layout } from './layout.ts';
import type { VisibleRows } from './visible-rows.ts';
import { MeasuredHeights } from './heights.svelte.ts';
import { Viewport } from './viewport.svelte.ts';

/** What sticks to the top of the screen: the heading of a group, and a little air. */
const STUCK = 48;

/** Keeps of a long list only that in the page which is in sight, and near it. Loaded where there is a long list. */
export class Windowing {
  readonly #viewport = new Viewport();
  readonly #heights = new MeasuredHeights();
  #layout: Layout | null = null;
  /** What it was made of. */
  #of: readonly unknown[] = [];

  /** What of these stands in the page now. Reactive. */
  show(groups: readonly Group[], headed: boolean): VisibleRows {
    const of = [groups, headed, this.#heights.version];
    if (!this.#layout || of.some((one, index) => one !== this.#of[index])) {
      this.#of = of;
      this.#layout = new Layout(groups, headed, this.#heights.known);
    }
    return this.#layout.show(this.#viewport.top, this.#viewport.bottom);
  }

  /** Is where the list is. */
  get list(): Attachment<HTMLElement> {
    return this.#viewport.of;
  }

  /** Is the row of this worker. */
  row(id: number): Attachment {
    return this.#heights.row(id);
  }

  /** Is the heading of this group. */
  heading(type: string | null): Attachment {
    return this.#heights.heading(type);
  }

  /** Scrolls to a row, unless it is in sight. @param place which one of all, over all groups */
  bringToSight(place: number): void {
    const span = this.#layout?.span(place);
    if (span) this.#viewport.bringToSight(span.top, span.bottom, STUCK);
  }
}
