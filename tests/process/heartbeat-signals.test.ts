import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { createFleet, type TestFleet } from './fixtures/fleet.ts';

let fleet: TestFleet;
beforeEach(async () => void (fleet = await createFleet()));
afterEach(() => fleet.end());

/** No beat is on its way, behind which the next one would have to wait. */
const quiet = () =>
  until(
    () => performance.now() - fleet.recorder.requests.at(-1)!.at > 200 && fleet.recorder.beats().length > 1,
  );
const reported = (status: string) =>
  until(() => fleet.recorder.last()?.status === status, { what: `a beat that says ${status}` });

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('is answered with stopping, then stopped, and ends the process as it always has', async () => {
    const worker = fleet.start('idle');
    await reported('idle');
    await quiet();
    const { took, ...exit } = await worker.end(signal);
    expect(exit).toEqual({ code: null, signal });
    expect(took).toBeLessThan(1_000);
    expect(fleet.recorder.statuses()).toEqual(['idle', 'stopping', 'stopped']);
    expect(fleet.recorder.last()).toMatchObject({
      status_reason: signal,
      last_exit: { code: signal === 'SIGTERM' ? 143 : 130, signal },
    });
  });
});

describe('a running job', () => {
  it('is waited for, and how long that took is reported', async () => {
    const worker = fleet.start('job', { env: { UNTIL: 'SIGUSR2' } });
    await worker.wrote('started');
    await reported('processing');
    worker.child.kill('SIGTERM');
    await reported('stopping');
    const began = performance.now();
    await until(() => performance.now() - began > 500);
    worker.child.kill('SIGUSR2');
    expect(await worker.exited).toMatchObject({ signal: 'SIGTERM' });
    expect(worker.output()).toContain('finished');
    const last = fleet.recorder.last();
    expect(last).toMatchObject({ status: 'stopped', jobs_total: 1, jobs_active: 0 });
    expect((last?.last_exit as { drain_ms: number }).drain_ms).toBeGreaterThan(500);
    expect(last?.last_exit).not.toHaveProperty('abandoned_job');
    expect(last).not.toHaveProperty('current_job_id');
  });

  it('may cut itself short by its signal, which is no error', async () => {
    const worker = fleet.start('job', { env: { JOB_MS: '60000', POLITE: '1' } });
    await worker.wrote('started');
    await reported('processing');
    const { took } = await worker.end('SIGTERM');
    expect(took).toBeLessThan(1_000);
    expect(worker.output()).toContain('AbortError');
    expect(fleet.recorder.last()).toMatchObject({ status: 'stopped', jobs_total: 0, errors_total: 0 });
  });

  it('is abandoned after the time for it, and named', async () => {
    const worker = fleet.start('job', { env: { JOB_MS: '60000', TIMEOUT: '0.5' } });
    await worker.wrote('started');
    await reported('processing');
    const { took } = await worker.end('SIGTERM');
    expect(took).toBeGreaterThan(450);
    expect(took).toBeLessThan(2_000);
    expect(fleet.recorder.last()).toMatchObject({ status: 'stopped', last_exit: { abandoned_job: 'job-1' } });
  });

  it('is abandoned at once on a second signal, and named', async () => {
    const worker = fleet.start('job', { env: { JOB_MS: '60000' } });
    await worker.wrote('started');
    worker.child.kill('SIGTERM');
    await reported('stopping');
    // One within half a second is taken for the same Ctrl-C twice, as npm passes it on.
    await until(() => (worker.child.kill('SIGTERM'), worker.child.signalCode), { every: 200 });
    expect(await worker.exited).toEqual({ code: null, signal: 'SIGTERM' });
    await reported('stopped');
    expect(fleet.recorder.last()).toMatchObject({
      last_exit: { signal: 'SIGTERM', abandoned_job: 'job-1' },
    });
  });

  it('of a loop that never looks at the signal is finished, and no further one begun', async () => {
    const worker = fleet.start('loop');
    await worker.wrote('begin 2');
    await worker.end('SIGTERM');
    const lines = worker.output().trim().split('\n');
    expect(lines.filter((line) => line.startsWith('begin')).length).toBe(
      lines.filter((line) => line.startsWith('end')).length,
    );
    expect(fleet.recorder.last()).toMatchObject({ status: 'stopped', jobs_active: 0 });
  });
});

