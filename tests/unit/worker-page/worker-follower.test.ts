import { describe, expect, it } from 'vitest';
import { WorkerFollower } from '../../../src/lib/worker-page/worker-follower.ts';
import { beat, before, header, message, snapshot, workerRow } from '../../support/fleet.ts';

const mine = workerRow({ worker_id: 1, worker_name: 'crawl-1', revision: 10 });
const other = workerRow({ worker_id: 2, worker_name: 'post', revision: 11 });
const later = (seconds: number) => before(-seconds);

/** The page of crawl-1, in a fleet that has another worker, too. */
function begin() {
  const scope = new WorkerFollower('crawl-1');
  const state = scope.begin(snapshot([mine], header([mine, other])));
  const digest = (traits: Record<string, unknown>, fleet = [mine, other]) =>
    message({ header: header(fleet, { now: later(2) }), ...traits });
  return { scope, state, digest };
}

describe('a page of one worker, by the messages of the fleet', () => {
  it('follows its own worker, and ignores all others without missing a message', () => {
    const { scope, state, digest } = begin();
    const heard = scope.apply(state, digest({ beats: [beat(mine, { jobs: 7 }), beat(other)] }));
    expect(heard.lost).toBeNull();
    expect(heard.state.workers.get(1)?.jobsProcessed).toBe(7);
    expect(heard.state.workers.size).toBe(1);
    expect(heard.state.header.heardUntil).toEqual(new Date(later(2)));

    const moved = workerRow({ ...other, revision: 12, status: 'crashed' });
    const passed = scope.apply(heard.state, message({ workers: [moved] }));
    expect(passed).toEqual({ state: heard.state, lost: null });
    expect(scope.apply(passed.state, digest({}, [mine, moved])).lost).toBeNull();
  });

  it('detects a lost transition, which may be another worker’s', () => {
    const { scope, state, digest } = begin();
    const moved = workerRow({ ...other, revision: 12 });
    expect(scope.apply(state, digest({}, [mine, moved])).lost).toBe('a transition is missing');
  });

  it('loads again when the fleet’s size changes: its worker may be gone, or back with another id', () => {
    const { scope, state, digest } = begin();
    expect(scope.apply(state, digest({}, [other])).lost).toMatch(/others now/);
    const again = workerRow({ ...mine, worker_id: 9, revision: 13 });
    expect(scope.apply(state, message({ workers: [again] })).lost).toBe('another worker has its name');
  });

  it('counts a digest as received when all parts have arrived, and as lost without its last part', () => {
    const { scope, state, digest } = begin();
    const first = scope.apply(state, { ...digest({}), part: 1, parts: 2 });
    expect([first.lost, first.state.header]).toEqual([null, state.header]);
    const whole = scope.apply(first.state, { ...digest({}), part: 2, parts: 2 });
    expect(whole.state.header.heardUntil).toEqual(new Date(later(2)));

    const half = scope.apply(whole.state, {
      ...message({ header: header([mine, other], { now: later(12) }) }),
      part: 1,
      parts: 2,
    });
    const next = message({ header: header([mine, other], { now: later(22) }) });
    expect(scope.apply(half.state, next).lost).toBe('part of a digest is missing');
  });
});
