import { describe, expect, it } from 'vitest';
import { Fleet } from '../../../src/lib/live/fleet.svelte.ts';
import type { GroupRow } from '../../../src/lib/rules/group.ts';
import type { WorkerRow } from '../../../src/lib/rules/worker.ts';
import type { FleetSource, Listener } from '../../../src/lib/live/source.ts';
import {
  before,
  groupRow,
  header,
  message,
  snapshot,
  workerRow,
  type HeaderTraits,
} from '../../support/fleet.ts';
import { fakeTicker } from '../../support/ticker.ts';

/** A live fleet of one worker, and time that passes only when a test says so. */
async function live(traits: Partial<WorkerRow>, groups: GroupRow[] = []) {
  const rows = [workerRow({ worker_id: 1, worker_name: 'crawl', ...traits })];
  const ticker = fakeTicker();
  let listener: Listener | undefined;
  const source: FleetSource = {
    snapshot: async () => snapshot(rows, {}, groups),
    watch: async () => ({ now: new Date(before(0)), tickAt: null }),
    listen: (one) => {
      listener = one;
      return () => {};
    },
  };
  const fleet = new Fleet(snapshot(rows, {}, groups), ticker);
  const stop = fleet.start(source);
  listener!.joined();
  await new Promise(setImmediate);
  expect(fleet.connection).toBe('live');
  return {
    fleet,
    stop,
    wait: (seconds: number) => ticker.advance(seconds * 1000),
    /** A digest without any beat, so many seconds after the snapshot. */
    digest: (seconds: number, traits: HeaderTraits = {}) =>
      listener!.message(message({ header: header(rows, { now: before(-seconds), ...traits }, groups) })),
    left: () => listener!.left(),
    level: () => fleet.rows[0]!.health.level,
  };
}

describe('time alone, without any message', () => {
  it('ends a pause, to the second', async () => {
    const { wait, level, stop } = await live({ paused_until: before(-7), status: 'crashed' });
    wait(6);
    expect(level()).toBe('inactive');
    wait(1);
    expect(level()).toBe('critical');
    stop();
  });

  it('ends the pause of a group, and restores its level', async () => {
    const paused = groupRow({ worker_type: 'crawl', desired: 2, minimum: null, paused_until: before(-7) });
    const { fleet, wait, level, stop } = await live({ worker_type: 'crawl' }, [paused]);
    expect([level(), fleet.tally.expected]).toEqual(['inactive', 0]);
    wait(7);
    expect([level(), fleet.tally.expected]).toEqual(['healthy', 2]);
    expect(fleet.tallyByType.get('crawl')!.health.reason).toBe('1/2 running');
    stop();
  });

  it('makes a worker critical that has been stopped, though expected, for a minute', async () => {
    const { wait, level, stop } = await live({ status: 'stopped', status_since: before(50) });
    wait(9);
    expect(level()).toBe('warning');
    wait(1);
    expect(level()).toBe('critical');
    stop();
  });

  it('marks no worker silent: the page may not have received yet what the server has', async () => {
    const { fleet, wait, level, digest, stop } = await live({ last_heartbeat: before(19) });
    const [row] = fleet.rows;
    wait(24);
    expect(fleet.rows[0]).toBe(row);
    expect(level()).toBe('healthy');
    digest(24);
    expect(level()).toBe('warning');
    digest(31);
    expect(level()).toBe('critical');
    stop();
  });

  it('changes nothing while the page is not live', async () => {
    const { fleet, wait, level, stop } = await live({ paused_until: before(-100), status: 'crashed' });
    wait(120);
    expect(fleet.connection).not.toBe('live');
    expect(level()).toBe('inactive');
    stop();
  });
});

describe('the fleet', () => {
  it('has groups without workers, and the server’s period', async () => {
    const { fleet, stop } = await live({}, [groupRow({ worker_type: 'post', desired: 3, minimum: 1 })]);
    expect([...fleet.tallyByType.keys()]).toEqual([null, 'post']);
    expect(fleet.tallyByType.get('post')).toMatchObject({
      alive: 0,
      expected: 3,
      health: { level: 'critical' },
    });
    expect(fleet.tally).toMatchObject({ alive: 1, expected: 4 });
    expect(fleet.groups.get('post')?.desired).toBe(3);
    expect([fleet.stretch, fleet.tickEverySeconds]).toEqual([1, 5]);
    stop();
  });
});

describe('the watch', () => {
  it('is late when a live page receives no tick for long', async () => {
    const { fleet, wait, digest, stop } = await live({});
    wait(24);
    digest(24, { tick_at: before(0) });
    expect(fleet.tickLate).toBe(false);
    wait(7);
    expect(fleet.tickLate).toBe(true);
    digest(31);
    expect(fleet.tickLate).toBe(false);
    stop();
  });

  it('is not late if the page itself is disconnected', async () => {
    const { fleet, wait, left, stop } = await live({});
    left();
    wait(60);
    expect(fleet.tickLate).toBe(false);
    stop();
  });
});

describe('a digest that brings nothing new', () => {
  it('leaves the list and its tally as they are, so that nothing is sorted or counted again', async () => {
    const { fleet, digest, stop } = await live({});
    const { rows, tallyByType } = fleet;
    digest(1);
    expect(fleet.heardUntil).toEqual(new Date(before(-1)));
    expect(fleet.rows).toBe(rows);
    expect(fleet.tallyByType).toBe(tallyByType);
    stop();
  });
});
