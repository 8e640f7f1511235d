import { follow, type Connection } from './follow.ts';
import type { FleetSource } from './source.ts';
import { Clock, systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { applyMessage, fromSnapshot, type FleetState } from '../rules/fleet-state.ts';
import type { GroupSettings } from '../rules/group.ts';
import type { Snapshot } from '../rules/message.ts';
import { toRow, type Row } from '../rules/row.ts';
import { tallyByType, total, type GroupTally, type Tally } from '../rules/tally.ts';
import { isTickLate, monitorOf, type Monitor } from '../rules/monitor.ts';
import { timeBoundaries } from '../rules/time-boundaries.ts';

/** The tallies of a fleet whose workers are not all loaded yet. */
export interface Ahead {
  readonly tallies: ReadonlyMap<string | null, GroupTally>;
}

/** A channel is usually joined within a second. If not, the page loads the whole fleet after this time. */
const ALONE_AFTER_MS = 3_000;

/**
 * The fleet on the page: starts with the server's snapshot, and follows the messages after `start`.
 */
export class Fleet {
  readonly clock: Clock;
  readonly #ticker: Ticker;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a cache, read where #state is read
  readonly #rowOf = new Map<number, Row>();
  #judged: readonly Row[] = [];
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced, never changed
  #counted: ReadonlyMap<string | null, GroupTally> = new Map();
  /** The state on the page. */
  #state = $state.raw() as FleetState;
  /** The newest state. Ahead of `#state` while the parts of a message arrive. */
  #latest: FleetState;
  #ahead: Ahead | null = $state.raw(null);
  #connection: Connection = $state.raw('connecting');
  #tickAt: Date | null = $state.raw(null);
  /** The server's time in the last message with a tick time, epoch ms. */
  #reportedAt = $state.raw(0);
  #refresh: (() => Promise<void>) | null = null;

  readonly #timeBoundaries: readonly number[] = $derived(timeBoundaries(this.#state));
  /** The last time boundary that has passed. It alone can change a row's health, without a message. */
  readonly #passedBoundary = $derived(
    this.#connection === 'live'
      ? this.#timeBoundaries.findLast((boundary) => boundary <= this.clock.now)
      : undefined,
  );
  readonly #monitor: Monitor = $derived(monitorOf(this.#state.header, this.#passedBoundary));
  readonly #rows: readonly Row[] = $derived(this.#judge());
  readonly #tallyByType: ReadonlyMap<string | null, GroupTally> = $derived(
    this.#ahead?.tallies ?? this.#count(),
  );
  readonly #tally = $derived(total(this.#tallyByType.values()));

  /** @param ahead tallies of the whole fleet, if the snapshot does not contain all workers */
  constructor(snapshot: Snapshot, ticker: Ticker = systemTicker, ahead: Ahead | null = null) {
    this.#ticker = ticker;
    this.clock = new Clock(snapshot.header.now, ticker);
    this.#latest = this.#state = fromSnapshot(snapshot);
    this.#ahead = ahead;
    this.#tickAt = snapshot.header.tickAt;
    this.#reportedAt = snapshot.header.now.getTime();
  }

  /** Every worker with its health. A row is a new object exactly when it changed. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** The number of workers, loaded or not. */
  get count(): number {
    return this.#ahead ? this.#state.header.workers : this.#rows.length;
  }

  /** Whether some workers are not loaded yet. */
  get loading(): boolean {
    return this.#ahead !== null;
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** The tally of each worker type, independent of filters, and of groups with settings but no worker. */
  get tallyByType(): ReadonlyMap<string | null, GroupTally> {
    return this.#tallyByType;
  }

  /** The settings of groups, by worker type. */
  get groups(): ReadonlyMap<string, GroupSettings> {
    return this.#state.groups;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Whether the figures may be out of date: the page is not live, or the monitor is impaired. */
  get stale(): boolean {
    return this.#connection !== 'live' || this.impairedSince !== null;
  }

  /** The server had received everything up to this time. */
  get heardUntil(): Date {
    return this.#state.header.heardUntil;
  }

  /** When the server's tick last ran; null: never. */
  get tickAt(): Date | null {
    return this.#tickAt;
  }

  /** The intended period of the tick. */
  get tickEverySeconds(): number {
    return this.#state.header.tickEverySeconds;
  }

  /** Whether the tick is late. Not claimed while the page is merely disconnected. */
  get tickLate(): boolean {
    const knownUntil = this.#connection === 'live' ? this.clock.now : this.#reportedAt;
    return isTickLate(this.#tickAt, this.tickEverySeconds, knownUntil);
  }

  /** The factor by which all intervals are stretched; 1: not stretched. */
  get stretch(): number {
    return this.#state.header.stretch;
  }

  /** The limit that causes the stretch; null if not reported. */
  get beatsPerSecond(): number | null {
    return this.#state.header.beatsPerSecond;
  }

  get impairedSince(): Date | null {
    return this.#state.header.impairedSince;
  }

  /** Follows the source until the returned function is called. */
  start(source: FleetSource): () => void {
    const tickEverySeconds = () => this.tickEverySeconds;
    const stopClock = this.clock.start();
    const following = follow(
      source,
      {
        apply: (message) => {
          if (message.header) this.#receive(message.header.now, message.header.tickAt);
          const { state, lost } = applyMessage(this.#latest, message);
          this.#latest = state;
          // A change appears at once. The parts of a digest appear together, in a separate task, so that a large fleet does not
          // block the page for longer.
          if (!message.header) this.#state = state;
          else if (!state.awaited) this.#ticker.soon(() => (this.#state = this.#latest));
          return lost;
        },
        replace: (snapshot) => {
          this.#receive(snapshot.header.now, snapshot.header.tickAt);
          this.#latest = this.#state = fromSnapshot(snapshot, this.#latest);
          this.#ahead = null;
        },
        connection: (connection) => (this.#connection = connection),
        watched: ({ now, tickAt }) => this.#receive(now, tickAt),
        get tickEverySeconds() {
          return tickEverySeconds();
        },
      },
      this.#ticker,
    );
    this.#refresh = following.refresh;
    // The remaining workers arrive with the first snapshot. The snapshot waits for the channel, but not forever.
    const stopWaiting = this.#ticker.every(ALONE_AFTER_MS, () => {
      stopWaiting();
      if (this.loading) void this.refresh();
    });
    return () => {
      stopWaiting();
      this.#refresh = null;
      following.stop();
      stopClock();
    };
  }

  /** Takes a new snapshot. Does nothing before {@link start}. */
  async refresh(): Promise<void> {
    await this.#refresh?.();
  }

  #receive(now: Date, tickAt: Date | null): void {
    this.clock.observe(now);
    this.#reportedAt = Math.max(this.#reportedAt, now.getTime());
    if (tickAt && (!this.#tickAt || tickAt > this.#tickAt)) this.#tickAt = tickAt;
  }

  #judge(): readonly Row[] {
    const { groups } = this.#state;
    const rows: Row[] = [];
    let changed = false;
    for (const worker of this.#state.workers.values()) {
      const before = this.#rowOf.get(worker.id);
      const row = toRow(worker, this.#monitor, groups, before);
      if (row !== before) {
        changed = true;
        this.#rowOf.set(worker.id, row);
      }
      rows.push(row);
    }
    if (this.#rowOf.size > rows.length) {
      changed = true;
      for (const id of this.#rowOf.keys()) if (!this.#state.workers.has(id)) this.#rowOf.delete(id);
    }
    // The same list if nothing changed, so that nothing is sorted or counted again.
    return changed ? (this.#judged = rows) : this.#judged;
  }

  /** The same map if no count changed, so that the list is not arranged again. */
  #count(): ReadonlyMap<string | null, GroupTally> {
    const counted = tallyByType(this.#rows, this.#monitor, this.#state.groups);
    if (!isSame(counted, this.#counted)) this.#counted = counted;
    return this.#counted;
  }
}

function isSame(one: ReadonlyMap<unknown, unknown>, other: ReadonlyMap<unknown, unknown>): boolean {
  return one.size === other.size && JSON.stringify([...one]) === JSON.stringify([...other]);
}
