import type { Attachment } from 'svelte/attachments';
import type { Heights } from './layout.ts';

/** Heights before any measurement: a row with one line, a row with its trouble, a heading. */
const GUESS = { calm: 61, trouble: 86, heading: 32 };
type Kind = keyof typeof GUESS;

/**
 * Heights of rows and headings: measured if they have been visible, else the median of their kind. The median is taken once for
 * each width, because otherwise the visible rows would move with every measurement.
 */
export class MeasuredHeights {
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a cache, read where #version is read
  #measured = new Map<number | string, number>();
  #guess = { ...GUESS };
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- not rendered
  #guessed = new Set<Kind>();
  #version = $state.raw(0);
  #width = 0;
  #observer: ResizeObserver | null = null;
  #pending = false;
  readonly #keyOf = new WeakMap<Element, number | string>();

  /** Increases with each new measurement. Reactive. */
  get version(): number {
    return this.#version;
  }

  /** The current heights. */
  readonly known: Heights = {
    heading: (type) => this.#measured.get(headingKey(type)) ?? this.#guess.heading,
    row: ({ worker, health }) => this.#measured.get(worker.id) ?? this.#guess[kindOf(health.level)],
    note: GUESS.heading,
  };

  /** Measures the row of this worker. */
  row(id: number): Attachment {
    return this.#measure(id);
  }

  heading(type: string | null): Attachment {
    return this.#measure(headingKey(type));
  }

  #measure(key: number | string): Attachment {
    return (element) => {
      this.#keyOf.set(element, key);
      const observer = (this.#observer ??= new ResizeObserver((entries) => this.#take(entries)));
      observer.observe(element);
      return () => observer.unobserve(element);
    };
  }

  #take(entries: ResizeObserverEntry[]): void {
    const width = entries[0]!.borderBoxSize[0]!.inlineSize;
    if (Math.abs(width - this.#width) > 1) {
      this.#width = width;
      this.#measured.clear();
      this.#guessed.clear();
    }
    const seen: Record<Kind, number[]> = { calm: [], trouble: [], heading: [] };
    let changed = false;
    for (const { target, borderBoxSize } of entries) {
      const key = this.#keyOf.get(target)!;
      const kind = typeof key === 'string' ? 'heading' : kindOf((target as HTMLElement).dataset.level);
      const height = borderBoxSize[0]!.blockSize;
      if (height === 0) continue; // removed from the page
      // Nothing moves if the height was assumed correctly.
      const assumed = this.#measured.get(key) ?? this.#guess[kind];
      changed ||= Math.abs(assumed - height) > 0.5;
      this.#measured.set(key, height);
      seen[kind].push(height);
    }
    for (const kind of ['calm', 'trouble', 'heading'] as const) {
      const middle = seen[kind].sort((a, b) => a - b)[seen[kind].length >> 1];
      if (!middle || this.#guessed.has(kind)) continue;
      this.#guessed.add(kind);
      changed ||= this.#guess[kind] !== middle;
      this.#guess[kind] = middle;
    }
    if (!changed || this.#pending) return;
    // In the next frame, because a change here may resize observed elements.
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#version += 1;
    });
  }
}

function headingKey(type: string | null): string {
  return type === null ? '' : `:${type}`;
}

function kindOf(level: string | undefined): Kind {
  return level === 'healthy' ? 'calm' : 'trouble';
}
