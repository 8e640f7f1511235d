import type { Attachment } from 'svelte/attachments';

/** Rows within half a screen above and below count as in sight: they are right before they are scrolled to. */
const MARGIN = '50% 0px';

/** Knows which workers' rows are in sight or close to it. */
export class Sight {
  #near: ReadonlySet<number> | null = $state.raw(null);
  #observer: IntersectionObserver | null = null;
  readonly #idOf = new WeakMap<Element, number>();

  /** Ids of workers; null until the browser has said anything, and on the server. */
  get near(): ReadonlySet<number> | null {
    return this.#near;
  }

  /** Watches the element that is the row of this worker. */
  row(id: number): Attachment {
    return (element) => {
      this.#idOf.set(element, id);
      const observer = (this.#observer ??= this.#observe());
      observer.observe(element);
      return () => observer.unobserve(element);
    };
  }

  /** All rows are watched by one observer, which speaks once a frame at most. */
  #observe(): IntersectionObserver {
    return new IntersectionObserver(
      (entries) => {
        // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced, never changed
        const near = new Set(this.#near);
        for (const { target, isIntersecting } of entries) {
          const id = this.#idOf.get(target)!;
          if (isIntersecting) near.add(id);
          else near.delete(id);
        }
        this.#near = near;
      },
      { rootMargin: MARGIN },
    );
  }
}
