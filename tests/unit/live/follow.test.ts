import { describe, expect, it } from 'vitest';
import type { Message, Snapshot } from '../../../src/lib/rules/message.ts';
import { follow, SILENT_AFTER_MS, type Connection } from '../../../src/lib/live/follow.ts';
import { SignedOut, type FleetSource, type Listener } from '../../../src/lib/live/source.ts';
import { before, header, message, snapshot } from '../../support/fleet.ts';
import { fakeTicker } from '../../support/ticker.ts';

/** A source under the test's control, with a record of the follower's calls. */
function setUp({ lostBy = () => null as string | null, watchFails = () => false as boolean } = {}) {
  const ticker = fakeTicker();
  const log: string[] = [];
  const states: Connection[] = [];
  const watches: number[] = [];
  let listeners: Listener[] = [];
  const requests: { answer(snapshot: Snapshot): void; fail(error: Error): void }[] = [];
  const source: FleetSource = {
    snapshot: () => {
      log.push('snapshot asked');
      return new Promise((resolve, reject) => requests.push({ answer: resolve, fail: reject }));
    },
    watch: async () => {
      watches.push(ticker.now());
      if (watchFails()) throw new Error('HTTP 503');
      return { now: new Date(before(0)), tickAt: null };
    },
    listen: (listener) => {
      listeners = [...listeners, listener];
      return () => (listeners = listeners.filter((one) => one !== listener));
    },
  };
  const following = follow(
    source,
    {
      apply: (next: Message) => {
        log.push(`apply ${next.header?.revision ?? 'transition'}`);
        return lostBy();
      },
      replace: () => log.push('replace'),
      connection: (state) => states.push(state),
      watched: () => {},
    },
    ticker,
  );
  return {
    ticker,
    log,
    states,
    watches,
    following,
    listener: () => listeners.at(-1)!,
    listeners: () => listeners.length,
    async answer(error?: Error) {
      const request = requests.shift();
      if (!request) throw new Error('no snapshot was requested');
      if (error) request.fail(error);
      else request.answer(snapshot([]));
      await settle();
    },
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));
const digest = (revision: number) => message({ header: header([], { revision }) });

/** Joined and in step. */
async function live(options?: Parameters<typeof setUp>[0]) {
  const set = setUp(options);
  set.listener().joined();
  await set.answer();
  set.log.length = 0;
  return set;
}

describe('following the fleet', () => {
  it('joins first, then takes the snapshot, then applies the messages in between', async () => {
    const { listener, log, states, answer } = setUp();
    expect(log).toEqual([]);
    listener().joined();
    listener().message(digest(1));
    listener().message(digest(2));
    expect(states).toEqual(['connecting']);
    await answer();
    listener().message(digest(3));
    expect(log).toEqual(['snapshot asked', 'replace', 'apply 1', 'apply 2', 'apply 3']);
    expect(states).toEqual(['connecting', 'live']);
  });

  it('takes a new snapshot after a lost message, and stays live meanwhile', async () => {
    let lost: string | null = 'a transition is missing';
    const { listener, log, states, answer } = await live({ lostBy: () => lost });
    listener().message(digest(1));
    lost = null;
    listener().message(digest(2));
    await answer();
    expect(log).toEqual(['apply 1', 'snapshot asked', 'replace', 'apply 2']);
    expect(states).toEqual(['connecting', 'live']);
  });

  it('slows down when snapshots do not help', async () => {
    const { listener, log, ticker, answer } = await live({ lostBy: () => 'always something' });
    for (let second = 0; second < 60; second++) {
      listener().message(digest(second));
      if (log.at(-1) === 'snapshot asked') await answer();
      ticker.advance(1_000);
      if (log.at(-1) === 'snapshot asked') await answer();
    }
    const asked = log.filter((entry) => entry === 'snapshot asked').length;
    expect(asked).toBeGreaterThan(3);
    expect(asked).toBeLessThan(10);
  });

  it('shows that it reconnects while the connection is down, and converges afterwards', async () => {
    const { listener, log, states, answer } = await live();
    listener().left();
    expect(states.at(-1)).toBe('reconnecting');
    listener().joined();
    await answer();
    expect(log).toEqual(['snapshot asked', 'replace']);
    expect(states.at(-1)).toBe('live');
  });

  it('opens a new channel when the old one was closed for good', async () => {
    const { listener, listeners, states, ticker, answer } = await live();
    const old = listener();
    old.closed();
    ticker.advance(2_000);
    expect(listeners()).toBe(1);
    expect(listener()).not.toBe(old);
    listener().joined();
    await answer();
    expect(states).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('is not live without a digest for 25 s, until one comes', async () => {
    const { listener, states, ticker, answer } = await live();
    ticker.advance(SILENT_AFTER_MS - 1_000);
    expect(states.at(-1)).toBe('live');
    ticker.advance(1_000);
    expect(states.at(-1)).toBe('stale');
    listener().joined(); // a new channel without messages, like the old one
    await answer();
    expect(states.at(-1)).toBe('stale');
    listener().message(digest(1));
    expect(states.at(-1)).toBe('live');
  });

  it('does not count a transition as a digest', async () => {
    const { listener, states, ticker } = await live();
    ticker.advance(SILENT_AFTER_MS - 1_000);
    listener().message(message({ workers: [] }));
    ticker.advance(1_000);
    expect(states.at(-1)).toBe('stale');
  });

  it('tries again when a snapshot fails', async () => {
    const { listener, log, states, ticker, answer } = setUp();
    listener().joined();
    await answer(new Error('HTTP 503'));
    expect(states.at(-1)).toBe('connecting');
    ticker.advance(1_000);
    await answer();
    expect(log).toEqual(['snapshot asked', 'snapshot asked', 'replace']);
    expect(states.at(-1)).toBe('live');
  });

  it('reports its viewer every minute, and soon again after a failure', async () => {
    let down = true;
    const { ticker, watches } = setUp({ watchFails: () => down });
    for (let second = 0; second < 90; second++) {
      await settle();
      if (second === 8) down = false;
      ticker.advance(1_000);
    }
    expect(watches).toEqual([0, 5_000, 10_000, 60_000]);
  });

  it('treats an unreadable message as lost', async () => {
    const { listener, log, ticker } = await live();
    listener().garbled();
    ticker.advance(1_000);
    expect(log).toEqual(['snapshot asked']);
  });

  it('stops for good when the session has ended', async () => {
    const { listener, listeners, states, answer } = setUp();
    listener().joined();
    await answer(new SignedOut());
    expect(states.at(-1)).toBe('signed-out');
    expect(listeners()).toBe(0);
  });
});
