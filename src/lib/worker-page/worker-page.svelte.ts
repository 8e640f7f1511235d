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

/** Minimum time between two fetches of details. */
const DETAILS_EVERY_MS = 1_000;
/** The same after a plain beat, which changes only figures. */
const FIGURES_EVERY_MS = 10_000;
/** Time between fetches while a command is open. */
const OPEN_EVERY_MS = 3_000;

/**
 * One worker on its page: starts with the server's data, then follows. The row arrives in the fleet's messages; events,
 * commands and log arrive on the worker's own channel, and are fetched again after a missed message.
 */
export class WorkerPage extends Following {
  readonly name: string;
  readonly #follower: WorkerFollower;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- not rendered
  readonly #listeners = new Set<(news?: unknown) => void>();
  #state = $state.raw() as FleetState;
  #details: Details | null = $state.raw(null);
  #events: readonly WorkerEvent[] = $state.raw([]);
  #commands: readonly Command[] = $state.raw([]);
  #cut = $state.raw(false);
  /** Whether there are older events and commands. */
  #more = $state.raw({ events: false, commands: false });
  /** Ticker time of the last fetch of details, and of the next one. */
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

  /** Latest first. */
  get events(): readonly WorkerEvent[] {
    return this.#events;
  }

  /** Whether later events are left out; then the current state is not known. */
  get eventsCut(): boolean {
    return this.#cut;
  }

  /** The worker's commands, latest first. */
  get commands(): readonly Command[] {
    return this.#commands;
  }

  /** The settings of its group; null without settings or group. */
  get group(): GroupSettings | null {
    const type = this.worker?.type ?? null;
    return type === null ? null : (this.#state.groups.get(type) ?? null);
  }

  /** Other workers of its group, as far as loaded. */
  get siblings(): readonly Row[] {
    const own = this.worker;
    if (own?.type == null) return [];
    return this.#all.filter(({ worker }) => worker.type === own.type && worker !== own);
  }

  /** The tally of its group; null if not all its workers are loaded. */
  get tally(): GroupTally | null {
    const members = this.siblings.length + 1;
    if (!this.#own || this.worker?.type == null || (this.#details?.group.workers ?? 0) > members) return null;
    return tally([this.#own, ...this.siblings], this.monitor, this.group);
  }

  protected get state(): FleetState {
    return this.#state;
  }

  /**
   * Passes on raw log messages, and calls without a message when some may have been missed. Returns a function that
   * unsubscribes.
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

  /** Adds a command that was just requested on this page. */
  asked(wire: unknown): void {
    this.#news(() => (this.#commands = mergeCommands(this.#commands, [readCommand(wire)])));
    this.#want(DETAILS_EVERY_MS);
  }

  /** Something was changed on this page, so fetch the data again. */
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
    // A page without any known entry leaves a gap of unknown length, so start with that page.
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

  /** If a message can't be read, the data is fetched instead. */
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
      // The follower detects a lost session or connection.
      this.#want(OPEN_EVERY_MS);
    } finally {
      this.#asking = false;
    }
  }

  /** Takes rows that are not older than the known ones. */
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

/** Whether the two lists have no entry in common. */
function apart(known: readonly { id: number }[], news: readonly { id: number }[]): boolean {
  return !news.some(({ id }) => known.some((one) => one.id === id));
}
