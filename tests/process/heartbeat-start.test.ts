import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createFleet, heartbeatFile, type TestFleet } from './fixtures/fleet.ts';

let fleet: TestFleet;
beforeEach(async () => void (fleet = await createFleet()));
afterEach(() => fleet.end());

const preload = ['--import', pathToFileURL(heartbeatFile).href];
const firstBeat = (worker?: string) =>
  until(() => fleet.recorder.beats(worker)[0], { what: `a beat of ${worker ?? 'anyone'}` });

describe('node --import', () => {
  it('reports a worker whose code is not touched, under WORKER_NAME', async () => {
    const worker = fleet.start('plain', { nodeOptions: preload, env: { WORKER_NAME: 'untouched' } });
    expect(await firstBeat()).toMatchObject({
      worker_name: 'untouched',
      status: 'starting',
      heartbeat_interval_s: 30,
      pid: worker.pid,
    });
    // It says no more, so it counts as running after a second.
    await until(() => fleet.recorder.last()?.status === 'running');
    expect(await worker.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    expect(fleet.recorder.statuses()).toEqual(['starting', 'running', 'stopping', 'stopped']);
  });

  it('takes the script’s own name without WORKER_NAME', async () => {
    fleet.start('plain', { nodeOptions: preload });
    expect(await firstBeat()).toMatchObject({ worker_name: 'plain' });
  });

  it('says goodbye for a script that has done its work and ends', async () => {
    const worker = fleet.start('plain', {
      nodeOptions: preload,
      env: { WORKER_NAME: 'short', LIFE_MS: '100' },
    });
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(fleet.recorder.last()).toMatchObject({ worker_name: 'short', status: 'stopped' });
  });

  it.each(['thread', 'cluster', 'fork'])(
    'reports one worker, not its %s under the same name',
    async (HOW) => {
      const worker = fleet.start('family', { nodeOptions: preload, env: { HOW, WORKER_NAME: 'family' } });
      await worker.wrote('child runs');
      // A second instance would have spoken up by the time that the first is `running`.
      await until(() => fleet.recorder.last()?.status === 'running');
      expect(new Set(fleet.recorder.beats().map((beat) => beat.instance_id)).size).toBe(1);
      await worker.end('SIGTERM');
    },
  );

  it('reports a child that was given a name of its own', async () => {
    fleet.start('family', { nodeOptions: preload, env: { HOW: 'fork', CHILD_NAME: 'child' } });
    expect((await firstBeat('child')).pid).not.toBe((await firstBeat('family')).pid);
  });

  it('is good with --watch: the one that works is reported, and stopped with it', async () => {
    const worker = fleet.start('plain', {
      nodeOptions: ['--watch', ...preload],
      env: { WORKER_NAME: 'watched' },
    });
    const beat = await firstBeat();
    expect(beat.pid).not.toBe(worker.pid);
    await worker.end('SIGTERM');
    await until(() => fleet.recorder.last()?.status === 'stopped');
    expect(new Set(fleet.recorder.beats().map(({ instance_id }) => instance_id)).size).toBe(1);
  });
});

describe('a bare import', () => {
  it('starts by itself', async () => {
    fleet.start('bare-import', { env: { WORKER_NAME: 'bare' } });
    expect(await firstBeat()).toMatchObject({ worker_name: 'bare' });
  });

  it('starts nothing when startHeartbeat was called', async () => {
    fleet.start('idle', { env: { WORKER_NAME: 'other' } });
    await until(() => fleet.recorder.beats().length >= 3);
    expect(new Set(fleet.recorder.beats().map((beat) => beat.worker_name))).toEqual(new Set(['idle']));
  });

  it('is adopted by a later call', async () => {
    fleet.start('late-start', { env: { WORKER_NAME: 'late-start' } });
    await until(() => fleet.recorder.beats().some((beat) => beat.description === 'configured'));
    expect(new Set(fleet.recorder.beats().map((beat) => beat.instance_id)).size).toBe(1);
    await until(() => fleet.recorder.last()?.heartbeat_interval_s === 1);
  });

  it('is adopted also by a call that comes while the first beat is on its way', async () => {
    let held = false;
    let called = () => {};
    const call = new Promise<void>((done) => (called = done));
    fleet.recorder.fault = async () => {
      if (!held) await ((held = true), call);
      return undefined;
    };
    const worker = fleet.start('late-start', { env: { WORKER_NAME: 'late-start' } });
    await worker.wrote('ready');
    called();
    await until(() => fleet.recorder.beats().some((beat) => beat.description === 'configured'));
  });

  it('leaves no trace of a guessed name that a call soon after corrects', async () => {
    fleet.start('late-start', { env: { AS: 'crawl-worker' } });
    await until(() => fleet.recorder.beats().length >= 3);
    expect(new Set(fleet.recorder.beats().map((beat) => beat.worker_name))).toEqual(
      new Set(['crawl-worker']),
    );
  });

  it('says goodbye under a name that was told and is then corrected', async () => {
    fleet.start('late-start', { env: { AS: 'crawl-worker', WORKER_NAME: 'old-name', LATE_MS: '400' } });
    await until(() => fleet.recorder.last('old-name')?.status === 'stopped');
    await until(() => fleet.recorder.last('crawl-worker'));
  });

  it('of two copies of the file reports one worker', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lastseen-copy-'));
    try {
      const copy = join(folder, 'heartbeat.mjs');
      await cp(heartbeatFile, copy);
      fleet.start('bare-import', {
        nodeOptions: ['--import', pathToFileURL(copy).href],
        env: { WORKER_NAME: 'copied' },
      });
      await until(() => fleet.recorder.last()?.status === 'running');
      expect(new Set(fleet.recorder.beats().map((beat) => beat.instance_id)).size).toBe(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('without what it needs', () => {
  it.each([
    [{ SUPABASE_URL: '' }, 'set SUPABASE_URL'],
    [{ SUPABASE_URL: 'my-project' }, 'set SUPABASE_URL'],
    [{ SUPABASE_SECRET_KEY: '' }, 'set SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN'],
    [
      { SUPABASE_SECRET_KEY: '', SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_x' },
      'set SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN',
    ],
  ])('%o says so in one line, and the worker works', async (env, line) => {
    const worker = fleet.start('job', { env: { ...env, JOB_MS: '100' } as Record<string, string> });
    await worker.wrote('finished');
    expect(await worker.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    expect(worker.output().match(/\[heartbeat\].*/g)).toEqual([`[heartbeat] job: not reported: ${line}`]);
    expect(fleet.recorder.requests).toHaveLength(0);
  });

  it('is silent when it was switched off by WORKER_HEARTBEAT=off', async () => {
    const worker = fleet.start('job', { env: { WORKER_HEARTBEAT: 'off', JOB_MS: '100' } });
    await worker.wrote('finished');
    expect(await worker.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    expect(worker.output()).not.toContain('[heartbeat]');
    expect(fleet.recorder.requests).toHaveLength(0);
  });

  it('takes 30 seconds for an interval in the environment that is none, and says so', async () => {
    const worker = fleet.start('bare-import', {
      env: { WORKER_NAME: 'bare', WORKER_HEARTBEAT_INTERVAL: 'soon' },
    });
    expect(await firstBeat()).toMatchObject({ heartbeat_interval_s: 30 });
    expect(worker.output()).toContain('WORKER_HEARTBEAT_INTERVAL must be 1 to 3600 seconds');
  });
});

describe('the tools that start workers', () => {
  it.each(['npm', 'pnpm', 'nodemon'])('%s is not reported in the name of the worker', async (tool) => {
    const folder = await mkdtemp(join(tmpdir(), 'lastseen-tool-'));
    try {
      await cp(new URL('./fixtures/workers/plain.mjs', import.meta.url), join(folder, `${tool}.mjs`));
      const worker = fleet.start(join(folder, `${tool}.mjs`), {
        nodeOptions: preload,
        env: { WORKER_NAME: 'worker', LIFE_MS: '1500' },
      });
      await worker.exited;
      expect(worker.output()).toContain('done');
      expect(fleet.recorder.requests).toHaveLength(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
