import { describe, expect, it } from 'vitest';
import { workerHealth } from '../../../src/lib/rules/health.ts';
import type { Monitor } from '../../../src/lib/rules/monitor.ts';
import { groupRow, toGroupSettings, type GroupRow } from '../../../src/lib/rules/group.ts';
import { isAlive, tally, total } from '../../../src/lib/rules/tally.ts';
import type { WorkerRow } from '../../../src/lib/rules/worker.ts';
import { before, NOW, worker } from '../../support/fleet.ts';

const monitor: Monitor = { at: NOW, watchingSince: null, impairedSince: null };

function count(...traits: Partial<WorkerRow>[]) {
  const rows = traits.map((trait) => {
    const one = worker(trait);
    return { worker: one, health: workerHealth(one, monitor) };
  });
  const { alive, expected, dead, worst } = tally(rows, monitor);
  return { running: `${alive}/${expected}`, dead, worst };
}

describe('the tally', () => {
  it('counts living expected workers', () => {
    expect(count({}, { status: 'processing' }, { status: 'error' })).toMatchObject({
      running: '3/3',
      dead: 0,
    });
  });

  it.each(['unknown', 'stopped', 'crashed'] as const)(
    'does not take %s for running, lease or no lease',
    (status) => {
      expect(count({}, { status }).running).toBe('1/2');
    },
  );

  it('does not trust a stored status after the lease, to the millisecond', () => {
    expect(count({ status: 'running', lease_expires_at: before(0) }).running).toBe('0/1');
    expect(count({ status: 'running', lease_expires_at: before(-0.001) }).running).toBe('1/1');
  });

  it('does not count workers as dead whose lease ended while the monitor was down', () => {
    const lapsed = worker({ last_heartbeat: before(600), lease_expires_at: before(550) });
    const alive = (watchingSince: string) =>
      isAlive(lapsed, { ...monitor, watchingSince: new Date(watchingSince) });
    expect(alive(before(49.999))).toBe(true);
    expect(alive(before(50))).toBe(false);
  });

  it('excludes paused and unexpected workers', () => {
    expect(count({}, { status: 'crashed', paused_until: before(-9) }, { expected: false }).running).toBe(
      '1/1',
    );
  });

  it('counts workers as dead that ended without reporting a stop', () => {
    const silent = { last_heartbeat: before(60), lease_expires_at: before(10) };
    expect(count({ status: 'crashed' }, silent, { status: 'stopped', status_since: before(99) }).dead).toBe(
      2,
    );
  });

  it('counts a scheduled worker between runs as running, until it is overdue or crashed', () => {
    const waiting = { kind: 'scheduled', next_run_at: before(-60), lease_expires_at: before(-90) } as const;
    expect(count(waiting).running).toBe('1/1');
    expect(count({ ...waiting, status: 'stopped' }).running).toBe('1/1');
    const due = { ...waiting, next_run_at: before(0) };
    expect(count(due).running).toBe('1/1');
    expect(count({ ...due, lease_expires_at: before(0) }).running).toBe('0/1');
    expect(count({ ...waiting, status: 'crashed' }).running).toBe('0/1');
    expect(count({ kind: 'scheduled', lease_expires_at: undefined }).running).toBe('0/1');
  });

  it('names the worst level of all', () => {
    expect(count({}, { status: 'starting' }).worst).toBe('warning');
    expect(count({}, { status: 'starting' }, { status: 'crashed' }).worst).toBe('critical');
    expect(count().worst).toBe('inactive');
  });
});

describe('the tally of a group', () => {
  const settings = (traits: Partial<GroupRow> = {}) =>
    toGroupSettings(groupRow({ worker_type: 'crawl', desired: 3, minimum: 2, revision: 1, ...traits }));
  const replica = { expected: false };
  const gone = { expected: false, status: 'stopped', status_since: before(99) } as const;
  const group = (
    traits: Partial<GroupRow>,
    members: Partial<WorkerRow>[],
    impairedSince: Date | null = null,
  ) => {
    const now = { ...monitor, impairedSince };
    const rows = members.map((trait) => {
      const one = worker({ worker_type: 'crawl', ...trait });
      return { worker: one, health: workerHealth(one, now, settings(traits)) };
    });
    return tally(rows, now, settings(traits));
  };
  const words = (...args: Parameters<typeof group>) => {
    const { alive, expected, health } = group(...args);
    return `${alive}/${expected} ${health.level}: ${health.reason}`;
  };

  it('is green with as many as desired, yellow below, red below the minimum', () => {
    expect(words({}, [replica, replica, replica, gone])).toBe('3/3 healthy: ');
    expect(words({}, [replica, replica, gone])).toBe('2/3 warning: 2/3 running, minimum 2');
    expect(words({}, [replica, gone, gone])).toBe('1/3 critical: 1/3 running, minimum 2');
    expect(words({ minimum: null }, [replica])).toBe('1/3 warning: 1/3 running');
    expect(words({ desired: null }, [{}])).toBe('1/1 critical: 1 running, minimum 2');
  });

  it('counts 0 of the desired number before any worker', () => {
    expect(words({}, [])).toBe('0/3 critical: 0/3 running, minimum 2');
    expect(words({ desired: null, minimum: null }, [])).toBe('0/0 healthy: ');
  });

  it('shows the true number if there are more than desired', () => {
    expect(words({ desired: 1, minimum: 1 }, [replica, replica])).toBe('2/1 healthy: ');
    expect(words({ desired: 1, minimum: 1 }, [{}, {}, { status: 'crashed' }])).toBe('2/3 healthy: ');
  });

  it('excludes paused workers, and is excluded itself while paused', () => {
    const paused = { expected: false, paused_until: 'infinity' };
    expect(words({}, [replica, replica, paused])).toBe('2/3 warning: 2/3 running, minimum 2');
    const until = { paused_until: before(-1), paused_reason: 'the sale' };
    expect(words(until, [replica, {}, gone])).toBe('0/0 inactive: the sale');
    expect(words({ ...until, paused_until: before(0) }, [replica, {}, gone])).toMatch(/^2\/3 warning/);
  });

  it('is not critical because of workers that an impaired monitor can’t judge', () => {
    const lapsed = { last_heartbeat: before(60), lease_expires_at: before(10) };
    const impaired = new Date(before(40));
    expect(words({}, [{}, lapsed, lapsed], impaired)).toBe(
      '1/3 unknown: 1/3 running, minimum 2, not monitored since 2026-11-22 11:59:20 UTC',
    );
    expect(words({}, [{}, lapsed], impaired)).toBe('1/3 warning: 1/3 running, minimum 2');
    expect(words({}, [lapsed], impaired)).toMatch(/critical/);
  });

  it('adds up to the fleet’s, in which surplus workers don’t count for other groups', () => {
    const surplus = group({ desired: 1 }, [replica, replica, replica]);
    const short = group({ desired: 4 }, [replica, replica]);
    const { alive, expected, levels } = total([surplus, short, tally([], monitor)]);
    expect(`${alive}/${expected}`).toBe('3/5');
    expect(levels.healthy).toBe(5);
  });
});
