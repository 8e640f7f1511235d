import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { resources } from '../../workers-heartbeat/heartbeat-resources.ts';
import { useHeartbeats } from './fixtures/heartbeat.ts';

const world = useHeartbeats();
const { start, beats, last } = world;

describe('the first beat', () => {
  it('says who is speaking, at once', async () => {
    const began = performance.now();
    start({
      type: 'crawler',
      description: 'Web crawling',
      version: '1.2.3',
      kind: 'resident',
      pollInterval: 90,
      grace: 60,
      maxRun: 900,
    });
    const [beat] = await beats(1);
    expect(world.recorder.requests[0]!.at - began).toBeLessThan(500);
    expect(world.recorder.requests[0]!.path).toBe('/rest/v1/rpc/hp_heartbeat');
    expect(beat).toMatchObject({
      worker_name: 'crawl-worker',
      instance_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/),
      sequence: 1,
      status: 'starting',
      worker_type: 'crawler',
      description: 'Web crawling',
      version: '1.2.3',
      kind: 'resident',
      hostname: hostname(),
      pid: process.pid,
      runtime: `node ${process.version}`,
      heartbeat_interval_s: 60,
      requested_interval_s: 60,
      poll_interval_s: 90,
      grace_s: 60,
      max_run_s: 900,
      jobs_total: 0,
      errors_total: 0,
      jobs_active: 0,
      circuit_breaker_state: 'closed',
      parts: [],
    });
    for (const field of ['epoch', 'expected', 'leases']) expect(beat).not.toHaveProperty(field);
    expect(Math.abs(Number(beat!.sent_at_ms) - Date.now())).toBeLessThan(5_000);
    expect(Number(beat!.uptime_ms)).toBeGreaterThan(0);
  });

  it('of a replica says whose it is, and that it is not expected by itself', async () => {
    start({ name: 'crawler', replicas: true });
    expect((await beats(1))[0]).toMatchObject({
      worker_name: `crawler@${hostname()}:${process.pid}`,
      worker_type: 'crawler',
      expected: false,
    });
  });

  it('carries what the worker says in the same breath', async () => {
    start().setStatus('Warming up', { jobId: 7, jobType: 'warm-up' });
    expect((await beats(1))[0]).toMatchObject({
      status: 'processing',
      current_status: 'Warming up',
      current_job_id: '7',
      current_job_type: 'warm-up',
    });
  });

  it('is followed by running, when the worker says no more for a second', async () => {
    start();
    await last({ status: 'running', sequence: 2 });
  });
});

describe('the key', () => {
  it('that is secret goes in apikey alone', async () => {
    start();
    await beats(1);
    expect(world.recorder.requests[0]!.headers).toMatchObject({ apikey: 'sb_secret_test' });
    expect(world.recorder.requests[0]!.headers).not.toHaveProperty('authorization');
    expect(world.recorder.requests[0]!.headers).not.toHaveProperty('x-worker-token');
  });

  it('that is a legacy service key goes as a bearer too', async () => {
    start({ key: 'eyJhbGciOiJIUzI1NiJ9.e30.x' });
    await beats(1);
    expect(world.recorder.requests[0]!.headers).toMatchObject({
      apikey: 'eyJhbGciOiJIUzI1NiJ9.e30.x',
      authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x',
    });
  });

  it('that is publishable goes with the worker’s token', async () => {
    start({ key: 'sb_publishable_x', token: 'hpw_1' });
    await beats(1);
    expect(world.recorder.requests[0]!.headers).toMatchObject({
      apikey: 'sb_publishable_x',
      'x-worker-token': 'hpw_1',
    });
  });
});

describe('an epoch', () => {
  it('that the beat did not carry is carried at once, which takes the row over', async () => {
    world.recorder.hold('crawl-worker');
    start().idle();
    const [first, second] = await beats(2);
    expect(world.recorder.requests[1]!.at - world.recorder.requests[0]!.at).toBeLessThan(500);
    expect(first).not.toHaveProperty('epoch');
    expect(second).toMatchObject({ epoch: 2, sequence: 2, hostname: hostname() });
  });

  it('that is confirmed is carried on, without saying again who is speaking', async () => {
    const heartbeat = start();
    heartbeat.idle();
    await beats(1);
    heartbeat.setStatus('at work');
    const second = await last({ current_status: 'at work', epoch: 1 });
    expect(second).not.toHaveProperty('hostname');
  });

  it('that is superseded beats on at the interval, and no faster', async () => {
    world.recorder.answer = { current: false, epoch: 5 };
    start({ interval: 1 }).idle();
    await beats(4);
    const [a, b, c, d] = world.recorder.requests.map((request) => request.at);
    expect(b! - a!).toBeLessThan(500); // the confirmation
    expect(c! - b!).toBeGreaterThan(800);
    expect(d! - c!).toBeGreaterThan(800);
  });

  it('that changes with every answer does not make it beat for ever', async () => {
    world.recorder.fault = ({ beats }, response) => {
      const epoch = Number(beats[0]!.epoch ?? 0) + 1;
      return response.end(JSON.stringify([{ ok: true, current: false, epoch }]));
    };
    start({ interval: 2 }).idle();
    await beats(4);
    const times = world.recorder.requests.map((request) => request.at);
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(1_500);
  });

  it('of a database that has forgotten the instance is replaced', async () => {
    const heartbeat = start();
    heartbeat.idle();
    await beats(1);
    world.recorder.forget();
    world.recorder.hold('crawl-worker');
    heartbeat.setStatus('again');
    await last({ epoch: 3, hostname: hostname(), current_status: 'again' });
  });
});

