import type { Message, Snapshot } from '../rules/message.ts';
import { systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { SignedOut, type FleetSource } from './source.ts';

/**
 * - `connecting`: not joined yet, since the page was opened
 * - `live`: joined, converged, and a digest not long ago
 * - `reconnecting`: was joined, trying again
 * - `stale`: joined, but nothing comes
 * - `signed-out`: the session has ended
 * - `removed`: who looks is no member any more
 */
export type Connection = 'connecting' | 'live' | 'reconnecting' | 'stale' | 'signed-out' | 'removed';

/** What follows the fleet. */
export interface Follower {
  /** @returns why a message must have been lost, or null */
  apply(message: Message): string | null;
  replace(snapshot: Snapshot): void;
  connection(connection: Connection): void;
  watched(answer: { now: Date; tickAt: Date | null }): void;
  /** The period of the server's tick, which sends the digests. @default 5 */
  readonly tickEverySeconds?: number;
}

/** No digest for so long: whatever the socket says, we are not live (truth rule 8). */
export const SILENT_AFTER_MS = 25_000;
/** By so much, and the period of the tick where that is long (a cron that knows only minutes), a digest may be late. */
const DIGEST_LATE_MS = 15_000;
/**
 * A watch lasts 150 s on the server; hidden tabs are late. It is also how a page learns that its viewer was removed or
 * signed out elsewhere, which takes no longer than a minute, the way there included.
 */
const WATCH_EVERY_MS = 50_000;
/** One that failed is tried again soon: after an outage as long as a watch, nothing comes before it. */
const WATCH_AGAIN_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
/** Joining anew is tried ever more rarely, for each costs a snapshot. */
const UNREACHABLE_PAUSE_MS = 300_000;
const RESYNC_GRACE_MS = 5_000;
/** Pauses before the next try, the last one again and again. */
const PAUSES_MS = [0, 1_000, 2_000, 5_000, 10_000, 30_000];

/**
 * Keeps a follower in step with the fleet: joins first, then takes the snapshot, then applies what came in between;
 * takes a new one whenever something must have been missed. Returns what ends it, and what asks for a snapshot now.
 */
export function follow(
  source: FleetSource,
  follower: Follower,
  ticker: Ticker = systemTicker,
): { stop(): void; refresh(): Promise<void> } {
  let stopped = false;
  let joined = false;
  let wasLive = false;
  /** Messages that wait for the snapshot; null when they are applied as they come. */
  let buffer: Message[] | null = [];
  /** Since when nothing with a header has come. */
  let quietSince = ticker.now();
  /** Joined, and yet nothing came: not live until something does, however often we join. */
  let unreachable = 0;
  /** Since when we have not been in step. */
  let behindSince = ticker.now();
  let notified: Connection | null = null;
  let snapshotNeeded: string | null = null;
  let running: Promise<void> | null = null;
  let failures = 0;
  /** Snapshots in a row without an agreeing digest between them. */
  let resyncs = 0;
  let notBefore = 0;
  let rejoinAt = Infinity;
  let watchAt = 0;
  let leave = source.listen(listener());

  const stopChecking = ticker.every(CHECK_EVERY_MS, check);
  watch();
  notify();

  return {
    stop,
    refresh: () => {
      need('asked for');
      notBefore = 0;
      return (running ??= synchronise());
    },
  };

  function listener() {
    let current = true;
    const guarded =
      <A extends unknown[]>(act: (...args: A) => void) =>
      (...args: A) => {
        if (current && !stopped) act(...args);
      };
    return {
      joined: guarded(() => {
        joined = true;
        quietSince = ticker.now();
        need('joined');
        notBefore = 0;
        check();
      }),
      left: guarded(() => {
        joined = false;
        notify();
      }),
      closed: guarded(() => {
        current = false;
        joined = false;
        rejoinAt = ticker.now() + pause(++failures);
        notify();
      }),
      message: guarded(receive),
      garbled: guarded(() => need('a message could not be read')),
      signedOut: guarded(() => signedOut()),
    };
  }

  function receive(message: Message) {
    if (buffer) {
      buffer.push(message);
      return;
    }
    const lost = follower.apply(message);
    if (lost) {
      need(lost);
      check();
    } else if (message.header) {
      quietSince = ticker.now();
      unreachable = 0;
      resyncs = 0;
    }
    notify();
  }

  function need(reason: string) {
    snapshotNeeded = reason;
    if (buffer) return;
    buffer = [];
    behindSince = ticker.now();
  }

  function check() {
    if (stopped) return;
    const now = ticker.now();
    if (joined && now - quietSince >= Math.min(silentAfter() * 2 ** unreachable, UNREACHABLE_PAUSE_MS)) {
      // The server's side of the channel may have died without a word; a new one may hear.
      unreachable += 1;
      rejoin();
    } else if (now >= rejoinAt) rejoin();
    if (snapshotNeeded && joined && !running && now >= notBefore) running = synchronise();
    if (now >= watchAt) watch();
    notify();
  }

  function silentAfter(): number {
    return Math.max(SILENT_AFTER_MS, (follower.tickEverySeconds ?? 0) * 1000 + DIGEST_LATE_MS);
  }

  function rejoin() {
    rejoinAt = Infinity;
    joined = false;
    leave();
    if (!stopped) leave = source.listen(listener());
  }

  async function synchronise() {
    const reason = snapshotNeeded;
    snapshotNeeded = null;
    try {
      const snapshot = await source.snapshot();
      if (stopped) return;
      follower.replace(snapshot);
      failures = 0;
      // A snapshot that does not help must not be asked for again and again: a big fleet's is megabytes.
      if (reason !== 'joined' && reason !== 'asked for') notBefore = ticker.now() + pause(++resyncs);
      replay();
    } catch (error) {
      if (error instanceof SignedOut) return signedOut(error);
      snapshotNeeded ??= reason;
      notBefore = ticker.now() + pause(++failures);
    } finally {
      running = null;
      if (!stopped) check();
    }
  }

  /** Applies what came while the snapshot was under way. Old ones among it change nothing. */
  function replay() {
    if (snapshotNeeded) return; // something more was missed meanwhile; the next snapshot settles it
    const waiting = buffer ?? [];
    buffer = null;
    for (const [index, message] of waiting.entries()) {
      const lost = follower.apply(message);
      if (!lost) continue;
      need(lost);
      buffer = waiting.slice(index + 1);
      return;
    }
  }

  function watch() {
    watchAt = ticker.now() + WATCH_EVERY_MS;
    source.watch().then(
      (answer) => {
        if (!stopped) follower.watched(answer);
      },
      (error: unknown) => {
        if (error instanceof SignedOut) signedOut(error);
        else watchAt = ticker.now() + WATCH_AGAIN_MS;
      },
    );
  }

  function notify() {
    if (stopped) return;
    const now = state();
    if (now === notified) return;
    notified = now;
    follower.connection(now);
  }

  function state(): Connection {
    if (unreachable) return 'stale';
    if (joined && !buffer) {
      wasLive = true;
      return 'live';
    }
    // A resync takes a moment; that is no reason to alarm anybody.
    if (joined && notified === 'live' && ticker.now() - behindSince < RESYNC_GRACE_MS) return 'live';
    return wasLive ? 'reconnecting' : 'connecting';
  }

  function signedOut(error?: SignedOut) {
    if (stopped) return;
    follower.connection(error?.removed ? 'removed' : 'signed-out');
    stop();
  }

  function stop() {
    stopped = true;
    leave();
    stopChecking();
  }
}

function pause(failures: number): number {
  return PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]!;
}
