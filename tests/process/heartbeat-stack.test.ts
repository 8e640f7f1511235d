import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProcess, type ProcessOptions, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let stack: TestStack;
const running: TestProcess[] = [];
beforeEach(async () => {
  database = await createDatabase();
  stack = await startTestStack({ database });
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.end()));
  await stack.stop();
  await database.drop();
});

function start(fixture: string, { env }: ProcessOptions = {}) {
  const script = fileURLToPath(new URL(`./fixtures/workers/${fixture}.mjs`, import.meta.url));
  const worker = startProcess(script, {
    env: { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey, ...env },
  });
  running.push(worker);
  return worker;
}

/** Resolves with the worker's row when it has these columns. */
const row = (name: string, columns: Record<string, unknown>) =>
  until(async () => {
    const [found] = await database.sql`
      select *, pid::int from public.hp_worker_status where worker_name = ${name}`;
    expect(found).toMatchObject(columns);
    return found;
  });

const finished = (worker: TestProcess) => worker.output().match(/^end/gm)?.length ?? 0;

describe('a real worker before the real database', () => {
  it('is alive, then stopped with its exit and nothing left of its work', async () => {
    const worker = start('job', { env: { JOB_MS: '1500' } });
    await row('job', {
      status: 'processing',
      jobs_active: 1,
      current_job_id: 'job-1',
      current_job_type: 'crawl',
      current_status: 'Crawling',
      heartbeat_interval_s: 1,
      pid: worker.pid,
    });
    await worker.end('SIGTERM');
    await row('job', {
      status: 'stopped',
      status_reason: 'SIGTERM',
      jobs_active: 0,
      current_job_id: null,
      current_status: null,
      last_exit: expect.objectContaining({ code: 143, signal: 'SIGTERM' }),
    });
  });

  it('leaves in its last words how long it drained, and the job that it gave up', async () => {
    const worker = start('job', { env: { JOB_MS: '60000', TIMEOUT: '0.5' } });
    await row('job', { status: 'processing' });
    await worker.end('SIGTERM');
    const { last_exit: exit } = await row('job', { status: 'stopped' });
    expect(exit).toMatchObject({ code: 143, signal: 'SIGTERM', abandoned_job: 'job-1' });
    expect(exit.drain_ms).toBeGreaterThanOrEqual(500);
    expect(exit.drain_ms).toBeLessThan(3_000);
  });

  it('is crashed with its error, at once, when it crashes', async () => {
    await start('ending', { env: { HOW: 'exception' } }).exited;
    await row('ending', { status: 'crashed', status_reason: 'uncaughtException: boom' });
  });

  it('is back, as a new instance, soon after kill -9', async () => {
    const killed = start('idle');
    const before = await row('idle', { status: 'idle' });
    await killed.end('SIGKILL');
    const again = start('idle');
    const after = await row('idle', { status: 'idle', pid: again.pid });
    expect(Number(after.epoch)).toBeGreaterThan(Number(before.epoch));
  });

  it('that was replaced in a rolling deploy ends without ending its successor', async () => {
    const old = start('idle');
    await row('idle', { pid: old.pid, status: 'idle' });
    const next = start('idle');
    await row('idle', { pid: next.pid, status: 'idle' });
    await old.end('SIGTERM');
    await row('idle', { pid: next.pid, status: 'idle' });
  });
});

describe('its counts', () => {
  it('are exact over a restart, an overlap and an outage of Supabase', async () => {
    const first = start('loop');
    await until(() => finished(first) >= 3);
    const second = start('loop');
    await until(() => finished(second) >= 3);

    const port = Number(new URL(stack.url).port);
    await stack.stop();
    const during = [first, second].map(finished);
    await until(() => finished(first) > during[0]! + 5 && finished(second) > during[1]! + 5);
    stack = await startTestStack({ database, port });
    // Back within two intervals, and not only because it ends.
    await until(async () => {
      const [{ jobs } = {}] = await database.sql`
        select jobs_processed::int as jobs from public.hp_worker_status where worker_name = 'loop'`;
      return jobs > during[0]! + during[1]! + 8;
    });

    await first.end('SIGTERM');
    await second.end('SIGTERM');
    const third = start('loop');
    await until(() => finished(third) >= 3);
    await third.end('SIGTERM');

    const done = finished(first) + finished(second) + finished(third);
    const found = await row('loop', { status: 'stopped' });
    expect({ processed: Number(found.jobs_processed), errors: Number(found.error_count) }).toEqual({
      processed: done,
      errors: 0,
    });
  });
});
