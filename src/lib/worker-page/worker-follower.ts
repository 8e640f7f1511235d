import { applyMessage, fromSnapshot, type Applied, type FleetState } from '../rules/fleet-state.ts';
import type { Message, Snapshot } from '../rules/message.ts';

/**
 * Keeps a few workers in sync by the fleet's messages. Data of other workers is ignored, except to detect missed messages. A new
 * snapshot of a few workers is cheap, so any mismatch requests one.
 */
export class WorkerFollower {
  readonly #name: string;
  /** The fleet's number of workers in the last header. */
  #workers = 0;
  #groups = 0;
  /** The highest revision in any message, of any worker. */
  #seen = 0;
  /** The received parts of an incomplete digest. */
  #parts: { readonly now: number; readonly came: Set<number> } | null = null;

  /** @param name the worker's name; a removed worker that comes back has a new id */
  constructor(name: string) {
    this.#name = name;
  }

  /** Starts from a snapshot of these workers, with the whole fleet's header. */
  begin(snapshot: Snapshot, before?: FleetState): FleetState {
    const { header } = snapshot;
    this.#workers = header.workers;
    this.#groups = header.groups;
    this.#seen = header.revision;
    this.#parts = null;
    return fromSnapshot(snapshot, before);
  }

  /** @returns the new state, and the reason if a message was lost, else null */
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

  /** True if all parts of a message have arrived; a reason if one was lost; null while parts are missing. */
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
