import type { Ticker } from './clock.svelte.ts';

/** All that it does: a worker's timers are not slowed down when its page is hidden, as those of a page are. */
const BEAT = 'setInterval(() => postMessage(0), 1000)';

/**
 * A ticker that keeps its pace in a background tab: a wall display stands behind other windows for hours, and must be right
 * whenever somebody looks, and heard of on the server all the while. Calls come by the second.
 */
export function steadyTicker(): Ticker & { stop(): void } {
  const address = URL.createObjectURL(new Blob([BEAT], { type: 'text/javascript' }));
  const worker = new Worker(address);
  return {
    now: () => performance.now(),
    every(ms, tick) {
      let due = performance.now() + ms;
      const beat = () => {
        // Half a beat early is nearer than half a beat late.
        if (performance.now() < due - 500) return;
        due = performance.now() + ms;
        tick();
      };
      worker.addEventListener('message', beat);
      return () => worker.removeEventListener('message', beat);
    },
    soon: (work) => void setTimeout(work),
    stop() {
      worker.terminate();
      URL.revokeObjectURL(address);
    },
  };
}
