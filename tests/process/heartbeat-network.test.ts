import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect } from 'vitest';
import { startProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { withHeartbeats as it } from './fixtures/heartbeat.ts';

// They wait for seconds each, and do so together.
describe.concurrent('while Supabase is away', () => {
  it('goes on counting, and catches up when it is back', async ({ world }) => {
    const heartbeat = world.start({ interval: 1 });
    heartbeat.idle();
    await world.beats(1);
    const port = world.recorder.port();
    await world.recorder.close();
    for (let n = 0; n < 500; n++) await heartbeat.job(async () => {});
    await until(() => world.lines.length);
    expect(world.lines).toEqual([
      expect.stringMatching(
        /^\[heartbeat\] crawl-worker-\d+: not reported, trying again: Supabase cannot be reached \(.+\)$/,
      ),
    ]);
    await world.recorder.listen(port);
    await world.last({ jobs_total: 500, status: 'idle' });
    await until(() => world.lines.includes(`[heartbeat] ${world.name}: reported again`));
  });

  it('tries again within the interval, so that the lease is soon renewed', async ({ world }) => {
    world.recorder.fault = (_, response) => response.writeHead(503).end('<html>upstream</html>');
    world.start({ interval: 2 }).idle();
    await until(() => world.recorder.requests.length >= 5, { timeout: 15_000 });
    const times = world.recorder.requests.map((request) => request.at);
    for (let n = 1; n < times.length; n++) expect(times[n]! - times[n - 1]!).toBeLessThan(2_500);
    // Yet not in one burst.
    expect(times[4]! - times[0]!).toBeGreaterThan(2_500);
  });

  it('says nothing of a single lost request', async ({ world }) => {
    let lost = 0;
    world.recorder.fault = ({ beats }, response) =>
      beats[0]!.sequence === 2 ? (lost++, response.destroy()) : undefined;
    world.start({ interval: 1 }).idle();
    await until(() => Number(world.recorder.last()?.sequence) >= 4);
    expect(lost).toBe(1);
    expect(world.lines).toEqual([]);
  });

  it.for([
    ['hangs', () => true],
    ['answers 500', (response) => response.writeHead(500).end('{"message":"boom"}')],
    ['answers with a page', (response) => response.writeHead(200).end('<html>Sign in to the hotel')],
    ['answers with other JSON', (response) => response.writeHead(200).end('{"ok":true}')],
    ['answers with too few answers', (response) => response.writeHead(200).end('[]')],
    ['answers with nulls', (response) => response.writeHead(200).end('[null]')],
    ['cuts the answer', (response) => response.writeHead(200, { 'content-length': '900' }).destroy()],
    ['answers with nonsense', (response) => response.socket?.end('HTTP/1.1 banana\r\n\r\n')],
  ] as [string, (response: import('node:http').ServerResponse) => unknown][])(
    'and %s, the worker works and stops in time',
    async ([, fault], { world }) => {
      world.recorder.fault = (_request, response) => fault(response) ?? true;
      const heartbeat = world.start({ interval: 1 });
      expect(await heartbeat.job(async () => 'done')).toBe('done');
      await until(() => world.lines.length, { timeout: 15_000 });
      expect(world.lines[0]).toContain('Supabase cannot be reached');
      const began = performance.now();
      await heartbeat.stop();
      expect(performance.now() - began).toBeLessThan(2_500);
    },
  );

  it('says so where it was told to wait, and tries on', async ({ world }) => {
    world.recorder.fault = (_, response) =>
      world.recorder.requests.length > 2
        ? undefined
        : response.writeHead(429, { 'retry-after': '7' }).end('{"message":"wait for 7 s"}');
    world.start({ interval: 1 }).idle();
    await until(() => world.lines.length, { timeout: 15_000 });
    expect(world.lines[0]).toBe(
      `[heartbeat] ${world.name}: not reported, trying again: too many requests (HTTP 429, wait for 7 s)`,
    );
    await until(() => world.lines.includes(`[heartbeat] ${world.name}: reported again`));
  });

  it('never lets two requests overlap', async ({ world }) => {
    let open = 0;
    let most = 0;
    world.recorder.fault = async () => {
      most = Math.max(most, ++open);
      await new Promise((done) => setTimeout(done, 1_200));
      open--;
      return undefined;
    };
    const heartbeat = world.start({ interval: 1 });
    heartbeat.idle();
    for (let n = 0; n < 4; n++) {
      await until(() => world.recorder.requests.length > n);
      await heartbeat.run(() => Promise.reject(new Error('x'))).catch(() => {});
      await heartbeat.run(async () => 1);
    }
    expect(most).toBe(1);
  });

  it('gives a slow answer the time that it takes', async ({ world }) => {
    world.recorder.fault = async () => {
      await new Promise((done) => setTimeout(done, 3_000)); // more than the 2 s that a 1 s interval begins with
      return undefined;
    };
    const heartbeat = world.start({ interval: 1 });
    heartbeat.idle();
    // Only an answer that was waited for tells the epoch.
    await until(() => world.recorder.last()?.epoch, { timeout: 20_000 });
    expect(await heartbeat.job(async () => 'done')).toBe('done');
  });
});

describe.concurrent('what a retry will not mend', () => {
  it.for([
    [401, 'check SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN'],
    [403, 'check SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN'],
    [404, 'check SUPABASE_URL, and apply the migrations'],
  ] as const)(
    '%i is said in one line, with what to do, and not tried again soon',
    async ([status, advice], { world }) => {
      world.recorder.fault = (_, response) => response.writeHead(status).end('{"message":"No such thing"}');
      const heartbeat = world.start({ interval: 1 });
      heartbeat.idle();
      await until(() => world.lines.length);
      expect(world.lines).toEqual([
        `[heartbeat] ${world.name}: not reported, trying again: ${advice} (HTTP ${status}, No such thing)`,
      ]);
      for (let n = 0; n < 5; n++) await heartbeat.run(() => Promise.reject(new Error('x'))).catch(() => {});
      await heartbeat.run(async () => 1);
      await new Promise((done) => setTimeout(done, 1_500)); // longer than the interval, in which nothing may happen
      expect(world.recorder.requests).toHaveLength(1);
      expect(world.lines).toHaveLength(1);
    },
  );

  it('does not carry the key to where an answer points', async ({ world }) => {
    let asked = 0;
    const elsewhere = createServer((_, response) => void (asked++, response.end('[]')));
    await new Promise<void>((done) => elsewhere.listen(0, '127.0.0.1', done));
    try {
      const { port } = elsewhere.address() as AddressInfo;
      world.recorder.fault = (_, response) =>
        response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end();
      world.start({ interval: 1 }).idle();
      await until(() => world.recorder.requests.length >= 2);
      expect(asked).toBe(0);
    } finally {
      elsewhere.closeAllConnections();
      elsewhere.close();
    }
  });
});

it('reads no more than a little of an endless answer', async ({ world }) => {
  let written = 0;
  world.recorder.fault = (_, response) => {
    response.writeHead(200);
    const pour = () => {
      while (!response.destroyed && (written += 65_536) && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', pour);
    };
    pour();
    return true;
  };
  const heartbeat = world.start({ interval: 2 });
  heartbeat.idle();
  await until(() => world.recorder.requests.length >= 2 && written);
  expect(written / world.recorder.requests.length).toBeLessThan(20e6);
});

it('holds no memory and delays no job through an outage under load', async ({ world }) => {
  await world.recorder.close();
  const worker = startProcess(new URL('./fixtures/workers/noisy.mjs', import.meta.url).pathname, {
    nodeOptions: ['--expose-gc'],
    env: { SUPABASE_URL: world.recorder.url, SUPABASE_SECRET_KEY: 'x', WORK_MS: '4000' },
  });
  try {
    await worker.exited;
    const said = JSON.parse(/{.*}/.exec(worker.output())![0]) as {
      jobs: number;
      longest: number;
      grownKb: number;
    };
    // Three texts of 10 KB with each job, were they kept: 20 MB at the least.
    expect(said.jobs).toBeGreaterThan(1_000);
    expect(said.grownKb).toBeLessThan(8_000);
    expect(said.longest).toBeLessThan(2_000); // a request is given 10 s
  } finally {
    await worker.end();
    await world.recorder.listen(world.recorder.port());
  }
});

it('never throws into a worker whose logger does', async ({ world }) => {
  world.recorder.fault = (_, response) => response.writeHead(401).end();
  const heartbeat = world.start({
    logger: {
      warn: () => {
        throw new Error('disk full');
      },
    },
  });
  expect(await heartbeat.job(async () => 'done')).toBe('done');
  await world.beats(1);
});
