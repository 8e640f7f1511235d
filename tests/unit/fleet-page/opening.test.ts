import { describe, expect, it } from 'vitest';
import { Fleet } from '../../../src/lib/live/fleet.svelte.ts';
import { readSnapshot } from '../../../src/lib/rules/message.ts';
import { opening } from '../../../src/lib/fleet-page/opening.ts';
import { groupRow, header, workerRow } from '../../support/fleet.ts';

function wire(count: number) {
  const workers = Array.from({ length: count }, (_, index) =>
    workerRow({
      worker_id: index + 1,
      worker_name: `worker-${String(index).padStart(4, '0')}`,
      worker_type: index % 2 ? 'crawl' : 'post',
      ...(index === count - 1 && { status: 'crashed' as const, status_reason: 'exit code 1' }),
    }),
  );
  const groups = [groupRow()];
  return { header: header(workers, {}, groups), workers, groups };
}

describe('the first data of a page', () => {
  it('is all of a small fleet', () => {
    const small = wire(100);
    expect(opening(small, new URLSearchParams())).toEqual({ snapshot: small, ahead: null });
  });

  it('is the top of the list and all tallies of a large fleet', () => {
    const { snapshot, ahead } = opening(wire(1000), new URLSearchParams());
    expect(snapshot.workers.length).toBeLessThan(100);
    expect(snapshot.workers.map(({ worker_name }) => worker_name)).toContain('worker-0999');
    const fleet = new Fleet(readSnapshot(snapshot), undefined, ahead);
    expect(fleet.count).toBe(1000);
    expect(fleet.loading).toBe(true);
    expect(fleet.tally).toMatchObject({ dead: 1, levels: { critical: 1, healthy: 999 } });
  });

  it('follows the query in the address', () => {
    const { snapshot } = opening(wire(1000), new URLSearchParams('q=worker-0815'));
    expect(snapshot.workers.map(({ worker_name }) => worker_name)).toEqual(['worker-0815']);
  });
});
