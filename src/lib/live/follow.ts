import type { Message, Snapshot } from '../rules/message.ts';
import { systemTicker, type Ticker } from '../time/clock.svelte.ts';
import { SignedOut, type FleetSource } from './source.ts';

/**
 * - `connecting`: not joined since the page was opened
 * - `live`: joined, converged, with a recent digest
 * - `reconnecting`: was joined, joining again
 * - `stale`: joined, but no messages arrive
 * - `signed-out`: the session has ended
 * - `removed`: the person is no longer a member
 */
export type Connection = 'connecting' | 'live' | 'reconnecting' | 'stale' | 'signed-out' | 'removed';

/** The state that follows the fleet. */
export interface Follower {
  /** @returns the reason if a message was lost, else null */
  apply(message: Message): string | null;
  replace(snapshot: Snapshot): void;
  connection(connection: Connection): void;
  watched(answer: { now: Date; tickAt: Date | null }): void;
  /** The period of the server's tick, which sends the digests. @default 5 */
  readonly tickEverySeconds?: number;
}

/** Without a digest for this time the page is not live, whatever the socket reports (truth rule 8). */
export const SILENT_AFTER_MS = 25_000;
/** A digest may be late by this time plus the period of the tick, which is long with a cron of full minutes. */
const DIGEST_LATE_MS = 15_000;
/**
 * How often a page reports its viewer. The server counts a viewer for 150 s; timers of hidden tabs are late. The answer also
 * shows whether the viewer was removed or signed out elsewhere, so that the page stops within a minute.
 */
const WATCH_EVERY_MS = 50_000;
/** A failed report is repeated soon, because after a long outage no message arrives before it. */
const WATCH_AGAIN_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
/** The longest pause between rejoins. Pauses grow, because each rejoin costs a snapshot. */
const UNREACHABLE_PAUSE_MS = 300_000;
const RESYNC_GRACE_MS = 5_000;
/** Pauses between attempts; the last one repeats. */
const PAUSES_MS = [0, 1_000, 2_000, 5_000, 10_000, 30_000];

/**
 * Keeps a follower in sync with the fleet: joins first, then takes the snapshot, then applies the messages in between. Takes
 * a new snapshot whenever a message was missed. Returns functions that stop it and that take a snapshot now.
 */
export function follow(
  source: FleetSource,
  follower: Follower,
  ticker: Ticker = systemTicker,
): { stop(): void; refresh(): Promise<void> } {
  let stopped = false;
  let joined = false;
  let wasLive = false;
  /** Messages that wait for the snapshot; null while messages are applied as they arrive. */
  let buffer: Message[] | null = [];
  /** Time of the last message with a header. */
  let quietSince = ticker.now();
  /** Number of joins without a message. Not live until one arrives. */
  let unreachable = 0;
  /** Start of the current time out of sync. */
  let behindSince = ticker.now();
  let notified: Connection | null = null;
  let snapshotNeeded: string | null = null;
  let running: Promise<void> | null = null;
  let failures = 0;
  /** Snapshots in a row without a matching digest between them. */
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
      // The server's side of the channel may have died. A new channel may work.
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
      // A snapshot that does not help must not be repeated at once: a large fleet's has megabytes.
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

  /** Applies the messages that arrived during the snapshot. Old ones change nothing. */
  function replay() {
    if (snapshotNeeded) return; // another message was missed; the next snapshot resolves it
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
    // A short resync still counts as live.
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
