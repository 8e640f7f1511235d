import { describe, expect, it } from 'vitest';
import { bar } from '../../../src/lib/public/bar.ts';
import { before, groupRow, header, snapshot, workerRow } from '../../support/fleet.ts';

const entries = (...rows: ReturnType<typeof workerRow>[]) =>
  bar(snapshot(rows)).entries.map(({ dot, name, words }) => `${dot} ${name}: ${words}`);

describe('the status line', () => {
  it('shows each worker’s runs with a dot', () => {
    expect(
      entries(
        workerRow({
          worker_name: 'Discovery',
          poll_interval_s: 600,
          last_run_at: before(300),
          processed_count: 12,
        }),
        workerRow({ worker_name: 'Profiling' }),
        workerRow({ worker_name: 'Decay', status: 'error' }),
        workerRow({ worker_name: 'Crawl', status: 'processing', jobs_active: 1 }),
        workerRow({ worker_name: 'Mail', status: 'starting' }),
        workerRow({ worker_name: 'Old', status: 'stopped', expected: false }),
        workerRow({ worker_name: 'Gone', last_heartbeat: before(900), lease_expires_at: before(850) }),
        workerRow({ worker_name: 'Broken', circuit_breaker_state: 'open', circuit_breaker_failures: 2 }),
        workerRow({
          worker_name: 'Poll',
          poll_interval_s: 600,
          last_run_at: before(300),
          processed_count: 0,
        }),
        workerRow({ worker_name: 'Cron', kind: 'scheduled', next_run_at: before(-3 * 3600) }),
        workerRow({ worker_name: 'Lost', kind: 'scheduled' }),
      ),
    ).toEqual([
      '🟢 Discovery: 5m ago (12 new)',
      '🟡 Profiling: idle',
      '🔴 Decay: error (see logs)',
      '🟢 Crawl: running…',
      '🟡 Mail: starting…',
      '⚪ Old: stopped',
      '🔴 Gone: silent',
      '🔴 Broken: error (2 failures)',
      '🟡 Poll: 5m ago (idle)',
      '🟢 Cron: next 3h',
      '🔴 Lost: not scheduled',
    ]);
  });

  it('stays under 50 characters for each worker, and keeps both ends of its name', () => {
    const made = bar(
      snapshot([
        workerRow({ worker_name: `${'a'.repeat(100)}@vps-2:77`, status: 'processing' }),
        workerRow({
          worker_name: 'b'.repeat(128),
          circuit_breaker_state: 'open',
          circuit_breaker_failures: Number.MAX_SAFE_INTEGER,
        }),
      ]),
    ).entries;
    for (const { dot, name, words } of made) {
      expect([...`${dot} ${name}: ${words}`].length).toBeLessThan(50);
      expect(name.length).toBeGreaterThan(10);
    }
    expect(made[0]).toMatchObject({
      name: expect.stringMatching(/^aaa.*….*@vps-2:77$/),
      fullName: expect.any(String),
    });
  });

  it('has a short form with the tally, replicas and uncertainty included', () => {
    const three = ['a', 'b', 'c'].map((worker_name) => workerRow({ worker_name }));
    expect(bar(snapshot(three))).toMatchObject({
      folded: 'Workers 3/3 running',
      level: 'healthy',
      dot: '🟢',
    });
    expect(bar(snapshot([...three, workerRow({ status: 'crashed' })]))).toMatchObject({
      folded: 'Workers 3/4 running',
      dot: '🔴',
    });
    expect(
      bar(snapshot([workerRow({ worker_type: 'crawl', expected: false })], {}, [groupRow()])).folded,
    ).toBe('Workers 1/3 running');
    expect(bar(snapshot(three, { impaired_since: before(60) })).folded).toBe(
      'Workers 3/3 running (uncertain)',
    );
    expect(bar(snapshot([], header([]))).dot).toBe('⚪');
  });
});