describe('a process with its own handler', () => {
  it.each([{}, { BEFORE: '1' }, { ONCE: '1' }, { ONCE: '1', BEFORE: '1' }])(
    'is not ended, only reported: %o',
    async (env) => {
      const worker = fleet.start('own-handler', { env: { ...env, CODE: '0' } as Record<string, string> });
      await worker.wrote('ready');
      await until(() => fleet.recorder.last());
      const { code, signal, took } = await worker.end('SIGTERM');
      expect({ code, signal }).toEqual({ code: 0, signal: null });
      expect(took).toBeGreaterThan(650);
      expect(worker.output()).toContain('aborted');
      await reported('stopped');
      expect(fleet.recorder.statuses().slice(-2)).toEqual(['stopping', 'stopped']);
      expect(fleet.recorder.last()).toMatchObject({ last_exit: { code: 0, signal: 'SIGTERM' } });
    },
  );

  it('may end with the code of the signal, which is no crash', async () => {
    const worker = fleet.start('own-handler', { env: { CODE: '143' } });
    await worker.wrote('ready');
    await until(() => fleet.recorder.last());
    expect(await worker.end('SIGTERM')).toMatchObject({ code: 143 });
    await reported('stopped');
  });

  it('may end with an error, which is a stop as well, with that code', async () => {
    const worker = fleet.start('own-handler', { env: { CODE: '7' } });
    await worker.wrote('ready');
    await until(() => fleet.recorder.last());
    expect(await worker.end('SIGTERM')).toMatchObject({ code: 7 });
    await reported('stopped');
    expect(fleet.recorder.last()).toMatchObject({ status_reason: 'SIGTERM', last_exit: { code: 7 } });
  });

  it.each(['3', '4'])('is not taken for one that has the package signal-exit %s', async (VERSION) => {
    const worker = fleet.start('signal-exit', { env: { VERSION } });
    await worker.wrote('ready');
    await until(() => fleet.recorder.last());
    expect(await worker.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    expect(worker.output()).toContain('cleaned up');
    expect(fleet.recorder.last()?.status).toBe('stopped');
  });
});

it('does not end a process that wants to end itself: shutdown.exit is false', async () => {
  const worker = fleet.start('idle', { env: { EXIT: 'false' } });
  await reported('idle');
  worker.child.kill('SIGTERM');
  await reported('stopping');
  const { sequence } = fleet.recorder.last()!;
  await until(() => fleet.recorder.last()!.sequence > sequence + 1); // it lives and beats on
  expect(fleet.recorder.last()?.status).toBe('stopping');
  expect(worker.child.signalCode).toBe(null);
});

it('does not swallow the exit code that the worker has set', async () => {
  const worker = fleet.start('exit-code');
  await worker.wrote('ready');
  await until(() => fleet.recorder.last());
  expect(await worker.end('SIGTERM')).toMatchObject({ code: 3, signal: null });
  expect(fleet.recorder.last()).toMatchObject({ status: 'stopped', last_exit: { code: 3 } });
});

it('says goodbye for every worker of the process', async () => {
  const worker = fleet.start('two');
  await until(() => fleet.recorder.last('one') && fleet.recorder.last('two'));
  await worker.end('SIGTERM');
  for (const name of ['one', 'two']) expect(fleet.recorder.last(name)?.status).toBe('stopped');
});

describe('with nobody to talk to', () => {
  it('is gone within a second and a half when Supabase has been away', async () => {
    await fleet.recorder.close();
    const worker = fleet.start('idle');
    await worker.wrote('cannot be reached');
    const { took, signal } = await worker.end('SIGTERM');
    expect(signal).toBe('SIGTERM');
    expect(took).toBeLessThan(1_500);
  });

  it('is gone within four seconds when Supabase hangs from that moment on', async () => {
    const worker = fleet.start('idle');
    await reported('idle');
    fleet.recorder.fault = () => true;
    const { took, signal } = await worker.end('SIGTERM');
    expect(signal).toBe('SIGTERM');
    expect(took).toBeLessThan(4_500);
  });
});

describe('PM2', () => {
  it('ends a worker by SIGINT', async () => {
    const worker = fleet.start('idle', { env: { pm_id: '0' }, channel: true });
    await reported('idle');
    expect(await worker.end('SIGINT')).toMatchObject({ signal: 'SIGINT' });
    expect(fleet.recorder.last()?.status).toBe('stopped');
  });

  it('ends a worker by its shutdown message', async () => {
    const worker = fleet.start('idle', { env: { pm_id: '0' }, channel: true });
    await reported('idle');
    worker.child.send('shutdown');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(fleet.recorder.statuses().slice(-2)).toEqual(['stopping', 'stopped']);
  });

  it('is not imitated by any other parent with a channel', async () => {
    const worker = fleet.start('plain', {
      channel: true,
      env: { WORKER_NAME: 'plain', LIFE_MS: '1200' },
      nodeOptions: ['--import', new URL('../../workers-heartbeat/heartbeat.mjs', import.meta.url).href],
    });
    await until(() => fleet.recorder.last());
    worker.child.send('shutdown');
    // Neither ended by the message nor kept alive by the channel.
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(worker.output()).toContain('done');
  });
});
