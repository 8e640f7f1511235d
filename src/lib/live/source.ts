import type { Message, Snapshot } from '../rules/message.ts';

/**
 * Where the fleet's news comes from. The page's is Supabase (`supabase.ts`); tests bring their own.
 */
export interface FleetSource {
  /**
   * The whole fleet at one instant.
   *
   * @throws {SignedOut} when the session has ended
   */
  snapshot(): Promise<Snapshot>;
  /** Tells the database that somebody watches; digests flow only then. @throws {SignedOut} */
  watch(): Promise<{ now: Date; tickAt: Date | null }>;
  /** Joins the channel. Events come until the returned function is called. */
  listen(listener: Listener): () => void;
}

export interface Listener {
  /** Joined: from now on nothing is missed. Also after each rejoin. */
  joined(): void;
  /** The connection was lost; the source tries again by itself. */
  left(): void;
  /** The channel was closed for good; only listening anew helps. */
  closed(): void;
  message(message: Message): void;
  /** A message came that cannot be read. */
  garbled(): void;
  signedOut(): void;
}

/** The session has ended: signing in again is the only way on. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';
  /** Signing in again leads nowhere either: it is no member any more. */
  readonly removed: boolean;

  constructor(message?: string, removed = false) {
    super(message);
    this.removed = removed;
  }
}
