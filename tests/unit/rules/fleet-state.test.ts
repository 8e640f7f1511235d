import { describe, expect, it } from 'vitest';
import { applyMessage, fromSnapshot, type Applied } from '../../../src/lib/rules/fleet-state.ts';
import type { Message } from '../../../src/lib/rules/message.ts';
import { beat, before, groupRow, header, message, snapshot, workerRow } from '../../support/fleet.ts';

const rows = [
  workerRow({ worker_id: 1, worker_name: 'crawl', revision: 10 }),
  workerRow({ worker_id: 2, worker_name: 'post', revision: 11 }),
];
const [crawl, post] = rows as [(typeof rows)[0], (typeof rows)[0]];
const start = fromSnapshot(snapshot(rows));
const later = (seconds: number) => before(-seconds);

/** Applies messages one after the other; the last reason for a resync is kept. */
function apply(...messages: Message[]): Applied {
  return messages.reduce<Applied>(
    ({ state, lost }, next) => {
      const applied = applyMessage(state, next);
      return { state: applied.state, lost: applied.lost ?? lost };
    },
    { state: start, lost: null },
  );
}

const digest = (wire: Record<string, unknown> = {}, traits = {}) =>
  message({ header: header(rows, { now: later(2), ...traits }), ...wire });
const transition = (traits: object) => message({ workers: [workerRow({ ...crawl, ...traits })] });

describe('a beat', () => {
  it('changes the time, the lease and the counts of its worker only', () => {
    const { state, lost } = apply(
      digest({ beats: [beat(crawl, { heardMs: 300, jobs: 7, activity: 'page 3' })] }),
    );
    expect(lost).toBeNull();
    expect(state.workers.get(1)).toMatchObject({
      lastHeartbeat: new Date(before(-1.7)),
      leaseExpiresAt: new Date(before(-51.7)),
      jobsProcessed: 7,
      activity: 'page 3',
    });
    expect(state.workers.get(2)).toBe(start.workers.get(2));
    expect(state.header.heardUntil).toEqual(new Date(later(2)));
  });

  it('without activity keeps the worker’s activity', () => {
    const doing = digest({ beats: [beat(crawl, { activity: 'page 3' })] });
    const plain = digest({ beats: [beat(crawl)] }, { now: later(4) });
    expect(apply(doing, plain).state.workers.get(1)?.activity).toBe('page 3');
    const none = digest({ beats: [beat(crawl, { activity: null })] }, { now: later(4) });
    expect(apply(doing, none).state.workers.get(1)?.activity).toBeNull();
  });

  it('that begins a scheduled run sets its lease, and later beats of the run don’t extend it', () => {
    const wire = { kind: 'scheduled', next_run_at: before(0), grace_s: 30, max_run_s: 600 } as const;
    const nightly = workerRow({ worker_id: 3, revision: 5, lease_expires_at: before(-30), ...wire });
    let state = fromSnapshot(snapshot([nightly]));
    const hear = (seconds: number, code: number, lastRunMs: number | null = null) => {
      const tuple = [3, 5, code, 0, 0, 0, 0, lastRunMs, null, null];
      const heard = message({ header: header([nightly], { now: later(seconds) }), beats: [tuple] });
      state = applyMessage(state, heard).state;
      return (state.workers.get(3)!.leaseExpiresAt!.getTime() - Date.parse(before(0))) / 1000;
    };
    expect(hear(10, 3)).toBe(610);
    expect(hear(20, 3)).toBe(610);
    expect(hear(40, 3, 5_000), 'the next run').toBe(640);
    expect(hear(50, 3, 15_400), 'as late as a request').toBe(640);
    expect(hear(60, 2)).toBe(30);
    expect(hear(70, 5), 'failed').toBe(670);
  });

  it('that is repeated in a digest renders nothing again', () => {
    const { state } = apply(digest({ beats: [beat(crawl)] }));
    const again = digest({ beats: [beat(crawl, { heardMs: 2_000 })] }, { now: later(4) });
    expect(applyMessage(state, again).state.workers).toBe(state.workers);
    const rounded = digest({ beats: [beat(crawl, { heardMs: 1_999 })] }, { now: later(4) });
    expect(applyMessage(state, rounded).state.workers).toBe(state.workers);
  });

  it('that is late does not turn the time back', () => {
    const newer = digest({ beats: [beat(crawl)] }, { now: later(4) });
    const older = digest({ beats: [beat(crawl)] });
    const { state, lost } = apply(newer, older);
    expect(lost).toBeNull();
    expect(state.workers.get(1)?.lastHeartbeat).toEqual(new Date(later(4)));
    expect(state.header.heardUntil).toEqual(new Date(later(4)));
  });

  it('from before a known transition changes nothing', () => {
    const crashed = transition({ status: 'crashed', revision: 12 });
    const old = digest({ beats: [beat(crawl, { heardMs: 0 })] }, { revision: 12 });
    expect(apply(crashed, old).state.workers.get(1)?.status).toBe('crashed');
  });

  it('from after an unknown transition requests a snapshot', () => {
    const { state, lost } = apply(digest({ beats: [beat(crawl, { revision: 12, code: 3 })] }));
    expect(lost).toBe('a transition of crawl is missing');
    expect(state.workers.get(1)?.status).toBe('idle');
  });

  it('of an unknown worker requests a snapshot', () => {
    expect(apply(digest({ beats: [beat(workerRow({ worker_id: 9 }))] })).lost).toMatch(/worker 9/);
  });
});

