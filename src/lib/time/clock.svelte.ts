/** A monotonic clock with a timer. Tests use their own. */
export interface Ticker {
  now(): number;
  /** Calls `tick` every `ms` milliseconds; returns a function that stops it. */
  every(ms: number, tick: () => void): () => void;
  /** Runs a function soon, in a separate task. */
  soon(work: () => void): void;
}

/** The browser's clock. `performance.now()` does not jump when the machine's clock is set. */
export const systemTicker: Ticker = {
  now: () => performance.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  },
  soon: (work) => void setTimeout(work),
};

/** Number of measurements of the server's clock that are kept. */
const SAMPLES = 20;

/**
 * The server's clock, estimated in the browser, and the one timer that updates all times on the page.
 *
 * A message can only be late, never early, so the measurement that is furthest ahead is the best one.
 */
export class Clock {
  readonly #ticker: Ticker;
  #offsets: number[] = [];
  #now = $state.raw(0);
  #zone = $state.raw('UTC');

  /** @param serverNow the server's time when it rendered the page, as a first estimate */
  constructor(serverNow: Date, ticker: Ticker = systemTicker) {
    this.#ticker = ticker;
    this.observe(serverNow);
    this.#now = serverNow.getTime();
  }

  /** The server's time in epoch milliseconds; changes once a second. */
  get now(): number {
    return this.#now;
  }

  /** The zone for displayed times: the viewer's, and UTC until the clock runs, because the server doesn't know the viewer's. */
  get zone(): string {
    return this.#zone;
  }

  /** The server's time in milliseconds, for rules. Not reactive. */
  read(): number {
    return this.#ticker.now() + Math.max(...this.#offsets);
  }

  /** Records the server's time in a message that has just arrived. */
  observe(serverNow: Date): void {
    this.#offsets = [...this.#offsets.slice(1 - SAMPLES), serverNow.getTime() - this.#ticker.now()];
  }

  /** Ticks every second until the returned function is called. */
  start(): () => void {
    const tick = () => (this.#now = this.read());
    tick();
    this.#zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
    const stop = this.#ticker.every(1000, tick);
    // Timers of a hidden page are up to a minute late, so update when the page becomes visible.
    const seen = () => document.hidden || tick();
    if (typeof document !== 'undefined') document.addEventListener('visibilitychange', seen);
    return () => {
      stop();
      if (typeof document !== 'undefined') document.removeEventListener('visibilitychange', seen);
    };
  }
}
