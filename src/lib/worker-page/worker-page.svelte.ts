import type { FleetState } from '../rules/fleet-state.ts';
import type { GroupSettings } from '../rules/group.ts';
import type { Health } from '../rules/health.ts';
import { readSnapshot, type SnapshotWire } from '../rules/message.ts';
import { toRow, type Row } from '../rules/row.ts';
import { tally, type GroupTally } from '../rules/tally.ts';
import type { Worker } from '../rules/worker.ts';
import { Following } from '../live/following.svelte.ts';
import { systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { isOpen, mergeCommands, readCommand, type Command } from './commands/commands.ts';
import { readDetails, type Details } from './details.ts';
import { mergeEvents, readEvent, type WorkerEvent } from './timeline/events.ts';
import { WorkerFollower } from './worker-follower.ts';
import { PAGE_OF, type WorkerPageData, type WorkerSource } from './source.ts';

/** Details are fetched again at most so often, however much happens. */
const DETAILS_EVERY_MS = 1_000;
/** After a plain beat, which changes figures alone. */
const FIGURES_EVERY_MS = 10_000;
/** While something is asked of the worker and no word of it comes, we look. */
const OPEN_EVERY_MS = 3_000;

/**
 * One worker as its page sees it: begins with what the server rendered, then follows. Its row comes by the fleet's
 * messages; what only this page shows, by the worker's own channel, and is fetched again when something was missed.
 */
export class WorkerPage extends Following {
  readonly name: string;
  readonly #follower: WorkerFollower;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nobody shows who listens
  readonly #listeners = new Set<(news?: unknown) => void>();
  #state = $state.raw() as FleetState;
  #details: Details | null = $state.raw(null);
  #events: readonly WorkerEvent[] = $state.raw([]);
  #commands: readonly Command[] = $state.raw([]);
  #cut = $state.raw(false);
  /** Whether there is more before what is known. */
  #more = $state.raw({ events: false, commands: false });
  /** When details were last asked for, by the ticker; and by when they are wanted again. */
  #askedAt = -Infinity;
  #wantedAt = Infinity;
  #asking = false;

  readonly #all: readonly Row[] = $derived(
    [...this.#state.workers.values()].map((worker) => toRow(worker, this.monitor, this.#state.groups)),
  );
  readonly #own = $derived(this.#all.find(({ worker }) => worker.name === this.name) ?? null);

  constructor(name: string, page: WorkerPageData, ticker: Ticker = systemTicker) {
    const snapshot = readSnapshot(page.snapshot);
    super(snapshot.header, ticker);
    this.name = name;
    this.#follower = new WorkerFollower(name);
    this.#state = this.#follower.begin(snapshot);
    this.#take(page);
  }

  /** The worker; null once it was removed. */
  get worker(): Worker | null {
    return this.#own?.worker ?? null;
  }

  get health(): Health | null {
    return this.#own?.health ?? null;
  }

  get details(): Details | null {
    return this.#details;
  }

  /** The latest first. */
  get events(): readonly WorkerEvent[] {
    return this.#events;
  }

  /** Whether later ones are left out: then nothing can be said of what is now. */
  get eventsCut(): boolean {
    return this.#cut;
  }

  /** What was asked of it, the latest first. */
  get commands(): readonly Command[] {
    return this.#commands;
  }

  /** What people have set for its group; null: nothing, or it is in none. */
  get group(): GroupSettings | null {
    const type = this.worker?.type ?? null;
    return type === null ? null : (this.#state.groups.get(type) ?? null);
  }

  /** Others that do the same work, as far as they were told of. */
  get siblings(): readonly Row[] {
    const own = this.worker;
    if (own?.type == null) return [];
    return this.#all.filter(({ worker }) => worker.type === own.type && worker !== own);
  }

  /** The tally of its group; null where the group is larger than what was told of. */
  get tally(): GroupTally | null {
    const members = this.siblings.length + 1;
    if (!this.#own || this.worker?.type == null || (this.#details?.group.workers ?? 0) > members) return null;
    return tally([this.#own, ...this.siblings], this.monitor, this.group);
  }

  protected get state(): FleetState {
    return this.#state;
  }

  /**
   * Hands on what comes of its log, as it is, and nothing when something may have been missed; returns what ends it.
   */
  readonly subscribe = (listener: (news?: unknown) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Follows the source until the returned function is called. */
  start(source: WorkerSource): () => void {
    const stopFollowing = this.follow(
      {
        snapshot: async () => {
          this.#askedAt = this.ticker.now();
          const page = await source.page();
          this.#take(page);
          return readSnapshot(page.snapshot);
        },
        watch: () => source.watch(),
        listen: (listener) =>
          source.listen(listener, {
            joined: () => {
              this.#want(0);
              this.#listeners.forEach((listener) => listener());
            },
            event: (wire) => this.#news(() => (this.#events = mergeEvents(this.#events, [readEvent(wire)]))),
            command: (wire) =>
              this.#news(() => (this.#commands = mergeCommands(this.#commands, [readCommand(wire)]))),
            log: (news) => this.#listeners.forEach((listener) => listener(news)),
          }),
      },
      (message) => {
        const { state, lost } = this.#follower.apply(this.#state, message);
        this.#become(state);
        return lost;
      },
      (snapshot) => this.#become(this.#follower.begin(snapshot, this.#state)),
    );
    const stopLooking = this.ticker.every(500, () => void this.#look(source));
    return () => {
      stopFollowing();
      stopLooking();
    };
  }

  /** Takes note of what somebody has just asked for here. */
  asked(wire: unknown): void {
    this.#news(() => (this.#commands = mergeCommands(this.#commands, [readCommand(wire)])));
    this.#want(DETAILS_EVERY_MS);
  }

  /** Something of it was changed from here: it is asked for again. */
  changed(): void {
    this.#want(0);
  }

  /** Whether older events or commands can be fetched. */
  hasOlder(kind: 'events' | 'commands'): boolean {
    return this.#more[kind];
  }

  /** Adds a page of older events or commands. */
  older(kind: 'events' | 'commands', wires: readonly unknown[], more: boolean): void {
    if (kind === 'events') this.#events = mergeEvents(this.#events, wires.map(readEvent));
    else this.#commands = mergeCommands(this.#commands, wires.map(readCommand));
    this.#more = { ...this.#more, [kind]: more };
  }

  #take({ details, events, eventsCut, commands, moreCommands }: WorkerPageData): void {
    this.#cut = eventsCut;
    this.#details = details == null ? null : readDetails(details);
    const newEvents = events.map(readEvent);
    const newCommands = commands.map(readCommand);
    // A page without one that is known leaves a gap of unknown length: then what is known is begun anew.
    if (events.length >= PAGE_OF && apart(this.#events, newEvents)) {
      this.#events = newEvents;
      this.#more = { ...this.#more, events: true };
    } else this.#events = mergeEvents(this.#events, newEvents);
    if (moreCommands && apart(this.#commands, newCommands)) {
      this.#commands = newCommands;
      this.#more = { ...this.#more, commands: true };
    } else this.#commands = mergeCommands(this.#commands, newCommands);
    this.#wantedAt = Infinity;
  }

  #become(state: FleetState): void {
    const before = this.worker;
    this.#state = state;
    const now = this.worker;
    if (!before || !now || before === now) return;
    if (before.revision !== now.revision) this.#want(0);
    // A beat's tuple carries no CPU, memory or metadata.
    else if (now.lastHeartbeat && before.lastHeartbeat && now.lastHeartbeat > before.lastHeartbeat)
      this.#want(Math.max(0, this.#askedAt + FIGURES_EVERY_MS - this.ticker.now()));
  }

  /** A message that cannot be read is no reason to break the page: what it told is fetched. */
  #news(read: () => void): void {
    try {
      read();
    } catch {
      this.#want(0);
    }
  }

  #want(afterMs: number): void {
    this.#wantedAt = Math.min(this.#wantedAt, this.ticker.now() + afterMs);
  }

  async #look(source: WorkerSource): Promise<void> {
    const now = this.ticker.now();
    if (this.#commands.some(isOpen)) this.#want(Math.max(0, this.#askedAt + OPEN_EVERY_MS - now));
    const unseen = typeof document !== 'undefined' && document.hidden;
    if (this.#asking || unseen || now < this.#wantedAt || now < this.#askedAt + DETAILS_EVERY_MS) return;
    this.#asking = true;
    this.#askedAt = now;
    this.#wantedAt = Infinity;
    try {
      const page = await source.page();
      this.#take(page);
      this.#figures(readSnapshot(page.snapshot as SnapshotWire).workers);
    } catch {
      // Whether we are signed out or cut off, the follower finds out and says so.
      this.#want(OPEN_EVERY_MS);
    } finally {
      this.#asking = false;
    }
  }

  /** Rows as new as ours or newer take their place; older ones were overtaken by a message. */
  #figures(workers: readonly Worker[]): void {
    const { workers: known } = this.#state;
    const fresh = workers.filter((worker) => {
      const old = known.get(worker.id);
      return old && worker.revision >= old.revision && time(worker) >= time(old);
    });
    if (fresh.length === 0) return;
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced as a whole
    const all = new Map(known);
    for (const worker of fresh) all.set(worker.id, worker);
    this.#state = { ...this.#state, workers: all };
  }
}

function time({ lastHeartbeat }: Worker): number {
  return lastHeartbeat?.getTime() ?? -Infinity;
}

/** Whether no one of these is among those. */
function apart(known: readonly { id: number }[], news: readonly { id: number }[]): boolean {
  return !news.some(({ id }) => known.some((one) => one.id === id));
}
