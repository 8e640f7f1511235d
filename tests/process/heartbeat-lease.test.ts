import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { jobLeases } from '../../workers-heartbeat/heartbeat-leases.ts';
import { useHeartbeats, type HeartbeatOptions } from './fixtures/heartbeat.ts';

// What the module does about leases; that they are held by one process at a time, leases.test.ts shows.
const world = useHeartbeats();
const { last } = world;
/** A worker that takes job leases. */
function start(options?: HeartbeatOptions) {
  const heartbeat = world.start(options);
  return Object.assign(heartbeat, { lease: jobLeases(heartbeat) });
}

const calls = (name: string) => world.recorder.calls.filter((call) => call.name === name);
const untilAborted = (signal: AbortSignal) =>
  new Promise<number>((done) => {
    if (signal.aborted) done(performance.now());
    signal.addEventListener('abort', () => done(performance.now()));
  });

describe('work under a lease', () => {
  it('gets a token, gives back its result, and the lease is given back after it', async () => {
    const heartbeat = start({ name: 'crawl-worker' });
    const outcome = await heartbeat.lease('page:1', async (token) => {
      await last({ status: 'processing' });
      expect(calls('hp_release_lease')).toEqual([]);
      return `token ${token}`;
    });
    expect(outcome).toEqual({ held: true, result: 'token 41' });
    const { instance_id } = world.recorder.beats()[0]!;
    const mine = { worker_name: 'crawl-worker', instance_id, key: 'page:1' };
    await until(() => calls('hp_release_lease').length);
    expect(calls('hp_claim_lease')[0]!.values).toEqual({ ...mine, sequence: expect.any(Number) });
    expect(calls('hp_release_lease')[0]!.values).toEqual({ ...mine, token: 41 });
    await last({ status: 'idle', jobs_total: 0 });
  });

  it('may throw, which gives the lease back as well and is nobody’s error', async () => {
    const heartbeat = start();
    const error = new Error('no such page');
    expect(await heartbeat.lease('a', () => Promise.reject(error)).catch((caught) => caught)).toBe(error);
    await until(() => calls('hp_release_lease').length);
    await last({ status: 'idle', errors_total: 0 });
  });

  it('is named in the beats, from the first claim on', async () => {
    const heartbeat = start();
    heartbeat.idle();
    await world.beats(1);
    expect(world.recorder.last()).not.toHaveProperty('leases');
    await heartbeat.lease('a', async () => {
      expect(world.recorder.last()).toMatchObject({ leases: [0] }); // the claim is on its way
      await heartbeat.lease('b', async () => {
        await heartbeat.flush();
        expect(world.recorder.last()).toMatchObject({ leases: [41, 42] });
      });
    });
    await heartbeat.flush();
    expect(world.recorder.last()).toMatchObject({ leases: [] });
  });
});

describe('no work is done', () => {
  const work = () => expect.unreachable();

  it('while another holds the lease', async () => {
    world.recorder.holders.set('a', 'crawl-2');
    expect(await start().lease('a', work)).toEqual({ held: false, reason: 'held by crawl-2' });
  });

  it('while this very process holds it', async () => {
    const heartbeat = start();
    await heartbeat.lease('a', async () => {
      expect(await heartbeat.lease('a', work)).toEqual({ held: false, reason: 'held by crawl-worker' });
      expect(await heartbeat.lease('b', () => 'another')).toEqual({ held: true, result: 'another' });
    });
    expect(calls('hp_claim_lease')).toHaveLength(2);
  });

  it('where nobody can be asked', async () => {
    expect(await start({ url: '' }).lease('a', work)).toMatchObject({
      held: false,
      reason: /no beat gets through/,
    });
    const heartbeat = start({ name: 'other' });
    world.recorder.fault = (_, response) => response.writeHead(503).end();
    expect(await heartbeat.lease('a', work)).toEqual({ held: false, reason: 'no beat gets through' });
  });

  it('where the database refuses, and the reason is what it says', async () => {
    const heartbeat = start();
    heartbeat.idle();
    await heartbeat.lease('a', () => {});
    world.recorder.fault = ({ path }, response) =>
      path.endsWith('hp_claim_lease')
        ? response.writeHead(400).end('{"message":"key is 300 characters long; it must be 1 to 255"}')
        : undefined;
    expect(await heartbeat.lease('k'.repeat(300), work)).toEqual({
      held: false,
      reason: 'HTTP 400, key is 300 characters long; it must be 1 to 255',
    });
  });

  it('by a worker that has been asked to stop', async () => {
    const heartbeat = start();
    await heartbeat.stop();
    expect(await heartbeat.lease('a', work)).toMatchObject({ held: false, reason: /stopping/ });
  });
});

describe('the signal of the work', () => {
  it('is aborted at four fifths of the lease, counted from when the last beat that got through was sent', async () => {
    const heartbeat = start({ interval: 1 });
    world.recorder.leasing = { lease_ms: 2_500, leases_lost: [] };
    let aborted = 0;
    let sent = 0;
    await heartbeat.lease('a', async (_, signal) => {
      await until(() => world.recorder.requests.length > 3); // these prolong it
      world.recorder.fault = () => true;
      sent = world.recorder.requests.at(-1)!.at;
      expect(signal.aborted).toBe(false);
      aborted = await untilAborted(signal);
    });
    expect(aborted - sent).toBeGreaterThan(1_850);
    expect(aborted - sent).toBeLessThan(2_450);
  });

  it('is aborted when the database says that the lease is lost, and that of another is not', async () => {
    const heartbeat = start({ interval: 1 });
    await heartbeat.lease('kept', (_, kept) =>
      heartbeat.lease('lost', async (token, lost) => {
        world.recorder.leasing = { lease_ms: 60_000, leases_lost: [token] };
        await untilAborted(lost);
        expect(kept.aborted).toBe(false);
      }),
    );
  });

  it('is aborted with the worker’s', async () => {
    const heartbeat = start();
    const leased = heartbeat.lease('a', async (_, signal) => {
      void heartbeat.stop();
      await untilAborted(signal);
      await sleep(50);
      return 'tidied up';
    });
    expect(await leased).toEqual({ held: true, result: 'tidied up' });
  });
});
