import { untrack } from 'svelte';
import type { Attachment } from 'svelte/attachments';

/** What is shown follows the scrolling in steps of so many pixels. */
const STEP = 256;
/** So much above and below what is in sight stands in the page as well. */
const AROUND = 512;

/** Which part of an element is in sight, in pixels from its top; a little more is said, so that scrolling finds it there. */
export class Viewport {
  #top = $state.raw(0);
  #bottom = $state.raw(0);
  #element: HTMLElement | null = null;
  #frame = 0;

  get top(): number {
    return this.#top;
  }

  /** 0 while it is not known, as on the server. */
  get bottom(): number {
    return this.#bottom;
  }

  /** Watches where this element is. */
  readonly of: Attachment<HTMLElement> = (element) => {
    this.#element = element;
    const look = () => this.#look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    // Untracked: what it finds out must not attach all of this anew with each step of scrolling.
    untrack(look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
      cancelAnimationFrame(this.#frame);
      this.#element = null;
    };
  };

  /**
   * Scrolls so that what is between these heights is in sight, below what sticks to the top, unless it is.
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
      // A leap: what is in sight comes first, and what is around it a frame later, for both at once would take too long.
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
