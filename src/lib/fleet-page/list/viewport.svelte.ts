import { untrack } from 'svelte';
import type { Attachment } from 'svelte/attachments';

/** The visible range changes in steps of this many pixels. */
const STEP = 256;
/** Extra pixels above and below the visible range. */
const AROUND = 512;

/** The visible range of an element in pixels from its top, a little larger so that scrolling finds rendered rows. */
export class Viewport {
  #top = $state.raw(0);
  #bottom = $state.raw(0);
  #element: HTMLElement | null = null;
  #frame = 0;

  get top(): number {
    return this.#top;
  }

  /** 0 while unknown, as on the server. */
  get bottom(): number {
    return this.#bottom;
  }

  /** Observes the position of this element. */
  readonly of: Attachment<HTMLElement> = (element) => {
    this.#element = element;
    const look = () => this.#look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    // Untracked, so that scrolling does not attach the listeners again.
    untrack(look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
      cancelAnimationFrame(this.#frame);
      this.#element = null;
    };
  };

  /**
   * Scrolls the range between these heights into view, below the sticky heading, unless it is in view.
   */
  bringToSight(top: number, bottom: number, stuck: number): void {
    if (!this.#element) return;
    const offset = this.#element.getBoundingClientRect().top;
    if (offset + top < stuck) scrollBy({ top: offset + top - stuck });
    else if (offset + bottom > innerHeight) scrollBy({ top: offset + bottom - innerHeight });
    this.#look();
  }

  #look(): void {
    const top = -this.#element!.getBoundingClientRect().top;
    const bottom = top + innerHeight;
    const wanted = {
      top: Math.floor(top / STEP) * STEP - AROUND,
      bottom: Math.ceil(bottom / STEP) * STEP + AROUND,
    };
    cancelAnimationFrame(this.#frame);
    if (this.#bottom > 0 && (bottom < this.#top || top > this.#bottom)) {
      // A jump: render the visible rows first and the rows around them in later frames, because all at once would take too long.
      this.#top = top;
      this.#bottom = bottom;
      this.#frame = requestAnimationFrame(() => {
        this.#bottom = wanted.bottom;
        this.#frame = requestAnimationFrame(() => (this.#top = wanted.top));
      });
    } else {
      this.#top = wanted.top;
      this.#bottom = wanted.bottom;
    }
  }
}
