import { describe, expect, it } from 'vitest';
import { workerHealth, type Watch } from '../../src/lib/fleet/health.ts';
import { tally } from '../../src/lib/fleet/tally.ts';
import type { WorkerRow } from '../../src/lib/fleet/worker.ts';
import { before, NOW, worker } from '../support/fleet.ts';

const watch: Watch = { at: NOW, watchingSince: null, impairedSince: null };

function count(...traits: Partial<WorkerRow>[]) {
  const rows = traits.map((trait) => {
    const one = worker(trait);
    return { worker: one, health: workerHealth(one, watch) };
  });
  const { alive, expected, dead, worst } = tally(rows, watch);
  return { running: `${alive}/${expected}`, dead, worst };
}

describe('the tally', () => {
  it('counts the living among the expected', () => {
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

  it('does not believe a stored word past the lease, to the millisecond', () => {
    expect(count({ status: 'running', lease_expires_at: before(0) }).running).toBe('0/1');
    expect(count({ status: 'running', lease_expires_at: before(-0.001) }).running).toBe('1/1');
  });

  it('leaves out who is paused and who is not expected', () => {
    expect(count({}, { status: 'crashed', paused_until: before(-9) }, { expected: false }).running).toBe(
      '1/1',
    );
  });

  it('calls dead who went without a goodbye', () => {
    const silent = { last_heartbeat: before(60), lease_expires_at: before(10) };
    expect(count({ status: 'crashed' }, silent, { status: 'stopped', status_since: before(99) }).dead).toBe(
      2,
    );
  });

  it('takes a scheduled worker between its runs for running, until it is overdue or crashed', () => {
    const waiting = { kind: 'scheduled', next_run_at: before(-60), lease_expires_at: before(-90) } as const;
    expect(count(waiting).running).toBe('1/1');
    const due = { ...waiting, next_run_at: before(0) };
    expect(count(due).running).toBe('1/1');
    expect(count({ ...due, lease_expires_at: before(0) }).running).toBe('0/1');
    expect(count({ ...waiting, status: 'crashed' }).running).toBe('0/1');
  });

  it('names the worst level of all', () => {
    expect(count({}, { status: 'starting' }).worst).toBe('warning');
    expect(count({}, { status: 'starting' }, { status: 'crashed' }).worst).toBe('critical');
    expect(count().worst).toBe('inactive');
  });
});
