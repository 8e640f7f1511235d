import type { Ticker } from '../../src/lib/time/clock.svelte.ts';

export interface FakeTicker extends Ticker {
  /** Lets time pass, calling all that falls due in it, in order. */
  advance(ms: number): void;
}

/** Time that passes only when a test says so. */
export function fakeTicker(): FakeTicker {
  let now = 0;
  const timers = new Set<{ due: number; ms: number; tick: () => void }>();
  return {
    now: () => now,
    every(ms, tick) {
      const timer = { due: now + ms, ms, tick };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    soon: (work) => work(),
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = [...timers].sort((a, b) => a.due - b.due)[0];
        if (!next || next.due > end) break;
        now = next.due;
        next.due += next.ms;
        next.tick();
      }
      now = end;
    },
  };
}
