import type { Message, Snapshot } from '../rules/message.ts';

/**
 * The source of the fleet's data. The page uses Supabase (`supabase.ts`); tests use their own.
 */
export interface FleetSource {
  /**
   * The whole fleet at one instant.
   *
   * @throws {SignedOut} if the session has ended
   */
  snapshot(): Promise<Snapshot>;
  /** Reports a viewer to the database, which sends digests only then. @throws {SignedOut} */
  watch(): Promise<{ now: Date; tickAt: Date | null }>;
  /** Joins the channel, and delivers events until the returned function is called. */
  listen(listener: Listener): () => void;
}

export interface Listener {
  /** Joined: from now on no message is missed. Also after each rejoin. */
  joined(): void;
  /** The connection was lost; the source reconnects by itself. */
  left(): void;
  /** The channel was closed for good. Call `listen` again. */
  closed(): void;
  message(message: Message): void;
  /** A message could not be read. */
  garbled(): void;
  signedOut(): void;
}

/** The session has ended; the person must sign in again. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';
  /** The person is no longer a member, so signing in does not help. */
  readonly removed: boolean;

  constructor(message?: string, removed = false) {
    super(message);
    this.removed = removed;
  }
}
