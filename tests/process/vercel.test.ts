import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startProcess, type ProcessOptions, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { startRecorder } from './fixtures/recorder.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
});
afterAll(() => stack.stop());

const running: TestProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.end()));
});

/** A process of the platform's, which serves the functions of `fixtures/workers/functions.mjs`. */
async function start({ env, ...options }: ProcessOptions = {}) {
  const script = fileURLToPath(new URL('./fixtures/workers/functions.mjs', import.meta.url));
  const worker = startProcess(script, {
    ...options,
    env: { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey, ...env },
  });
  running.push(worker);
  await worker.wrote(/listening on \d+/);
  const [, port] = /listening on (\d+)/.exec(worker.output())!;
  return {
    ...worker,
    call: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}/${path}`, init),
    /** As the platform does when it has its answer: nothing runs any more, and nothing is said. */
    freeze: () => worker.child.kill('SIGSTOP'),
    thaw: () => worker.child.kill('SIGCONT'),
  };
}

const row = async (name: string) =>
  (
    await stack.database.sql`
      select *, processed_count::int, last_run_errors::int, last_run_duration_ms::int, jobs_processed::int, error_count::int
      from public.hp_worker_status where worker_name = ${name}`
  )[0]!;
/** The tick, every five seconds of the time to come. */
async function watch(seconds: number) {
  for (let second = 0; second <= seconds; second += 5)
    await stack.database.sql`select hp_private.tick(now() + make_interval(secs => ${second}))`;
}

describe('an invocation of a function', () => {
  it('is a run of its worker, told of before the answer ends, and when it is due again', async () => {
    const functions = await start();
    const response = await functions.call('digest?ms=300');
    functions.freeze();
    expect([response.status, await response.json()]).toEqual([200, { sent: 12 }]);
    const found = await row('digest');
    expect(found).toMatchObject({
      kind: 'scheduled',
      status: 'idle',
      description: 'Mails the digest',
      processed_count: 12,
      last_run_errors: 0,
      schedule: '0 8 * * *',
      max_run_s: 900,
    });
    expect(found.last_run_duration_ms).toBeGreaterThanOrEqual(290);
    expect(found.last_run_duration_ms).toBeLessThan(3_000);
    expect(Date.now() - found.last_run_at).toBeLessThan(3_000);
    const due = new Date(found.next_run_at);
    expect([due.getUTCHours(), due.getUTCMinutes()].join(':')).toMatch(/^(8:0|7:59)$/); // a duration, on its way
    expect(due.getTime()).toBeGreaterThan(Date.now());
    expect(due.getTime()).toBeLessThan(Date.now() + 86_400_000 + 60_000);

    // The process goes without a word, and nobody misses it.
    await functions.end('SIGKILL');
    await watch(60);
    expect(await row('digest')).toMatchObject({ status: 'idle', processed_count: 12 });
  });

  it('is shown while it runs', async () => {
    const functions = await start();
    const answer = functions.call('digest?ms=1500');
    await until(async () => (await row('digest')).status === 'processing');
    expect((await answer).status).toBe(200);
    expect(await row('digest')).toMatchObject({ status: 'idle' });
  });

  it('that throws is a failed run, and the error goes on to the platform', async () => {
    const functions = await start();
    const response = await functions.call('fails');
    functions.freeze();
    expect([response.status, await response.text()]).toEqual([
      500,
      'FUNCTION_INVOCATION_FAILED: no mail server',
    ]);
    expect(await row('fails')).toMatchObject({
      status: 'error',
      last_error: 'no mail server',
      last_run_errors: 1,
      error_count: 1,
    });
    const inSeconds = ((await row('fails')).next_run_at - Date.now()) / 1000;
    expect(inSeconds).toBeGreaterThan(3_590);
    expect(inSeconds).toBeLessThan(3_605);
  });

  it('that answers 500 and more is one too, and its answer stays its own', async () => {
    const functions = await start();
    const response = await functions.call('refuses');
    functions.freeze();
    expect([response.status, await response.json()]).toEqual([503, { error: 'later' }]);
    expect(await row('refuses')).toMatchObject({
      status: 'error',
      last_error: 'answered 503',
      last_run_errors: 1,
    });
  });

  it('may end its answer in a callback, piece by piece', async () => {
    const functions = await start();
    const response = await functions.call('callback');
    expect(await response.text()).toBe('in time');
    functions.freeze();
    const found = await row('callback');
    expect(found).toMatchObject({ status: 'idle', last_run_errors: 0 });
    expect(found.last_run_duration_ms).toBeGreaterThanOrEqual(290);
  });

  it('as the Web has it is a run as well, and its jobs are its count', async () => {
    const functions = await start();
    const response = await functions.call('web', { method: 'POST' });
    functions.freeze();
    expect([response.status, await response.json()]).toEqual([201, { method: 'POST' }]);
    expect(await row('web')).toMatchObject({ status: 'idle', processed_count: 3, jobs_processed: 3 });
  });

  it('without the secret of the scheduler, where there is one, is refused and no run', async () => {
    const functions = await start({ env: { CRON_SECRET: 's3cret', SUPABASE_URL: 'http://127.0.0.1:9' } });
    const before = await row('web');
    for (const path of ['web', 'digest']) {
      expect((await functions.call(path)).status).toBe(401);
      expect((await functions.call(path, { headers: { authorization: 'Bearer guess' } })).status).toBe(401);
    }
    expect(functions.output()).not.toContain('began');
    expect(await row('web')).toEqual(before);
    const authorized = await functions.call('digest', { headers: { authorization: 'Bearer s3cret' } });
    expect(authorized.status).toBe(200);
  });
});

describe('processes', () => {
  it('that are kept warm and called in turn report every run, and are no conflict', async () => {
    const [one, two] = [await start(), await start()];
    const epochs = new Set<string>();
    for (const [n, functions] of [one, two, one, two, one].entries()) {
      functions.thaw();
      expect((await functions.call('fails')).status).toBe(500);
      functions.freeze();
      const found = await row('fails');
      expect(found.last_run_at.getTime()).toBeGreaterThan(Date.now() - 3_000);
      expect(found.pid).toBe(String(functions.pid));
      epochs.add(found.epoch);
      expect(epochs.size).toBe(Math.min(n + 1, 2));
      // Later, by more than the minute after which two live processes are a conflict.
      await stack.database
        .sql`update public.hp_worker_instance set superseded_at = superseded_at - interval '2 minutes'`;
    }
    const [conflicts] = await stack.database.sql`
      select count(*)::int as n from public.hp_worker_event where worker_name = 'fails' and type = 'conflict'`;
    expect(conflicts!.n).toBe(0);
    expect((await row('fails')).error_count).toBe(1 + 5); // the one of the test above, and these
  });

  it('that run several invocations at once count each', async () => {
    const functions = await start();
    const { processed_count: _, ...before } = await row('web');
    await Promise.all(Array.from({ length: 5 }, () => functions.call('web')));
    expect(await row('web')).toMatchObject({ status: 'idle', jobs_processed: before.jobs_processed + 15 });
  });
});

describe('while Supabase is away', () => {
  it.each([
    ['does not answer', {}, 1_500],
    ['does not answer and the platform can wait', { WAIT_UNTIL: '1' }, 0],
  ])('and %s, an answer is late by no more than is promised', async (_, env, promised) => {
    const recorder = await startRecorder();
    recorder.fault = () => true; // takes the request, and that is all
    try {
      const functions = await start({ env: { SUPABASE_URL: recorder.url, ...env } });
      const began = performance.now();
      expect((await functions.call('digest?ms=100')).status).toBe(200);
      const took = performance.now() - began;
      expect(took).toBeLessThan(100 + promised + 900); // for a loaded machine
      if (promised) expect(took).toBeGreaterThan(promised);
    } finally {
      await recorder.close();
    }
  });
});
