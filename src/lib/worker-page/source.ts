import type { SnapshotWire } from '../rules/message.ts';
import type { Listener } from '../live/source.ts';

/** So many events and commands are sent at first, and with every "older"; fewer: there are no more. */
export const PAGE_OF = 40;

/** All that the page of a worker begins with, as the server tells it. */
export interface WorkerPageData {
  /** The worker and those of its group; without workers: there is none of that name (any more). */
  readonly snapshot: SnapshotWire;
  /** For `readDetails`; null where there is no such worker. */
  readonly details: unknown;
  /** For `readEvent`, the latest first. */
  readonly events: readonly unknown[];
  /** Whether later ones than these are left out: without scripts, one goes back in time a page at a time. */
  readonly eventsCut: boolean;
  /** For `readCommand`, the latest first. */
  readonly commands: readonly unknown[];
  /** Whether there are older ones. */
  readonly moreCommands: boolean;
}

/** What comes by the worker's own channel, as it is. */
export interface WorkerListener {
  /** From now on nothing of it is missed; what came before was. */
  joined(): void;
  event(wire: unknown): void;
  command(wire: unknown): void;
  log(news: unknown): void;
}

/** Where the page's news comes from. Supabase's is `lib/worker-page/supabase.ts`; tests bring their own. */
export interface WorkerSource {
  /** @throws {SignedOut} */
  page(): Promise<WorkerPageData>;
  /** Says that somebody watches the fleet, and this worker. @throws {SignedOut} */
  watch(): Promise<{ now: Date; tickAt: Date | null }>;
  listen(listener: Listener, news: WorkerListener): () => void;
}
