import type { FleetState } from '../rules/fleet-state.ts';
import type { Header, Message, Snapshot } from '../rules/message.ts';
import { isTickLate, monitorOf, type Monitor } from '../rules/monitor.ts';
import { timeBoundaries } from '../rules/time-boundaries.ts';
import { Clock, systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { follow, type Connection } from './follow.ts';
import type { FleetSource } from './source.ts';

/** The common state of pages that follow the fleet's messages. */
export abstract class Following {
  readonly clock: Clock;
  protected readonly ticker: Ticker;
  #connection: Connection = $state.raw('connecting');
  #tickAt: Date | null = $state.raw(null);
  /** The server's time in the last message with a tick time, epoch ms. */
  #reportedAt = $state.raw(0);
  #refresh: (() => Promise<void>) | null = null;

  readonly #timeBoundaries: readonly number[] = $derived.by(() => timeBoundaries(this.state));
  /** The last time boundary that has passed. It alone can change a row's health, without a message. */
  readonly #passedBoundary = $derived(
    this.#connection === 'live'
      ? this.#timeBoundaries.findLast((boundary) => boundary <= this.clock.now)
      : undefined,
  );
  protected readonly monitor: Monitor = $derived.by(() => monitorOf(this.state.header, this.#passedBoundary));

  constructor({ now, tickAt }: Header, ticker: Ticker = systemTicker) {
    this.ticker = ticker;
    this.clock = new Clock(now, ticker);
    this.#tickAt = tickAt;
    this.#reportedAt = now.getTime();
  }

  /** The state on the page. Reactive. */
  protected abstract get state(): FleetState;

  get connection(): Connection {
    return this.#connection;
  }

  /** The server had received everything up to this time. */
  get heardUntil(): Date {
    return this.state.header.heardUntil;
  }

  /** When the server's tick last ran; null: never. */
  get tickAt(): Date | null {
    return this.#tickAt;
  }

  /** The intended period of the tick. */
  get tickEverySeconds(): number {
    return this.state.header.tickEverySeconds;
  }

  /** Whether the tick is late. Not claimed while the page is merely disconnected. */
  get tickLate(): boolean {
    const knownUntil = this.#connection === 'live' ? this.clock.now : this.#reportedAt;
    return isTickLate(this.#tickAt, this.tickEverySeconds, knownUntil);
  }

  get impairedSince(): Date | null {
    return this.state.header.impairedSince;
  }

  /** Takes a new snapshot. Does nothing before the start. */
  async refresh(): Promise<void> {
    await this.#refresh?.();
  }

  /**
   * Follows the source until the returned function is called.
   *
   * @param apply takes a message; says why one must have been lost, or null
   */
  protected follow(
    source: FleetSource,
    apply: (message: Message) => string | null,
    replace: (snapshot: Snapshot) => void,
  ): () => void {
    const tickEverySeconds = () => this.tickEverySeconds;
    const stopClock = this.clock.start();
    const following = follow(
      source,
      {
        apply: (message) => {
          if (message.header) this.#report(message.header);
          return apply(message);
        },
        replace: (snapshot) => {
          this.#report(snapshot.header);
          replace(snapshot);
        },
        connection: (connection) => (this.#connection = connection),
        watched: (answer) => this.#report(answer),
        get tickEverySeconds() {
          return tickEverySeconds();
        },
      },
      this.ticker,
    );
    this.#refresh = following.refresh;
    return () => {
      this.#refresh = null;
      following.stop();
      stopClock();
    };
  }

  #report({ now, tickAt }: { now: Date; tickAt: Date | null }): void {
    this.clock.observe(now);
    this.#reportedAt = Math.max(this.#reportedAt, now.getTime());
    if (tickAt && (!this.#tickAt || tickAt > this.#tickAt)) this.#tickAt = tickAt;
  }
}
