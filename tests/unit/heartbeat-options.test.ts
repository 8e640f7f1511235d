import { hostname } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Heartbeat, HeartbeatOptions } from '../../workers-heartbeat/heartbeat.ts';

let startHeartbeat: (options?: HeartbeatOptions) => Heartbeat;
beforeAll(async () => {
  process.env.WORKER_HEARTBEAT = 'off'; // nothing is sent: this is about what is accepted
  ({ startHeartbeat } = await import('../../workers-heartbeat/heartbeat.ts'));
});
afterAll(() => void delete process.env.WORKER_HEARTBEAT);

const started: Heartbeat[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((heartbeat) => heartbeat.stop()));
  delete process.env.WORKER_NAME;
});
const start = (options?: HeartbeatOptions) => {
  started.push(startHeartbeat(options));
  return started[0]!;
};

describe('a wrong option throws a TypeError that names it and its range:', () => {
  it.each([
    [{ name: '' }, /name must be like .*WORKER_NAME/],
    [{ name: '-starts-with-a-dash' }, /name must be like/],
    [{ name: 'has space' }, /name must be like/],
    [{ name: 'x'.repeat(129) }, /name must be like/],
    [{ type: 'x'.repeat(129) }, /type must be 0 to 128 characters$/],
    [{ type: 7 }, /type must be 0 to 128 characters$/],
    [{ description: 'x'.repeat(501) }, /description must be 0 to 500 characters$/],
    [{ version: 'x'.repeat(129) }, /version must be 0 to 128 characters$/],
    [{ interval: 0.5 }, /interval must be 1 to 3600$/],
    [{ interval: 3601 }, /interval must be 1 to 3600$/],
    [{ interval: NaN }, /interval must be 1 to 3600$/],
    [{ interval: '30' }, /interval must be 1 to 3600$/],
    [{ pollInterval: 0 }, /pollInterval must be 0.001 to 1000000000$/],
    [{ grace: -1 }, /grace must be 0 to 31536000$/],
    [{ maxRun: 0 }, /maxRun must be 1 to 31536000$/],
    [{ type: 7, replicas: true }, /type must be 0 to 128 characters$/],
    [{ url: 'example.supabase.co' }, /url must be http/],
    [{ url: 7 }, /url must be http/],
    [{ shutdown: { timeout: -1 } }, /shutdown.timeout must be 0 to 3600$/],
    [{ shutdown: { signals: 'SIGTERM' } }, /shutdown.signals must be like/],
    [{ shutdown: { signals: ['SIGNOTHING'] } }, /shutdown.signals must be like/],
    [{ shutdown: { signals: ['SIGKILL'] } }, /shutdown.signals must be like/],
    [{ logger: {} }, /logger must be false, or have warn/],
    [{ logger: { warn: 1 } }, /logger must be false, or have warn/],
    [{ kind: 'cron' }, /kind must be 'resident' or 'scheduled'$/],
    [{ name: null }, /name must be like/],
    [{ name: 5 }, /name must be like/],
  ])('%o', (options, message) => {
    const wrong = () => start(options as HeartbeatOptions);
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow(message);
    expect(wrong).toThrow(/^startHeartbeat: /);
  });
});

it.each([
  { name: 'x' },
  { name: 'Aa0@:._/-' },
  { name: `a${'-'.repeat(127)}` },
  { name: 'a', interval: 1 },
  { name: 'a', interval: 3600, pollInterval: 0.5, url: 'https://example.supabase.co/', token: 't' },
  { name: 'a', logger: false, metadata: {}, kind: 'scheduled' },
  { name: 'a', type: undefined, interval: undefined, logger: undefined, url: undefined, key: undefined },
  { name: 'a', shutdown: {} },
  { name: 'a', shutdown: { signals: [], timeout: 0, exit: false } },
  { name: 'a', kind: 'scheduled', grace: 0, maxRun: 31_536_000 },
] as HeartbeatOptions[])('accepts %o', (options) => {
  expect(start(options).name).toBe(options.name);
});

describe('the name', () => {
  const suffix = `@${hostname()}:${process.pid}`;

  it.each([
    [{ type: 'crawler', name: 'x', replicas: true }, `crawler${suffix}`],
    [{ name: 'crawl-worker', replicas: true }, `crawl-worker${suffix}`],
    [{ type: 'page crawler (new)', replicas: true }, `page-crawler-new-${suffix}`],
    [{ type: 'x'.repeat(128), replicas: true }, `${'x'.repeat(50)}${suffix}`],
  ])('of a replica is that of its group with host and process: %o', (options, name) => {
    expect(start(options).name).toBe(name);
  });

  it('is WORKER_NAME by default', () => {
    process.env.WORKER_NAME = 'from-the-environment';
    expect(start().name).toBe('from-the-environment');
  });

  it('is made valid when it comes from the environment', () => {
    process.env.WORKER_NAME = '…my worker (2)';
    expect(start().name).toBe('my-worker-2-');
  });

  it('is the script’s name otherwise', () => {
    const { argv } = process;
    process.argv = [argv[0]!, '/app/workers/crawl-worker.ts'];
    try {
      expect(start().name).toBe('crawl-worker');
    } finally {
      process.argv = argv;
    }
  });
});
