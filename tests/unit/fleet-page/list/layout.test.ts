import { describe, expect, it } from 'vitest';
import type { Group } from '../../../../src/lib/fleet-page/list/arrange.ts';
import type { Row } from '../../../../src/lib/rules/row.ts';
import { Layout, type Heights } from '../../../../src/lib/fleet-page/list/layout.ts';
import { beginning } from '../../../../src/lib/fleet-page/list/visible-rows.ts';
import { worker } from '../../../support/fleet.ts';

/** Rows as tall as their workers' ids say. */
const heights: Heights = { heading: () => 30, row: ({ worker }) => worker.id, note: 20 };
const group = (type: string | null, ...sizes: number[]): Group => ({
  type,
  rows: sizes.map((worker_id): Row => {
    return { worker: worker({ worker_id }), health: { level: 'healthy', rule: 'fine', reason: '' } };
  }),
});
const groups = [group('a', 60, 90, 60), group('b'), group('c', 50, 50), group(null, 100)];
const layout = new Layout(groups, true, heights);
const parts = (top: number, bottom: number) =>
  layout.show(top, bottom).parts.map(({ group, from, to }) => `${group.type ?? '-'} ${from}…${to}`);

describe('the layout of the list', () => {
  it('is as tall as all its parts', () => {
    expect(layout.height).toBe(240 + 50 + 130 + 130);
    expect(new Layout([], true, heights).height).toBe(0);
  });

  it('shows the rows between two heights, edges included, with their groups', () => {
    expect(parts(0, 1)).toEqual(['a 0…0']);
    expect(parts(0, 91)).toEqual(['a 0…2']);
    expect(parts(90, 180)).toEqual(['a 1…2']);
    expect(parts(179, 181)).toEqual(['a 1…3']);
    expect(parts(239, 330)).toEqual(['a 2…3', 'b 0…0', 'c 0…1']);
    expect(parts(-500, 5000)).toEqual(['a 0…3', 'b 0…0', 'c 0…2', '- 0…1']);
    expect(parts(5000, 6000)).toEqual([]);
  });

  it('always keeps the full height', () => {
    const headed = (rows: readonly Row[], below: number) =>
      below + rows.reduce((y, { worker }) => y + worker.id, 30);
    for (let top = -50; top < 600; top += 7) {
      const { above, below, parts } = layout.show(top, top + 111);
      const inside = parts.reduce((sum, part) => {
        const rows = part.group.rows.slice(part.from, part.to);
        const note = part.group.rows.length === 0 ? heights.note : 0;
        return sum + headed(rows, part.above + part.below) + note;
      }, 0);
      expect(above + inside + below, `from ${top}`).toBe(layout.height);
    }
  });

  it('knows where each row is', () => {
    expect(layout.span(0)).toEqual({ top: 30, bottom: 90 });
    expect(layout.span(2)).toEqual({ top: 180, bottom: 240 });
    expect(layout.span(4)).toEqual({ top: 370, bottom: 420 });
    expect(layout.span(6)).toBeNull();
  });

  it('begins with the first rows before any measurement', () => {
    const first = beginning(groups, 4).parts;
    expect(first.map(({ group, to }) => `${group.type} ${to}`)).toEqual(['a 3', 'b 0']);
  });
});
