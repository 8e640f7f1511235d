import { describe, expect, it } from 'vitest';
import { arrange, DEFAULT_QUERY, readQuery, writeQuery, type Query } from '../../src/lib/fleet/arrange.ts';
import { toGroupSettings, type GroupRow } from '../../src/lib/fleet/group.ts';
import { workerHealth } from '../../src/lib/fleet/health.ts';
import { tallyByType } from '../../src/lib/fleet/tally.ts';
import type { WorkerRow } from '../../src/lib/fleet/worker.ts';
import { before, groupRow, NOW, worker } from '../support/fleet.ts';

const rows = (
  [
    { worker_name: 'b-fine', jobs_processed: 5, description: 'Web crawling' },
    { worker_name: 'a-fine', jobs_processed: 9, hostname: 'vps-1' },
    { worker_name: 'd-dead', status: 'crashed', error_count: 3, last_heartbeat: before(99) },
    { worker_name: 'c-late', last_heartbeat: before(25), worker_type: 'slow' },
  ] satisfies Partial<WorkerRow>[]
).map((traits) => {
  const one = worker(traits);
  return { worker: one, health: workerHealth(one, { at: NOW, watchingSince: null, impairedSince: null }) };
});

function names(change: Partial<Query>) {
  return arrange(rows, { ...DEFAULT_QUERY, ...change }).map(
    ({ type, rows: shown }) => `${type ?? '-'}: ${shown.map(({ worker }) => worker.name).join(' ')}`,
  );
}

describe('the list', () => {
  it('puts trouble first, and its group with it', () => {
    expect(names({})).toEqual(['-: d-dead a-fine b-fine', 'slow: c-late']);
  });

  it('otherwise puts groups by name, workers without one last', () => {
    expect(names({ sort: 'name' })).toEqual(['slow: c-late', '-: a-fine b-fine d-dead']);
    expect(names({ sort: 'jobs' })[1]).toBe('-: a-fine b-fine d-dead');
    expect(names({ sort: 'errors' })[1]).toBe('-: d-dead a-fine b-fine');
  });

  it('filters by health', () => {
    expect(names({ filter: 'critical' })).toEqual(['-: d-dead']);
    expect(names({ filter: 'inactive' })).toEqual([]);
  });

  it('searches name, description, host and status, all words of it, in any case', () => {
    expect(names({ search: 'CRAWL web' })).toEqual(['-: b-fine']);
    expect(names({ search: 'vps-1' })).toEqual(['-: a-fine']);
    expect(names({ search: 'crashed' })).toEqual(['-: d-dead']);
    expect(names({ search: 'nothing like it' })).toEqual([]);
  });
});

describe('a group with settings', () => {
  const watch = { at: NOW, watchingSince: null, impairedSince: null };
  const named = (change: Partial<Query>, ...groups: Partial<GroupRow>[]) => {
    const known = groups.map((traits) => toGroupSettings(groupRow(traits)));
    const tallies = tallyByType(rows, watch, new Map(known.map((group) => [group.type, group])));
    return arrange(rows, { ...DEFAULT_QUERY, ...change }, tallies).map(({ type }) => type ?? '-');
  };
  const empty = { worker_type: 'empty', desired: 1, minimum: null, description: 'Nightly reports' };

  it('is shown before any worker of it has come, unless something else is asked for', () => {
    expect(named({ sort: 'name' }, empty)).toEqual(['empty', 'slow', '-']);
    expect(named({ sort: 'name', search: 'nightly' }, empty)).toEqual(['empty']);
    expect(named({ search: 'vps-1' }, empty)).toEqual(['-']);
    expect(named({ filter: 'warning' }, empty)).toEqual(['empty', 'slow']);
    expect(named({ filter: 'critical' }, empty)).toEqual(['-']);
  });

  it('is found by its own trouble, and goes first for it', () => {
    const slow = { worker_type: 'slow', desired: 9, minimum: 5 };
    expect(named({ filter: 'critical' }, slow)).toEqual(['slow', '-']);
    expect(named({}, empty)).toEqual(['-', 'empty', 'slow']);
    expect(named({}, { ...empty, minimum: 1 })).toEqual(['empty', '-', 'slow']);
  });
});

describe('the address', () => {
  it('keeps a view, and says nothing of defaults', () => {
    const query: Query = { search: 'a&b c', filter: 'critical', sort: 'jobs' };
    expect(readQuery(new URLSearchParams(writeQuery(query)))).toEqual(query);
    expect(writeQuery(DEFAULT_QUERY)).toBe('');
  });

  it('that makes no sense shows all', () => {
    expect(readQuery(new URLSearchParams('status=purple&sort=__proto__'))).toEqual(DEFAULT_QUERY);
  });
});
