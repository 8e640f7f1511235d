/** Milliseconds that only grow, and a way to be called again and again. Tests bring their own. */
export interface Ticker {
  now(): number;
  /** Calls `tick` every `ms` milliseconds; returns what stops it. */
  every(ms: number, tick: () => void): () => void;
  /** Does something in a task of its own, soon. */
  soon(work: () => void): void;
}

/** The browser's own. `performance.now()` does not jump when somebody sets the clock of the machine. */
export const systemTicker: Ticker = {
  now: () => performance.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  },
  soon: (work) => void setTimeout(work),
};

/** So many measurements of the server's clock are kept. */
const SAMPLES = 20;

/**
 * The server's clock, as well as a browser can know it, and the one timer that ages everything on the page.
 *
 * A message can only be late, never early: of the last measurements the one furthest ahead is the best.
 */
export class Clock {
  readonly #ticker: Ticker;
  #offsets: number[] = [];
  #now = $state.raw(0);
  #zone = $state.raw('UTC');

  /** @param serverNow the server's time when the page was made; right enough to begin with */
  constructor(serverNow: Date, ticker: Ticker = systemTicker) {
    this.#ticker = ticker;
    this.observe(serverNow);
    this.#now = serverNow.getTime();
  }

  /** The server's time in epoch milliseconds; changes once a second. */
  get now(): number {
    return this.#now;
  }

  /** The zone to give instants in: the viewer's own, and UTC until the clock runs, for the server does not know it. */
  get zone(): string {
    return this.#zone;
  }

  /** The server's time to the millisecond, for rules. Not reactive. */
  read(): number {
    return this.#ticker.now() + Math.max(...this.#offsets);
  }

  /** Takes note of the server's time in something that has just arrived. */
  observe(serverNow: Date): void {
    this.#offsets = [...this.#offsets.slice(1 - SAMPLES), serverNow.getTime() - this.#ticker.now()];
  }

  /** Ticks every second until the returned function is called. */
  start(): () => void {
    const tick = () => (this.#now = this.read());
    tick();
    this.#zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
    const stop = this.#ticker.every(1000, tick);
    // The timers of a hidden page are late by up to a minute: what is looked at again must not be.
    const seen = () => document.hidden || tick();
    if (typeof document !== 'undefined') document.addEventListener('visibilitychange', seen);
    return () => {
      stop();
      if (typeof document !== 'undefined') document.removeEventListener('visibilitychange', seen);
    };
  }
}
