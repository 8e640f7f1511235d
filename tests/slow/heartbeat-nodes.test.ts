import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodeOf, OutOfReach } from '../support/nodes.ts';
import { until } from '../support/until.ts';
import { createFleet, heartbeatFile, type TestFleet } from '../process/fixtures/fleet.ts';

// People copy the module into workers that run on these; the last is that of every other test, where all of the module's
// behaviour is tested. Here is what could differ: fetch, signals, exit hooks, the messenger, --import.
const versions = ['18.20.8', '20.20.2', '22.23.3', process.versions.node];

describe.each(versions)('on Node %s', (version) => {
  let node: string;
  let away: OutOfReach | undefined;
  beforeAll(async () => {
    try {
      node = await nodeOf(version);
    } catch (error) {
      if (!(error instanceof OutOfReach)) throw error;
      away = error;
      console.warn(`The heartbeat module is not tested on Node ${version}: ${error.message}.`);
    }
  }, 180_000); // by a slow line

  let fleet: TestFleet;
  beforeEach(async (context) => {
    context.skip(away !== undefined, away?.message);
    fleet = await createFleet();
  });
  afterEach(() => fleet?.end());

  const end = async (HOW: string) => {
    const worker = fleet.start('ending', { node, env: { HOW } });
    const exit = await worker.exited;
    return { exit, output: worker.output() };
  };
  const said = (fields: Record<string, unknown>) =>
    until(() => {
      expect(fleet.recorder.last()).toMatchObject(fields);
      return true;
    });

  it('beats, and tells of a job and its end', async () => {
    const worker = fleet.start('job', { node, env: { JOB_MS: '500' } });
    const beat = await until(() => fleet.recorder.beats().find((one) => one.jobs_active === 1));
    expect(beat).toMatchObject({
      status: 'processing',
      current_job_id: 'job-1',
      current_job_type: 'crawl',
      current_status: 'Crawling',
    });
    expect(fleet.recorder.beats()[0]).toMatchObject({
      runtime: `node v${version}`,
      pid: worker.pid,
      heartbeat_interval_s: 1,
    });
    await said({ status: 'idle', jobs_active: 0, jobs_total: 1, errors_total: 0 });
    expect(worker.output()).toBe('started\nfinished\n'); // not a warning, as of an experimental fetch
  });

  it('drains on SIGTERM, says goodbye, and ends by that signal', async () => {
    const worker = fleet.start('job', { node, env: { JOB_MS: '1500' } });
    await said({ status: 'processing' });
    expect(await worker.end('SIGTERM')).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(worker.output()).toContain('finished');
    expect(fleet.recorder.statuses()).toEqual(['processing', 'stopping', 'stopped']);
    expect(fleet.recorder.last()).toMatchObject({
      jobs_total: 1,
      status_reason: 'SIGTERM',
      last_exit: { code: 143, signal: 'SIGTERM' },
    });
  });

  it.each(['emptied', 'exit 0'])('says stopped: %s', async (how) => {
    expect((await end(how)).exit).toEqual({ code: 0, signal: null });
    await said({ status: 'stopped', last_exit: { code: 0 } });
  });

  it.each([
    ['exception', 1, 'uncaughtException: boom', /TypeError: boom\n\s+at /],
    ['rejection', 1, 'unhandledRejection: nobody cares', /Error: nobody cares\n\s+at /],
    ['exit in a job', 2, 'exit code 2', /^/],
  ])('says crashed, trace and exit code as without the module: %s', async (how, code, reason, trace) => {
    const { exit, output } = await end(how);
    expect(exit).toEqual({ code, signal: null });
    expect(output).toMatch(trace);
    await said({ status: 'crashed', status_reason: reason, last_exit: { code } });
  });

  it('reports its resources', async () => {
    fleet.start('strained', { node });
    const fields = ['memory_rss_bytes', 'memory_percent', 'event_loop_lag_ms', 'event_loop_blocked_ms'];
    await until(() => fields.every((field) => typeof fleet.recorder.last()?.[field] === 'number'));
  });

  it('sends its log, and restarts when it is asked to', async () => {
    const worker = fleet.start('talkative', { node, env: { HOW: 'stay' } });
    await worker.wrote('last line');
    fleet.recorder.ask('talkative', 'restart');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    expect(fleet.recorder.log('talkative')).toMatchObject([
      { level: 'error', message: 'last line, password=***' },
    ]);
    await said({ status: 'stopped', last_exit: { code: 75 } });
  });

  it('restarts in its own way where it handles signals itself', async () => {
    const worker = fleet.start('own-handler', { node });
    await worker.wrote('ready');
    fleet.recorder.ask('own-handler', 'restart');
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    await said({ status: 'stopped', last_exit: { code: 75 } });
  });

  it('works under a lease, and gives it back', async () => {
    const worker = fleet.start('lessee', {
      node,
      env: { WORKER_NAME: 'lessee', HOLD_MS: '0', RESOURCE: fleet.recorder.url },
    });
    await worker.wrote('{"held":true,"result":41}');
    await until(() =>
      fleet.recorder.calls.some(({ name, values }) => name === 'hp_release_lease' && values.token === 41),
    );
  });

  it('reports a function as a run', async () => {
    const worker = fleet.start('functions', { node });
    await worker.wrote(/listening on \d+/);
    const [, port] = /listening on (\d+)/.exec(worker.output())!;
    expect((await fetch(`http://127.0.0.1:${port}/web`)).status).toBe(201);
    expect(fleet.recorder.last()).toMatchObject({
      worker_name: 'web',
      status: 'idle',
      processed_count: 3,
      schedule: 'every 60 s',
    });
  });

  it('reports a worker whose code is not touched: --import', async () => {
    const nodeOptions = ['--import', pathToFileURL(heartbeatFile).href];
    const worker = fleet.start('plain', { node, nodeOptions, env: { WORKER_NAME: 'untouched' } });
    await said({ worker_name: 'untouched', status: 'running' });
    await worker.end('SIGTERM');
    expect(fleet.recorder.statuses()).toEqual(['starting', 'running', 'stopping', 'stopped']);
  });
});
