import type { Attachment } from 'svelte/attachments';
import type { Group } from './arrange.ts';
import { Layout } from './layout.ts';
import type { VisibleRows } from './visible-rows.ts';
import { MeasuredHeights } from './heights.svelte.ts';
import { Viewport } from './viewport.svelte.ts';

/** Height of the sticky heading with a margin. */
const STUCK = 48;

/** Keeps only the rows in sight and near of a long list in the page. Loaded for long lists. */
export class Windowing {
  readonly #viewport = new Viewport();
  readonly #heights = new MeasuredHeights();
  #layout: Layout | null = null;
  /** The inputs of the layout. */
  #of: readonly unknown[] = [];

  /** The rows to render now. Reactive. */
  show(groups: readonly Group[], headed: boolean): VisibleRows {
    const of = [groups, headed, this.#heights.version];
    if (!this.#layout || of.some((one, index) => one !== this.#of[index])) {
      this.#of = of;
      this.#layout = new Layout(groups, headed, this.#heights.known);
    }
    return this.#layout.show(this.#viewport.top, this.#viewport.bottom);
  }

  /** Attaches to the list. */
  get list(): Attachment<HTMLElement> {
    return this.#viewport.of;
  }

  /** Attaches to the row of this worker. */
  row(id: number): Attachment {
    return this.#heights.row(id);
  }

  /** Attaches to the heading of this group. */
  heading(type: string | null): Attachment {
    return this.#heights.heading(type);
  }

  /** Scrolls to a row, unless it is in sight. @param place its place over all groups */
  bringToSight(place: number): void {
    const span = this.#layout?.span(place);
    if (span) this.#viewport.bringToSight(span.top, span.bottom, STUCK);
  }
}