describe('a transition', () => {
  it('shows at once, without a header', () => {
    const { state, lost } = apply(transition({ status: 'stopping', revision: 12 }));
    expect(lost).toBeNull();
    expect(state.workers.get(1)?.status).toBe('stopping');
    expect(state.header).toBe(start.header);
  });

  it('out of order does not undo a newer one', () => {
    const stopped = transition({ status: 'stopped', revision: 13 });
    const stopping = transition({ status: 'stopping', revision: 12 });
    expect(apply(stopped, stopping).state.workers.get(1)?.status).toBe('stopped');
  });

  it('received twice changes nothing', () => {
    const { state } = apply(transition({ status: 'stopped', revision: 13 }));
    expect(applyMessage(state, transition({ status: 'stopped', revision: 13 })).state.workers).toBe(
      state.workers,
    );
  });

  it('of a new worker adds it', () => {
    const fresh = message({ workers: [workerRow({ worker_id: 3, revision: 12 })] });
    expect(apply(fresh).state.workers.size).toBe(3);
  });

  it('may overtake an older digest', () => {
    const fresh = message({ workers: [workerRow({ worker_id: 3, revision: 12 })] });
    const { state, lost } = apply(fresh, digest());
    expect(lost).toBeNull();
    expect(state.header.heardUntil).toEqual(new Date(later(2)));
  });
});

