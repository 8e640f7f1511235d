import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createFleet, type TestFleet } from './fixtures/fleet.ts';

let fleet: TestFleet;
beforeEach(async () => void (fleet = await createFleet()));
afterEach(() => fleet.end());

const end = (HOW: string) => {
  const worker = fleet.start('ending', { env: { HOW } });
  return { ...worker, exit: worker.exited };
};
const exitReport = (status: string) =>
  until(() => fleet.recorder.last()?.status === status && fleet.recorder.last(), {
    what: `the exit report ${status}`,
  });

describe('stopped', () => {
  it('is said when the event loop is empty, which a heartbeat does not keep from being so', async () => {
    expect(await end('emptied').exit).toEqual({ code: 0, signal: null });
    expect(await exitReport('stopped')).toMatchObject({ last_exit: { code: 0 } });
  });

  it('is said on exit(0)', async () => {
    expect(await end('exit 0').exit).toEqual({ code: 0, signal: null });
    expect(await exitReport('stopped')).toMatchObject({ last_exit: { code: 0 } });
  });

  it('is said by hand, once, with the reason given', async () => {
    expect(await end('stop by hand').exit).toEqual({ code: 0, signal: null });
    const said = fleet.recorder.beats().filter((beat) => beat.status === 'stopped');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ status_reason: 'done for today' });
  });
});

describe('crashed', () => {
  it('is said of an uncaught exception, with the error; trace and exit code stay those of the worker', async () => {
    const worker = end('exception');
    expect(await worker.exit).toEqual({ code: 1, signal: null });
    expect(worker.output()).toMatch(/TypeError: boom\n\s+at /);
    const said = await exitReport('crashed');
    expect(said).toMatchObject({ status_reason: 'uncaughtException: boom', last_exit: { code: 1 } });
    expect(said.last_error).toContain('TypeError: boom');
    expect((said.last_exit as { error: string }).error).toContain('ending.mjs');
  });

  it('is said of an unhandled rejection', async () => {
    expect(await end('rejection').exit).toEqual({ code: 1, signal: null });
    expect(await exitReport('crashed')).toMatchObject({ status_reason: 'unhandledRejection: nobody cares' });
  });

  it('is said of exit(3)', async () => {
    expect(await end('exit 3').exit).toEqual({ code: 3, signal: null });
    expect(await exitReport('crashed')).toMatchObject({
      status_reason: 'exit code 3',
      last_exit: { code: 3 },
    });
  });

  it('is said of an event loop that emptied with an exit code set', async () => {
    expect(await end('emptied with a code').exit).toEqual({ code: 4, signal: null });
    expect(await exitReport('crashed')).toMatchObject({ last_exit: { code: 4 } });
  });

  it('names the job that was abandoned', async () => {
    expect(await end('exit in a job').exit).toEqual({ code: 2, signal: null });
    const said = await exitReport('crashed');
    expect(said).toMatchObject({ jobs_active: 0, last_exit: { code: 2, abandoned_job: 'job-9' } });
    expect(said).not.toHaveProperty('current_job_id');
  });

  it('is not said of an exception that the worker handles and outlives', async () => {
    const worker = end('handled exception');
    expect(await worker.exit).toEqual({ code: 0, signal: null });
    expect(worker.output()).toContain('lives on');
    await exitReport('stopped');
    expect(fleet.recorder.statuses()).not.toContain('crashed');
  });
});

it('delays an exit by no more than 50 ms', async () => {
  const delays: number[] = [];
  for (let n = 0; n < 3; n++) {
    const worker = end('exit 3');
    await worker.exit;
    // The module's exit handler runs before the worker's own, which says when it ran.
    delays.push(Number(/exit handlers after (\d+) ms/.exec(worker.output())?.[1]));
  }
  expect(Math.min(...delays)).toBeLessThan(50);
});

it.each([401, 404])('is not held up by a Supabase that answers %i, which no retry mends', async (status) => {
  fleet.recorder.fault = (_, response) => response.writeHead(status).end('{}');
  const worker = end('emptied');
  await until(() => fleet.recorder.requests.length);
  const began = performance.now();
  await worker.exit;
  expect(performance.now() - began).toBeLessThan(2_000); // of which the worker's own work takes 400
  expect(fleet.recorder.last()).toMatchObject({ status: 'stopped' }); // said once, for the key may be good by now
  expect(fleet.recorder.beats().filter((beat) => beat.status === 'stopped')).toHaveLength(1);
});

describe('the messenger, which sends the exit report of a crash,', () => {
  it('is not started by an executable that is no plain Node: it would be the worker itself, again and again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lastseen-app-'));
    try {
      const app = join(folder, 'my-app');
      await copyFile(process.execPath, app);
      const worker = fleet.start('ending', { node: app, env: { HOW: 'exit 3', WORKER_NAME: 'app' } });
      expect(await worker.exited).toEqual({ code: 3, signal: null });
      const { instance_id } = fleet.recorder.last()!;
      // A plain Node that crashes afterwards is reported, so the report of the first would have arrived.
      await end('exit 3').exit;
      await exitReport('crashed');
      const crashed = fleet.recorder.beats().filter(({ status }) => status === 'crashed');
      expect(crashed).toHaveLength(1);
      expect(crashed[0]!.instance_id).not.toBe(instance_id);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reports no worker of its own, also where it runs the worker’s file', async () => {
    const worker = fleet.start('ending', { env: { HOW: 'exit 3', HEARTBEAT_EXIT_REPORT: '[]' } });
    expect(await worker.exited).toEqual({ code: 3, signal: null });
    expect(fleet.recorder.requests).toHaveLength(0);
    expect(worker.output()).not.toContain('[heartbeat]');
  });

  it('reports a crash of the very start, before the first beat', async () => {
    const script = new URL('./fixtures/workers/early.cjs', import.meta.url).pathname;
    expect(await fleet.start(script).exited).toEqual({ code: 1, signal: null });
    await exitReport('crashed');
    expect(fleet.recorder.last()).toMatchObject({
      worker_name: 'early',
      status_reason: 'uncaughtException: no DATABASE_URL',
    });
  });

  it('reports many workers, also where their reports are larger than an environment takes', async () => {
    await fleet.start('many').exited;
    const crashed = () => fleet.recorder.beats().filter(({ status }) => status === 'crashed');
    await until(() => new Set(crashed().map((beat) => beat.worker_name)).size === 25);
  });

  it('reports every worker of the process', async () => {
    const worker = fleet.start('two', { env: { CRASH_MS: '700' } });
    expect(await worker.exited).toEqual({ code: 5, signal: null });
    for (const name of ['one', 'two'])
      await until(() => fleet.recorder.last(name)?.status === 'crashed', { what: `the crash of ${name}` });
  });
});

it('says nothing and starts nothing when it was never set up', async () => {
  const worker = fleet.start('ending', { env: { HOW: 'exit 3', SUPABASE_URL: '' } });
  expect(await worker.exited).toEqual({ code: 3, signal: null });
  expect(worker.output().match(/\[heartbeat\].*/g)).toEqual([
    '[heartbeat] ending: not reported: set SUPABASE_URL',
  ]);
  expect(fleet.recorder.requests).toHaveLength(0);
});