describe('the answer', () => {
  it('sets the pace; what the worker asked for stays said', async () => {
    world.recorder.answer = { interval_s: 1, activity_every_s: 1 };
    start({ interval: 3600 });
    await last({ sequence: 3, heartbeat_interval_s: 1 });
    expect(world.recorder.last()).not.toHaveProperty('requested_interval_s');
    world.recorder.answer.current = false; // not confirmed any more: says again who is speaking
    await last({ heartbeat_interval_s: 1, requested_interval_s: 3600 });
  });

  it('says what was counted, which is echoed', async () => {
    const heartbeat = start();
    await heartbeat.job(async () => {});
    await beats(1);
    world.recorder.answer = { counted_jobs: 40, counted_errors: 3, activity_every_s: 1 };
    heartbeat.setStatus('one');
    await last({ current_status: 'one' });
    heartbeat.setStatus('two');
    await last({ current_status: 'two', counted_jobs: 40, counted_errors: 3 });
  });

  it('asks for one more beat after again_ms', async () => {
    world.recorder.answer = { again_ms: 300 };
    start().setStatus('held back');
    await beats(1);
    world.recorder.answer = {};
    await beats(2);
    const [a, b] = world.recorder.requests.map((request) => request.at);
    expect(b! - a!).toBeGreaterThan(250);
    expect(b! - a!).toBeLessThan(800);
  });

  it('that refuses a field is heeded: the rest still counts', async () => {
    world.recorder.fault = ({ beats }, response) => {
      if (!('version' in beats[0]!)) return undefined;
      const error = { field: 'version', message: 'version must not be odd' };
      return response.end(JSON.stringify([{ worker_name: 'crawl-worker', ok: false, error }]));
    };
    start({ version: '1.1' }).idle();
    await last({ status: 'idle', sequence: 2, hostname: hostname() });
    expect(world.recorder.last()).not.toHaveProperty('version');
    expect(world.lines).toEqual(['[heartbeat] crawl-worker: refused: version must not be odd']);
  });
});

describe('activity', () => {
  it('is sent at once when it first changes, then at most once a second, the last of it always', async () => {
    const heartbeat = start();
    heartbeat.idle();
    await beats(1);
    // A second of quiet, so that the next change is a first one again.
    await until(() => performance.now() - world.recorder.requests[0]!.at > 1_000);
    const began = performance.now();
    for (let n = 0; performance.now() - began < 1_500; n++) {
      heartbeat.setStatus(`page ${n}`);
      await new Promise(setImmediate);
    }
    heartbeat.setStatus('the last page');
    await last({ current_status: 'the last page' });
    const [, first, second, third, ...rest] = world.recorder.requests.map((request) => request.at - began);
    expect(first).toBeLessThan(200);
    expect(second! - first!).toBeGreaterThan(900);
    expect(third! - second!).toBeGreaterThan(900);
    expect(rest).toEqual([]);
  });

  it('is not sent when nobody looks, but for the very first', async () => {
    world.recorder.answer = {};
    const heartbeat = start({ interval: 2 });
    heartbeat.setStatus('one');
    await last({ current_status: 'one', sequence: 1 });
    heartbeat.setStatus('two');
    await last({ current_status: 'two' });
    const [a, b] = world.recorder.requests.map((request) => request.at);
    expect(b! - a!).toBeGreaterThan(1_500);
  });

  it('does not hold up a transition', async () => {
    world.recorder.answer = {};
    const heartbeat = start();
    heartbeat.idle();
    await beats(1);
    const began = performance.now();
    await heartbeat.run(() => Promise.reject(new Error('no database'))).catch(() => {});
    await last({ status: 'error', last_error: 'no database' });
    expect(performance.now() - began).toBeLessThan(500);
    await heartbeat.run(async () => 3);
    await last({ status: 'idle', processed_count: 3 });
  });
});