describe('settings of a group', () => {
  const edit = (traits: Parameters<typeof groupRow>[0]) => message({ groups: [groupRow(traits)] });
  const gone = (revision: number) => message({ groups: [{ worker_type: 'crawl', revision, gone: true }] });
  const desired = ({ state }: Applied) => state.groups.get('crawl')?.desired;

  it('appear at once, without a header, and change no worker', () => {
    const applied = apply(edit({ desired: 4, revision: 12 }));
    expect(applied.lost).toBeNull();
    expect(desired(applied)).toBe(4);
    expect(applied.state.workers).toBe(start.workers);
  });

  it('out of order don’t undo a newer edit, and repeated ones change nothing', () => {
    const applied = apply(edit({ desired: 5, revision: 13 }), edit({ desired: 4, revision: 12 }));
    expect(desired(applied)).toBe(5);
    const again = applyMessage(applied.state, edit({ desired: 5, revision: 13 }));
    expect(again.state.groups).toBe(applied.state.groups);
  });

  it('disappear at once, unless there are newer ones', () => {
    expect(desired(apply(edit({ revision: 12 }), gone(12)))).toBeUndefined();
    expect(desired(apply(edit({ desired: 6, revision: 14 }), gone(12)))).toBe(6);
    const unknown = apply(gone(12));
    expect(unknown).toEqual({ state: start, lost: null });
  });

  it('with a lost removal or creation are detected by the count', () => {
    const known = apply(edit({ revision: 12 })).state;
    const without = digest({ workers: [workerRow({ ...post, revision: 13 })] }, { revision: 13 });
    expect(applyMessage(known, without).lost).toBe('0 groups there, 1 here');
    expect(apply(digest({}, { groups: 1 })).lost).toBe('1 groups there, 0 here');
  });

  it('with a lost change are detected by the revision', () => {
    const known = apply(edit({ revision: 12 })).state;
    expect(applyMessage(known, digest({}, { groups: 1, revision: 13 })).lost).toBe('a transition is missing');
    const told = digest({ groups: [groupRow({ desired: 9, revision: 13 })] }, { groups: 1, revision: 13 });
    expect(applyMessage(known, told)).toMatchObject({ lost: null, state: { revision: 13 } });
  });

  it('arrive in the snapshot, and unchanged ones keep their objects', () => {
    const groups = [groupRow({ revision: 12 })];
    const first = fromSnapshot(snapshot(rows, {}, groups), start);
    expect(first.revision).toBe(12);
    expect(fromSnapshot(snapshot(rows, { now: later(5) }, groups), first).groups).toBe(first.groups);
    const more = [...groups, groupRow({ worker_type: 'post', revision: 13 })];
    const second = fromSnapshot(snapshot(rows, { now: later(5) }, more), first);
    expect([...second.groups.keys()]).toEqual(['crawl', 'post']);
    expect(second.groups.get('crawl')).toBe(first.groups.get('crawl'));
    expect(fromSnapshot(snapshot(rows), second).groups.size).toBe(0);
  });
});

describe('a header', () => {
  it.each([
    ['a higher revision', { revision: 99 }, 'a transition is missing'],
    ['another count of workers', { workers: 3 }, '3 workers there, 2 here'],
    ['another generation', { generation: 'b' }, 'the database was restored'],
  ])('with %s than ours asks for a snapshot', (_, traits, reason) => {
    const { state, lost } = apply(digest({}, traits));
    expect(lost).toBe(reason);
    expect(state.header, 'what was not heard must not count as silence').toBe(start.header);
  });

  it('with a lower revision twice requests a snapshot: a worker was deleted', () => {
    const deleted = (now: string) => message({ header: header([crawl], { now }) });
    const first = apply(deleted(later(2)));
    expect(first.lost).toBeNull();
    expect(applyMessage(first.state, deleted(later(4))).lost).toBe('the fleet went back');
  });

  it('is compared after all parts of its message have arrived', () => {
    const parts = [1, 2].map((part) =>
      digest(
        { part, parts: 2, workers: part === 2 ? [workerRow({ ...post, revision: 12 })] : [] },
        { revision: 12 },
      ),
    );
    const first = apply(parts[0]!);
    expect(first.lost).toBeNull();
    expect(first.state.header).toBe(start.header);
    const both = applyMessage(first.state, parts[1]!);
    expect(both.lost).toBeNull();
    expect(both.state.header.revision).toBe(12);
  });

  it('of the next message reveals a missing part', () => {
    const half = digest({ part: 1, parts: 2 });
    expect(apply(half, digest({}, { now: later(4) })).lost).toBe('part of a digest is missing');
  });
});

describe('a new snapshot', () => {
  it('replaces the state, and unchanged workers keep their objects', () => {
    const changed = [crawl, workerRow({ ...post, status: 'crashed', revision: 20 })];
    const state = fromSnapshot(snapshot(changed, { now: later(5) }), start);
    expect(state.workers.get(1)).toBe(start.workers.get(1));
    expect(state.workers.get(2)?.status).toBe('crashed');
    expect(fromSnapshot(snapshot([crawl]), start).workers.size).toBe(1);
  });
});
