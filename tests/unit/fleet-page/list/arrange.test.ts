import { describe, expect, it } from 'vitest';
import { arrange, Arrangement } from '../../../../src/lib/fleet-page/list/arrange.ts';
import { facetValues } from '../../../../src/lib/fleet-page/toolbar/facets.ts';
import { toGroupSettings, type GroupRow } from '../../../../src/lib/rules/group.ts';
import { workerHealth } from '../../../../src/lib/rules/health.ts';
import {
  DEFAULT_QUERY,
  readQuery,
  writeQuery,
  type Query,
} from '../../../../src/lib/fleet-page/toolbar/query.ts';
import { tallyByType } from '../../../../src/lib/rules/tally.ts';
import type { WorkerRow } from '../../../../src/lib/rules/worker.ts';
import { before, groupRow, NOW, worker } from '../../../support/fleet.ts';

const row = (traits: Partial<WorkerRow>) => {
  const one = worker(traits);
  return { worker: one, health: workerHealth(one, { at: NOW, watchingSince: null, impairedSince: null }) };
};
const rows = (
  [
    { worker_name: 'b-fine', jobs_processed: 5, description: 'Web crawling' },
    { worker_name: 'a-fine', jobs_processed: 9, hostname: 'vps-1' },
    { worker_name: 'd-dead', status: 'crashed', error_count: 3, last_heartbeat: before(99) },
    { worker_name: 'c-late', last_heartbeat: before(25), worker_type: 'slow' },
  ] satisfies Partial<WorkerRow>[]
).map(row);

function names(change: Partial<Query>) {
  return arrange(rows, { ...DEFAULT_QUERY, ...change }).map(
    ({ type, rows: shown }) => `${type ?? '-'}: ${shown.map(({ worker }) => worker.name).join(' ')}`,
  );
}

describe('the list', () => {
  it('sorts trouble first, and its group with it', () => {
    expect(names({})).toEqual(['-: d-dead a-fine b-fine', 'slow: c-late']);
  });

  it('otherwise sorts groups by name, workers without one last', () => {
    expect(names({ sort: 'name' })).toEqual(['slow: c-late', '-: a-fine b-fine d-dead']);
    expect(names({ sort: 'jobs' })[1]).toBe('-: a-fine b-fine d-dead');
    expect(names({ sort: 'errors' })[1]).toBe('-: d-dead a-fine b-fine');
  });

  it('can be reversed, and names still break a tie', () => {
    expect(names({ reverse: true })).toEqual(['slow: c-late', '-: a-fine b-fine d-dead']);
    expect(names({ sort: 'name', reverse: true })[1]).toBe('-: d-dead b-fine a-fine');
    expect(names({ sort: 'jobs', reverse: true })[1]).toBe('-: d-dead b-fine a-fine');
    expect(names({ sort: 'errors', reverse: true })[1]).toBe('-: a-fine b-fine d-dead');
  });

  it('sorts by longest activity, and by host', () => {
    const working = (worker_name: string, seconds: number) =>
      row({ worker_name, status: 'processing', jobs_active: 1, status_updated_at: before(seconds) });
    const all = [row({ worker_name: 'idle' }), working('new', 5), working('old', 50)];
    const shown = arrange(all, { ...DEFAULT_QUERY, sort: 'doing' })[0]!.rows;
    expect(shown.map(({ worker }) => worker.name)).toEqual(['old', 'new', 'idle']);
    expect(names({ sort: 'host' })[1]).toBe('-: a-fine b-fine d-dead');
  });

  it('can be one list without groups', () => {
    expect(names({ flat: true })).toEqual(['-: d-dead c-late a-fine b-fine']);
    expect(names({ flat: true, search: 'nothing like it' })).toEqual([]);
  });

  it('is independent of its earlier order', () => {
    const query: Query = { ...DEFAULT_QUERY, sort: 'jobs' };
    const list = new Arrangement();
    const shows = (now: typeof rows, wanted = query) => {
      const tallies = tallyByType(now, { at: NOW, watchingSince: null, impairedSince: null }, new Map());
      expect(list.arrange(now, wanted, tallies)).toEqual(arrange(now, wanted, tallies));
    };
    const changed = (traits: Partial<WorkerRow>) =>
      rows.map((one) => {
        if (one.worker.name !== traits.worker_name) return one;
        const { id, type, description, hostname } = one.worker;
        return row({ worker_id: id, worker_type: type, description, hostname, ...traits });
      });
    shows(rows);
    shows(changed({ worker_name: 'b-fine', jobs_processed: 5, current_status: 'as it stands' }));
    shows(changed({ worker_name: 'b-fine', jobs_processed: 50 }));
    shows(changed({ worker_name: 'b-fine', worker_type: 'slow' }));
    shows(rows.slice(1));
    const busy = { ...query, search: 'busy' };
    shows(rows, busy);
    shows(changed({ worker_name: 'a-fine', current_status: 'busy now' }), busy);
    shows(rows, busy);
  });

  it('filters by health, status, type, host and version', () => {
    expect(names({ health: 'critical' })).toEqual(['-: d-dead']);
    expect(names({ health: 'inactive' })).toEqual([]);
    expect(names({ status: 'crashed' })).toEqual(['-: d-dead']);
    expect(names({ type: 'slow' })).toEqual(['slow: c-late']);
    expect(names({ type: '' })).toEqual(['-: d-dead a-fine b-fine']);
    expect(names({ host: 'vps-1' })).toEqual(['-: a-fine']);
    expect(names({ host: 'vps-1', health: 'critical' })).toEqual([]);
    expect(names({ version: '1.0' })).toEqual([]);
  });

  it('offers the workers’ values with their counts', () => {
    expect(facetValues(rows, 'type')).toEqual([
      ['', 3],
      ['slow', 1],
    ]);
  });

  it('searches name, description, host, status and more, all words of it, in any case', () => {
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

  it('appears before any worker of it, unless a filter excludes it', () => {
    expect(named({ sort: 'name' }, empty)).toEqual(['empty', 'slow', '-']);
    expect(named({ sort: 'name', search: 'nightly' }, empty)).toEqual(['empty']);
    expect(named({ search: 'vps-1' }, empty)).toEqual(['-']);
    expect(named({ health: 'warning' }, empty)).toEqual(['empty', 'slow']);
    expect(named({ health: 'critical' }, empty)).toEqual(['-']);
  });

  it('is found by its own trouble, and sorted first', () => {
    const slow = { worker_type: 'slow', desired: 9, minimum: 5 };
    expect(named({ health: 'critical' }, slow)).toEqual(['slow', '-']);
    expect(named({}, empty)).toEqual(['-', 'empty', 'slow']);
    expect(named({}, { ...empty, minimum: 1 })).toEqual(['empty', '-', 'slow']);
  });
});

describe('the address', () => {
  it('stores a view, without defaults', () => {
    const query: Query = {
      search: 'a&b c',
      health: 'critical',
      status: 'crashed',
      type: '',
      host: 'vps-1',
      version: '1.0',
      sort: 'jobs',
      reverse: true,
      flat: true,
    };
    expect(readQuery(new URLSearchParams(writeQuery(query)))).toEqual(query);
    expect(writeQuery(query)).toMatch(/&sort=-jobs&flat$/);
    expect(writeQuery({ ...DEFAULT_QUERY, reverse: true })).toBe('?sort=-trouble');
    expect(writeQuery(DEFAULT_QUERY)).toBe('');
  });

  it('with invalid values shows all', () => {
    const params = new URLSearchParams('health=purple&status=critical&sort=-__proto__');
    expect(readQuery(params)).toEqual(DEFAULT_QUERY);
  });
});