describe('texts', () => {
  it('are cut to their limits and rid of what PostgreSQL refuses', async () => {
    const heartbeat = start({ metadata: { note: 'a\0b\ud800c😀' } });
    heartbeat.setStatus(`${'x'.repeat(499)}😀 and more`, { jobId: 'i'.repeat(300), jobType: 't\0' });
    const [beat] = await beats(1);
    // The emoji's second half would be the 501st: the first half goes with it.
    expect(beat).toMatchObject({
      current_status: 'x'.repeat(499),
      current_job_id: 'i'.repeat(255),
      current_job_type: 't',
      metadata: { note: 'abc😀' },
    });
  });

  it('that the JSON parser refuses all the same are left out, and the beat counts', async () => {
    world.recorder.fault = ({ beats }, response) => {
      if (!('current_status' in beats[0]!)) return undefined;
      response.writeHead(400, { 'content-type': 'application/json' });
      return response.end('{"code":"22P05","message":"unsupported Unicode escape sequence"}');
    };
    start().setStatus('something foul');
    await last({ status: 'processing', sequence: 2, jobs_total: 0 });
    expect(world.lines.join()).toContain('unsupported Unicode escape sequence');
  });

  it.each([
    ['is no string', Symbol('odd')],
    ['throws when read', { toString: () => expect.unreachable() }],
  ])('that %s do no harm', async (_, text) => {
    start().setStatus(text as unknown as string);
    await last({ status: 'processing' });
    expect(world.lines).toEqual([]);
  });
});

describe('metadata', () => {
  it('is made for each beat', async () => {
    let queue = 0;
    const heartbeat = start({ metadata: () => ({ queue: ++queue }) });
    heartbeat.idle();
    await last({ metadata: { queue: 1 } });
    heartbeat.setStatus('x');
    await last({ metadata: { queue: 2 } });
  });

  it('may be promised', async () => {
    const heartbeat = start({ metadata: async () => ({ queue: 1 }) });
    heartbeat.idle();
    await beats(1);
    heartbeat.setStatus('x');
    await last({ metadata: { queue: 1 } });
  });

  const circle: Record<string, unknown> = {};
  circle.self = circle;
  it.each([
    ['is over 8 KB', () => ({ text: 'x'.repeat(9_000) })],
    ['is no object', () => ['list'] as never],
    ['goes in a circle', () => circle],
    [
      'throws',
      () => {
        throw new Error('no queue');
      },
    ],
  ])('that %s is left out, and said to be, once', async (_, metadata) => {
    start({ metadata, interval: 1 }).idle();
    await beats(3);
    expect(world.recorder.last()).not.toHaveProperty('metadata');
    expect(world.lines).toEqual(['[heartbeat] crawl-worker: metadata must be an object of up to 8 KB']);
  });

  it('that is promised in vain does no harm', async () => {
    start({ metadata: () => Promise.reject(new Error('no queue')), interval: 1 }).idle();
    await beats(2);
    expect(world.recorder.last()).toMatchObject({ status: 'idle' });
  });
});

it('reports at once by hand what there is to report, and comes back when that is heard', async () => {
  world.recorder.answer = {};
  const heartbeat = start();
  heartbeat.setStatus('one');
  await heartbeat.flush();
  heartbeat.setStatus('two'); // nobody looks, so this would wait for a minute
  await heartbeat.flush();
  expect(world.recorder.last()).toMatchObject({ current_status: 'two' });
});

it('reports the schedule of a worker that runs by one', async () => {
  const heartbeat = start({ kind: 'scheduled' });
  heartbeat.nextRun(new Date(Date.now() + 3_600_000), 'every hour');
  const beat = await last({ kind: 'scheduled', schedule: 'every hour' });
  expect(beat.next_run_in_ms).toBeGreaterThan(3_590_000);
  expect(beat.next_run_in_ms).toBeLessThanOrEqual(3_600_000);
});

it.each(['right after a beat', 'between two beats'])(
  'reports an event loop that was blocked %s',
  async (when) => {
    resources(start({ interval: 1 }));
    await beats(3);
    if (when === 'between two beats') {
      await until(() => performance.now() - world.recorder.requests.at(-1)!.at > 300);
    }
    const before = world.recorder.last()!.sequence;
    const began = performance.now();
    while (performance.now() - began < 700);
    const beat = await until(() => world.recorder.beats().find(({ sequence }) => sequence > before));
    expect(beat.event_loop_blocked_ms).toBeGreaterThan(400);
    expect(beat.event_loop_blocked_ms).toBeLessThan(2_000);
  },
);

it('gives the same name the same heartbeat, with its latest settings', async () => {
  const first = start();
  expect(start({ description: 'once more' })).toBe(first);
  await last({ description: 'once more' });
  expect(new Set(world.recorder.beats().map((beat) => beat.instance_id)).size).toBe(1);
});

it('is a new instance after a stop', async () => {
  const first = start();
  await beats(1);
  await Promise.all([first.stop('a pause'), first.stop()]);
  expect(world.recorder.last()).toMatchObject({ status: 'stopped', status_reason: 'a pause' });
  start().idle();
  await last({ status: 'idle' });
  expect(new Set(world.recorder.beats().map((beat) => beat.instance_id)).size).toBe(2);
});

it('gives the process its signals back after a stop', async () => {
  const before = process.listenerCount('SIGTERM');
  const heartbeat = start();
  expect(process.listenerCount('SIGTERM')).toBe(before + 1);
  await heartbeat.stop();
  expect(process.listenerCount('SIGTERM')).toBe(before);
  expect(process.listenerCount('beforeExit')).toBe(0);
});
