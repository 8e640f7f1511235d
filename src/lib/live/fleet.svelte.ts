import { Following } from './following.svelte.ts';
import type { FleetSource } from './source.ts';
import { systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { applyMessage, fromSnapshot, type FleetState } from '../rules/fleet-state.ts';
import type { GroupSettings } from '../rules/group.ts';
import type { Snapshot } from '../rules/message.ts';
import { toRow, type Row } from '../rules/row.ts';
import { tallyByType, total, type GroupTally, type Tally } from '../rules/tally.ts';

/** What is known of a whole fleet of which only some workers have come yet. */
export interface Ahead {
  readonly tallies: ReadonlyMap<string | null, GroupTally>;
}

/** A channel is joined within a second; where it can't be, the whole fleet is to be seen all the same. */
const ALONE_AFTER_MS = 3_000;

/**
 * The fleet as the page sees it: begins with the snapshot that the server rendered, follows the messages once started.
 */
export class Fleet extends Following {
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a cache, read where #state is read
  readonly #rowOf = new Map<number, Row>();
  #judged: readonly Row[] = [];
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced, never changed
  #counted: ReadonlyMap<string | null, GroupTally> = new Map();
  /** What is shown. */
  #state = $state.raw() as FleetState;
  /** What is known: ahead of what is shown while the parts of a message come in. */
  #latest: FleetState;
  #ahead: Ahead | null = $state.raw(null);
  readonly #rows: readonly Row[] = $derived(this.#judge());
  readonly #tallyByType: ReadonlyMap<string | null, GroupTally> = $derived(
    this.#ahead?.tallies ?? this.#count(),
  );
  readonly #tally = $derived(total(this.#tallyByType.values()));

  /** @param ahead what is known of the fleet beyond the workers in this snapshot, where these are not all */
  constructor(snapshot: Snapshot, ticker: Ticker = systemTicker, ahead: Ahead | null = null) {
    super(snapshot.header, ticker);
    this.#latest = this.#state = fromSnapshot(snapshot);
    this.#ahead = ahead;
  }

  /** Every worker with its health. A row is another object exactly when something about it changed. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** How many workers there are, come or still to come. */
  get count(): number {
    return this.#ahead ? this.#state.header.workers : this.#rows.length;
  }

  /** Whether some of them are still to come. */
  get loading(): boolean {
    return this.#ahead !== null;
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** The tally of each worker type, whatever is shown of it; of those that have settings but no worker, too. */
  get tallyByType(): ReadonlyMap<string | null, GroupTally> {
    return this.#tallyByType;
  }

  /** What people have set for groups, by worker type. */
  get groups(): ReadonlyMap<string, GroupSettings> {
    return this.#state.groups;
  }

  protected get state(): FleetState {
    return this.#state;
  }

  /** Whether the figures may be out of date: not live, or the server's watch is in doubt. */
  get stale(): boolean {
    return this.connection !== 'live' || this.impairedSince !== null;
  }

  /** By how much the intervals of all workers are stretched; 1: not. */
  get stretch(): number {
    return this.#state.header.stretch;
  }

  /** The limit that they are stretched for; null where none is told. */
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
        // A change is shown at once. The parts of a digest are shown together, and in a task of their own: a large fleet
        // would keep the page from answering for longer.
        if (!message.header) this.#state = state;
        else if (!state.awaited) this.ticker.soon(() => (this.#state = this.#latest));
        return lost;
      },
      (snapshot) => {
        this.#latest = this.#state = fromSnapshot(snapshot, this.#latest);
        this.#ahead = null;
      },
    );
    // Those who are still to come come with the first snapshot, which waits for the channel: but not for ever.
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
    // The same list where nothing is new: whatever is sorted and counted from it stays as it is.
    return changed ? (this.#judged = rows) : this.#judged;
  }

  /** The same map where nothing is counted differently: the list that stands by it is not arranged anew. */
  #count(): ReadonlyMap<string | null, GroupTally> {
    const counted = tallyByType(this.#rows, this.monitor, this.#state.groups);
    if (!isSame(counted, this.#counted)) this.#counted = counted;
    return this.#counted;
  }
}

function isSame(one: ReadonlyMap<unknown, unknown>, other: ReadonlyMap<unknown, unknown>): boolean {
  return one.size === other.size && JSON.stringify([...one]) === JSON.stringify([...other]);
}
