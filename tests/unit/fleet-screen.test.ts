import { describe, expect, it } from 'vitest';
import type { Row } from '../../src/lib/fleet/arrange.ts';
import { workerHealth, type Watch } from '../../src/lib/fleet/health.ts';
import { Screen, type Line } from '../../src/lib/fleet/screen.ts';
import { tally } from '../../src/lib/fleet/tally.ts';
import type { WorkerRow } from '../../src/lib/fleet/worker.ts';
import { before, NOW, worker, workerRow } from '../support/fleet.ts';

const watch: Watch = { at: NOW, watchingSince: new Date(before(86_400)), impairedSince: null };
const SECOND = 1000;

function fleet(size: number) {
  const wires = Array.from({ length: size }, (_, index) => workerRow({ worker_id: index + 1 }));
  let rows = wires.map(toRow);
  const screen = new Screen();
  let now = NOW.getTime();
  return {
    /** Changes those workers, all of them unless told otherwise. */
    change(traits: Partial<WorkerRow>, ids?: readonly number[]) {
      rows = wires.map((wire, index) => {
        if (ids && !ids.includes(wire.worker_id)) return rows[index]!;
        return toRow((wires[index] = { ...wire, ...traits }));
      });
    },
    wait: (seconds: number) => (now += seconds * SECOND),
    show(near: readonly number[] | null) {
      const groups = [{ type: null, rows }];
      const tallies = new Map([[null, tally(rows, watch)]]);
      return screen.show(groups, tallies, near && new Set(near), now);
    },
    lines(near: readonly number[] | null): readonly Line[] {
      return this.show(near)[0]!.lines;
    },
  };
}

function toRow(wire: WorkerRow): Row {
  const one = worker(wire);
  return { worker: one, health: workerHealth(one, watch) };
}

const repainted = (before: readonly Line[], after: readonly Line[]) =>
  after.filter((line, index) => line !== before[index]).map(({ row }) => row.worker.id);

describe('a screen', () => {
  it('shows every worker, ageing with the clock, while it is not known what is in sight', () => {
    const shown = fleet(1000).lines(null);
    expect(shown).toHaveLength(1000);
    expect(shown.every(({ asOf }) => asOf === null)).toBe(true);
  });

  it('repaints nothing where nothing has changed', () => {
    const some = fleet(1000);
    some.show([1, 2]);
    expect(some.show([1, 2])).toBe(some.show([1, 2]));
  });

  it('shows beats of what is in sight at once, and of the rest only a few', () => {
    const some = fleet(1000);
    const first = some.lines([500, 501]);
    some.change({ jobs_processed: 7 });
    const changed = repainted(first, some.lines([500, 501]));
    expect(changed).toEqual(expect.arrayContaining([500, 501]));
    expect(changed.length).toBeLessThan(100);
  });

  it('shows a change of state at once, in sight or not', () => {
    const some = fleet(1000);
    const first = some.lines([1]);
    some.change({ jobs_processed: 7 });
    some.change({ revision: 5000, status: 'crashed' }, [900]);
    const shown = some.lines([1]);
    expect(repainted(first, shown)).toContain(900);
    expect(shown[899]!.row.worker.status).toBe('crashed');
  });

  it('shows what a single worker does at once, in sight or not', () => {
    const some = fleet(1000);
    some.show([1]);
    some.change({ current_status: 'Turning the page' }, [900]);
    expect(some.lines([1])[899]!.row.worker.activity).toBe('Turning the page');
  });

  it('lets no row get older than ten seconds', () => {
    const some = fleet(1000);
    some.show([1]);
    some.change({ jobs_processed: 7 });
    for (let second = 0; second < 10; second++) {
      some.wait(1);
      some.show([1]);
    }
    const shown = some.lines([1]);
    expect(shown.every(({ row }) => row.worker.jobsProcessed === 7)).toBe(true);
    const oldest = Math.min(...shown.map(({ asOf }) => asOf ?? Infinity));
    expect(oldest).toBeGreaterThan(NOW.getTime());
  });

  it('brings a row up to date that comes into sight, and stops its clock when it goes', () => {
    const some = fleet(1000);
    some.show([1]);
    some.change({ jobs_processed: 7 });
    some.show([1]);
    const near = some.lines([900])[899]!;
    expect(near).toMatchObject({ asOf: null, row: { worker: { jobsProcessed: 7 } } });
    expect(some.lines([1])[899]!.asOf).toBe(NOW.getTime());
  });

  it('keeps a small fleet right to the second, wherever its rows are', () => {
    const some = fleet(40);
    some.show([1]);
    some.wait(1);
    const now = NOW.getTime() + SECOND;
    expect(some.lines([1]).every(({ asOf }) => asOf === null || asOf === now)).toBe(true);
  });
});
