import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

// Real workers before the real database, asked by an operator through the Data API.

let stack: TestStack;
let bob: Awaited<ReturnType<TestStack['as']>>;
beforeAll(async () => {
  stack = await startTestStack();
  bob = await stack.as('bob');
});
afterAll(() => stack.stop());

const running: TestProcess[] = [];
let ended = false;
afterEach(async () => {
  ended = true;
  await Promise.all(running.splice(0).map((one) => one.end()));
  ended = false;
});

function start(name: string, env: Record<string, string> = {}) {
  const script = fileURLToPath(new URL('./fixtures/workers/operated.mjs', import.meta.url));
  const worker = startProcess(script, {
    env: {
      SUPABASE_URL: stack.url,
      SUPABASE_SECRET_KEY: stack.secretKey,
      PUBLISHABLE_KEY: stack.publishableKey,
      WORKER_NAME: name,
      ...env,
    },
  });
  running.push(worker);
  return worker;
}

/** What systemd does with Restart=on-failure. */
function supervise(name: string, env?: Record<string, string>) {
  const processes: TestProcess[] = [];
  const again = () => {
    const worker = start(name, env);
    processes.push(worker);
    void worker.exited.then(({ code }) => code && !ended && again());
  };
  again();
  return processes;
}

const row = (name: string, columns: Record<string, unknown>, timeout?: number) =>
  until(
    async () => {
      const [found] = await stack.database.sql`
        select *, pid::int, jobs_processed::int from public.hp_worker_status where worker_name = ${name}`;
      expect(found).toMatchObject(columns);
      return found!;
    },
    { timeout },
  );

async function ask(worker_name: string, command: string, args?: object) {
  const values = { worker_name, command, reason: 'a test', ...(args && { args }) };
  const { data, error } = await bob.rpc('hp_request_command', values);
  expect(error).toBe(null);
  return (data as { id: number }).id;
}

const command = (id: number, columns: Record<string, unknown>, timeout = 15_000) =>
  until(
    async () => {
      const [found] = await stack.database.sql`select * from public.hp_worker_command where id = ${id}`;
      expect(found).toMatchObject(columns);
      return found!;
    },
    { timeout },
  );

describe('an operator', () => {
  it('restarts a worker: the old process goes, its supervisor starts a new one, and that is told', async () => {
    const processes = supervise('restarted');
    const before = await row('restarted', { status: 'processing' });
    const id = await ask('restarted', 'restart');
    const { instance_id, new_instance_id } = await command(id, { state: 'done' });
    expect(await processes[0]!.exited).toEqual({ code: 75, signal: null });
    const after = await row('restarted', { status: 'processing', pid: processes[1]!.pid });
    expect([instance_id, new_instance_id]).toEqual([before.instance_id, after.instance_id]);
    expect(processes).toHaveLength(2);
    const events = await stack.database.sql`
      select 1 from public.hp_worker_event where worker_name = 'restarted' and to_value = 'crashed'`;
    expect(events).toHaveLength(0);
  });

  it('stops a worker, which then stays so', async () => {
    const processes = supervise('stopped');
    await row('stopped', { status: 'processing' });
    const id = await ask('stopped', 'stop');
    await command(id, { state: 'done' });
    expect(await processes[0]!.exited).toEqual({ code: 0, signal: null });
    await row('stopped', { status: 'stopped', status_reason: 'stop requested: a test', jobs_active: 0 });
    expect(processes).toHaveLength(1);
  });

  it('drains a worker and lets it go on; it is alive all the while, and nothing is lost', async () => {
    start('drained');
    await row('drained', { status: 'processing' });
    await command(await ask('drained', 'drain'), { state: 'done' });
    const { jobs_processed: jobs } = await row('drained', { draining: true, status: 'idle' });
    await new Promise((done) => setTimeout(done, 1_500));
    await row('drained', { draining: true, status: 'idle', jobs_processed: jobs });
    await command(await ask('drained', 'resume'), { state: 'done' });
    await until(async () => (await row('drained', { draining: false })).jobs_processed > jobs + 3);
  });

  it('trips its breaker, and resets it', async () => {
    start('broken');
    await row('broken', { status: 'processing' });
    await command(await ask('broken', 'breaker_trip'), { state: 'done' });
    await row('broken', { circuit_breaker_open: true, circuit_breaker_reason: 'tripped by hand: a test' });
  });

  it('is refused by a worker that does not want to', async () => {
    start('stubborn', { REFUSES: 'restart' });
    await row('stubborn', { status: 'processing' });
    await command(await ask('stubborn', 'restart'), { state: 'refused', message: 'never restart' });
    await row('stubborn', { status: 'processing' });
  });

  it('is heard at once by a worker that lends its own client, at an interval of 30 s', async () => {
    const worker = start('lending', { CLIENT: 'yes', INTERVAL: '30' });
    await worker.wrote('listening');
    const began = performance.now();
    await command(await ask('lending', 'beat'), { state: 'done' });
    expect(performance.now() - began).toBeLessThan(5_000);

    // And so is who follows its log.
    const { error } = await bob.rpc('hp_watch_worker', { worker_name: 'lending' });
    expect(error).toBe(null);
    const lines = await until(
      async () => {
        const { data } = await bob.rpc('hp_worker_logs', { worker_name: 'lending' });
        const { lines } = data as { lines: { line: number; message: string; level: string }[] };
        return lines.length > 10 && lines;
      },
      { timeout: 8_000 },
    );
    expect(lines[0]).toMatchObject({ line: 1, level: 'info', message: 'ready' });
    expect(lines[1]!.message).toBe('job 1 done, token=***');
    expect(lines.map(({ line }) => line)).toEqual(lines.map((_, index) => index + 1));

    await command(await ask('lending', 'restart'), { state: 'acknowledged' }, 2_000);
    expect(await worker.exited).toMatchObject({ code: 75 });
  });
});

it('a worker that has lent its client ends by itself when it says goodbye', async () => {
  const worker = start('lender', { CLIENT: 'yes', INTERVAL: '30', JOBS: '20' });
  await worker.wrote('job 20 done');
  const began = performance.now();
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  // The client's own timer for its leaving is 10 s; left alone, it would keep its connection for 50.
  expect(performance.now() - began).toBeLessThan(20_000);
  await row('lender', { status: 'stopped', jobs_processed: 20 });
  const { data } = await bob.rpc('hp_worker_logs', { worker_name: 'lender', most: 500 });
  expect((data as { lines: unknown[] }).lines).toHaveLength(21);
});
