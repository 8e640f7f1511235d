import type { Ticker } from './clock.svelte.ts';

/** The Web Worker's code. Its timers are not slowed down when the page is hidden. */
const BEAT = 'setInterval(() => postMessage(0), 1000)';

/**
 * A ticker that is not slowed down in a background tab. A wall display is behind other windows for hours, must be right whenever
 * somebody looks, and must stay a viewer for the server. Calls come in full seconds.
 */
export function steadyTicker(): Ticker & { stop(): void } {
  const address = URL.createObjectURL(new Blob([BEAT], { type: 'text/javascript' }));
  const worker = new Worker(address);
  return {
    now: () => performance.now(),
    every(ms, tick) {
      let due = performance.now() + ms;
      const beat = () => {
        // Half a beat early is closer than half a beat late.
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
