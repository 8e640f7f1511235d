import { applyMessage, fromSnapshot, type Applied, type FleetState } from '../rules/fleet-state.ts';
import type { Message, Snapshot } from '../rules/message.ts';

/**
 * Keeps a few workers in step by the fleet's messages. What concerns others is passed over, but for what it tells: that
 * nothing was missed. A new snapshot of a few costs little, so whatever does not fit asks for one.
 */
export class WorkerFollower {
  readonly #name: string;
  /** How many there are in the whole fleet, as a header last said. */
  #workers = 0;
  #groups = 0;
  /** The highest revision that was told of, whosoever it is. */
  #seen = 0;
  /** Parts of a digest that have come, where others are still to. */
  #parts: { readonly now: number; readonly came: Set<number> } | null = null;

  /** @param name of the worker that the page is of: one that comes back under it is another, with another number */
  constructor(name: string) {
    this.#name = name;
  }

  /** Begins anew from a snapshot of these few, whose header is the whole fleet's. */
  begin(snapshot: Snapshot, before?: FleetState): FleetState {
    const { header } = snapshot;
    this.#workers = header.workers;
    this.#groups = header.groups;
    this.#seen = header.revision;
    this.#parts = null;
    return fromSnapshot(snapshot, before);
  }

  /** @returns what the few are then, and why a message must have been lost, or null */
  apply(before: FleetState, message: Message): Applied {
    const { header } = message;
    if (header && header.generation !== before.header.generation)
      return { state: before, lost: 'the database was restored' };

    for (const { revision } of message.workers) this.#see(revision);
    for (const group of message.groups) if (!('gone' in group)) this.#see(group.revision);
    const types = new Set([...before.workers.values()].map(({ type }) => type));
    const { state, lost } = applyMessage(before, {
      ...message,
      workers: message.workers.filter(({ id }) => before.workers.has(id)),
      beats: message.beats.filter(({ workerId }) => before.workers.has(workerId)),
      groups: message.groups.filter(({ type }) => types.has(type)),
      header: null,
    });
    if (message.workers.some(({ id, name }) => name === this.#name && !before.workers.has(id)))
      return { state, lost: 'another worker has its name' };
    if (!header || lost || header.now < state.header.now) return { state, lost };

    const whole = this.#whole(message, header.now.getTime());
    if (whole !== true) return { state, lost: whole };
    if (header.revision > this.#seen) return { state, lost: 'a transition is missing' };
    if (header.workers !== this.#workers || header.groups !== this.#groups)
      return { state, lost: 'the fleet has others now: one of these may be among them' };
    return { state: { ...state, header }, lost: null };
  }

  /** Whether all parts of a message have come; or what tells that one was lost. Null: they are still to come. */
  #whole({ part, parts }: Message, now: number): true | string | null {
    const missing = this.#parts !== null && this.#parts.now < now ? 'part of a digest is missing' : null;
    if (missing) this.#parts = null;
    if (parts <= 1) return missing ?? true;
    const came = this.#parts?.now === now ? this.#parts.came : new Set<number>();
    came.add(part);
    this.#parts = came.size < parts ? { now, came } : null;
    return missing ?? (this.#parts ? null : true);
  }

  #see(revision: number): void {
    if (revision > this.#seen) this.#seen = revision;
  }
}
