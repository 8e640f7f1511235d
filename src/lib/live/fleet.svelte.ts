import { Following } from './following.svelte.ts';
import type { FleetSource } from './source.ts';
import { systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { applyMessage, fromSnapshot, type FleetState } from '../rules/fleet-state.ts';
import type { GroupSettings } from '../rules/group.ts';
import type { Snapshot } from '../rules/message.ts';
import { toRow, type Row } from '../rules/row.ts';
import { tallyByType, total, type GroupTally, type Tally } from '../rules/tally.ts';

/** The tallies of a fleet whose workers are not all loaded yet. */
export interface Ahead {
  readonly tallies: ReadonlyMap<string | null, GroupTally>;
}

/** A channel is usually joined within a second. If not, the page loads the whole fleet after this time. */
const ALONE_AFTER_MS = 3_000;

/**
 * The fleet on the page: starts with the server's snapshot, and follows the messages after `start`.
 */
export class Fleet extends Following {
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
  readonly #rows: readonly Row[] = $derived(this.#judge());
  readonly #tallyByType: ReadonlyMap<string | null, GroupTally> = $derived(
    this.#ahead?.tallies ?? this.#count(),
  );
  readonly #tally = $derived(total(this.#tallyByType.values()));

  /** @param ahead tallies of the whole fleet, if the snapshot does not contain all workers */
  constructor(snapshot: Snapshot, ticker: Ticker = systemTicker, ahead: Ahead | null = null) {
    super(snapshot.header, ticker);
    this.#latest = this.#state = fromSnapshot(snapshot);
    this.#ahead = ahead;
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

  protected get state(): FleetState {
    return this.#state;
  }

  /** Whether the figures may be out of date: the page is not live, or the monitor is impaired. */
  get stale(): boolean {
    return this.connection !== 'live' || this.impairedSince !== null;
  }

  /** The factor by which all intervals are stretched; 1: not stretched. */
  get stretch(): number {
    return this.#state.header.stretch;
  }

  /** The limit that causes the stretch; null if not reported. */
  get beatsPerSecond(): number | null {
    return this.#state.header.beatsPerSecond;
  }

  /** Follows the source until the returned function is called. */
  start(source: FleetSource): () => void {
    const stopFollowing = this.follow(
      source,
      (message) => {
        const { state, lost } = applyMessage(this.#latest, message);
        this.#latest = state;
        // A change appears at once. The parts of a digest appear together, in a separate task, so that a large fleet does
        // not block the page for longer.
        if (!message.header) this.#state = state;
        else if (!state.awaited) this.ticker.soon(() => (this.#state = this.#latest));
        return lost;
      },
      (snapshot) => {
        this.#latest = this.#state = fromSnapshot(snapshot, this.#latest);
        this.#ahead = null;
      },
    );
    // The remaining workers arrive with the first snapshot. The snapshot waits for the channel, but not forever.
    const stopWaiting = this.ticker.every(ALONE_AFTER_MS, () => {
      stopWaiting();
      if (this.loading) void this.refresh();
    });
    return () => {
      stopWaiting();
      stopFollowing();
    };
  }

  #judge(): readonly Row[] {
    const { groups } = this.#state;
    const rows: Row[] = [];
    let changed = false;
    for (const worker of this.#state.workers.values()) {
      const before = this.#rowOf.get(worker.id);
      const row = toRow(worker, this.monitor, groups, before);
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
    const counted = tallyByType(this.#rows, this.monitor, this.#state.groups);
    if (!isSame(counted, this.#counted)) this.#counted = counted;
    return this.#counted;
  }
}

function isSame(one: ReadonlyMap<unknown, unknown>, other: ReadonlyMap<unknown, unknown>): boolean {
  return one.size === other.size && JSON.stringify([...one]) === JSON.stringify([...other]);
}
