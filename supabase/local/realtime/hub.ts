import type { Broadcast } from './broadcast.ts';
import { writeBroadcast, type Encoded, type Version } from './frames.ts';

/** The part of a channel that the hub uses. */
export interface Listener {
  readonly version: Version;
  /** `realtime:` and the topic's name. */
  readonly topic: string;
  readonly isPrivate: boolean;
  deliver(frame: Encoded): void;
}

/** The channels by topic. A private and a public topic with the same name are separate. */
export class Hub {
  readonly #listeners = new Map<string, Set<Listener>>();

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  add(listener: Listener): void {
    const key = keyOf(listener.topic, listener.isPrivate);
    const known = this.#listeners.get(key);
    if (known) known.add(listener);
    else this.#listeners.set(key, new Set([listener]));
  }

  remove(listener: Listener): void {
    const key = keyOf(listener.topic, listener.isPrivate);
    const known = this.#listeners.get(key);
    known?.delete(listener);
    if (known?.size === 0) this.#listeners.delete(key);
  }

  /**
   * Sends a broadcast to all channels of a topic, encoded once per version of the protocol.
   *
   * @param except the sender, which gets no copy.
   */
  publish(topic: string, isPrivate: boolean, broadcast: Broadcast, except?: Listener): void {
    const frames = new Map<Version, Encoded | undefined>();
    for (const listener of this.#listeners.get(keyOf(topic, isPrivate)) ?? []) {
      if (listener === except) continue;
      const { version } = listener;
      if (!frames.has(version)) frames.set(version, writeBroadcast(version, topic, broadcast));
      const frame = frames.get(version);
      if (frame) listener.deliver(frame);
    }
  }
}

const keyOf = (topic: string, isPrivate: boolean): string => `${isPrivate ? 'private' : 'public'} ${topic}`;
