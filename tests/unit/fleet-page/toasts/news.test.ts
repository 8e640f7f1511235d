import { describe, expect, it } from 'vitest';
import type { Row } from '../../../../src/lib/rules/row.ts';
import { workerHealth } from '../../../../src/lib/rules/health.ts';
import { joined, News } from '../../../../src/lib/fleet-page/toasts/news.ts';
import type { WorkerRow } from '../../../../src/lib/rules/worker.ts';
import { before, NOW, worker } from '../../../support/fleet.ts';

const row = (id: number, traits: Partial<WorkerRow> = {}): Row => {
  const one = worker({ worker_id: id, worker_name: `worker-${id}`, ...traits });
  return { worker: one, health: workerHealth(one, { at: NOW, watchingSince: null, impairedSince: null }) };
};
const crashed: Partial<WorkerRow> = { status: 'crashed', status_reason: 'exit code 1' };
const paused: Partial<WorkerRow> = { paused_until: before(-3600) };

/** The notice for a change from one row to another. */
function told(after: Row[], ...first: Row[]): string[] {
  const news = new News();
  news.look(first);
  return news.look(after).map(({ change, row }) => `${row.worker.name} ${change}`);
}

describe('news', () => {
  it('are empty at the first call, and without a change', () => {
    expect(new News().look([row(1, crashed)])).toEqual([]);
    const same = row(1);
    expect(told([same], same)).toEqual([]);
  });

  it('contain trouble, recovery, normal stops and new workers', () => {
    expect(told([row(1, crashed)], row(1))).toEqual(['worker-1 trouble']);
    expect(told([row(1)], row(1, crashed))).toEqual(['worker-1 well']);
    expect(told([row(1, { status: 'stopped', expected: false })], row(1))).toEqual(['worker-1 ended']);
    expect(told([row(1), row(2)], row(1))).toEqual(['worker-2 new']);
    expect(told([row(1, { status: 'processing' })], row(1))).toEqual([]);
  });

  it('contain no pauses, and no unknown states', () => {
    expect(told([row(1, paused)], row(1, crashed))).toEqual([]);
    expect(told([row(1, crashed)], row(1, { ...crashed, ...paused }))).toEqual([]);
    expect(told([row(1, { status: 'unknown', last_heartbeat: null })], row(1, crashed))).toEqual([]);
  });

  it('appear together if there are many of a kind, and once for each worker', () => {
    const news = new News();
    news.look([1, 2, 3, 4].map((id) => row(id)));
    const items = news.look([...[1, 2, 3].map((id) => row(id, crashed)), row(4, crashed)]);
    const later = news.look([...[1, 2, 3].map((id) => row(id, crashed)), row(4)]);
    expect(
      joined([...items, ...later]).map((of) => of.map(({ change, row }) => `${row.worker.id} ${change}`)),
    ).toEqual([['1 trouble', '2 trouble', '3 trouble'], ['4 well']]);
  });
});
