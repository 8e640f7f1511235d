import type { SnapshotWire } from '../rules/message.ts';
import type { Listener } from '../live/source.ts';

/** Events and commands in one page; a shorter page is the last one. */
export const PAGE_OF = 40;

/** The first data of a worker page, from the server. */
export interface WorkerPageData {
  /** The worker and its group; without workers if the worker does not exist (any more). */
  readonly snapshot: SnapshotWire;
  /** For `readDetails`; null if the worker does not exist. */
  readonly details: unknown;
  /** For `readEvent`, latest first. */
  readonly events: readonly unknown[];
  /** Whether later events are left out, because without JavaScript one goes back page by page. */
  readonly eventsCut: boolean;
  /** For `readCommand`, latest first. */
  readonly commands: readonly unknown[];
  /** Whether there are older ones. */
  readonly moreCommands: boolean;
}

/** Raw messages of the worker's own channel. */
export interface WorkerListener {
  /** From now on no message is missed; earlier messages were. */
  joined(): void;
  event(wire: unknown): void;
  command(wire: unknown): void;
  log(news: unknown): void;
}

/** The source of the page's data. Supabase's is `lib/worker-page/supabase.ts`; tests use their own. */
export interface WorkerSource {
  /** @throws {SignedOut} */
  page(): Promise<WorkerPageData>;
  /** Reports a viewer of the fleet and of this worker. @throws {SignedOut} */
  watch(): Promise<{ now: Date; tickAt: Date | null }>;
  listen(listener: Listener, news: WorkerListener): () => void;
}
