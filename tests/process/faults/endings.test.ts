import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenPage } from './page.ts';
import { createWorld, unharmed, workOn, type FaultWorker, type World } from './world.ts';

// One stack for all: whatever happens to one process, the others are to be left in peace, and the page to know which is which.
let world: World;
let page: OpenPage;
let bystander: FaultWorker;
beforeAll(async () => {
  world = await createWorld();
  page = await world.page();
  bystander = world.start('bystander');
  await world.alive(bystander);
});
afterAll(() => world[Symbol.asyncDispose]());

/** A worker that has work to its name. */
async function working(name: string, env: Record<string, string> = {}) {
  const worker = world.start(name, { env });
  await world.row(name, { status: 'processing', pid: worker.pid, current_job_type: 'fault' }, 20_000);
  return worker;
}

describe.concurrent('a process', () => {
  it('that is killed is found at its deadline, by the next tick, and its successor counts on', async () => {
    const killed = await working('killed');
    await workOn([killed], 30);
    const before = Number((await world.row('killed', {})).jobs_processed);
    await killed.end('SIGKILL');
    const reason = expect.stringMatching(/^no heartbeat for/);
    const row = await world.row('killed', { status: 'crashed', status_reason: reason }, 20_000);
    const { done } = killed.ledger();
    // What it did since its last beat is lost with it; what it had told is not.
    const told = Number(row.jobs_processed);
    expect(told).toBeLessThanOrEqual(done);
    expect(told).toBeGreaterThanOrEqual(before);
    const [event] = await world.sql`
      select extract(epoch from e.at - w.last_heartbeat) as lease, extract(epoch from e.recorded_at - e.at) as late
      from public.hp_worker_event e join public.hp_worker_status w using (worker_name)
      where worker_name = 'killed' and to_value = 'crashed'`;
    expect(Number(event!.lease)).toBeGreaterThan(4.99);
    expect(Number(event!.late)).toBeLessThan(5);

    const next = await working('killed');
    await workOn([next], 10);
    await world.end(next);
    const { jobs_processed } = await world.row('killed', { status: 'stopped' });
    expect(Number(jobs_processed)).toBe(told + next.ledger().done);
    expect(await world.history('killed')).toEqual(['alive', 'crashed', 'alive', 'stopped']);
  });

  it('that gets SIGTERM during a job finishes it, and all is counted', async () => {
    const asked = await working('asked', { FAULT: 'drain', JOB_MS: '1000' });
    expect(await asked.end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
    expect(asked.ledger()).toEqual({ done: 1, failed: 0 });
    const row = await world.row('asked', {
      status: 'stopped',
      status_reason: 'SIGTERM',
      jobs_processed: '1',
    });
    expect(row.last_exit).toMatchObject({ signal: 'SIGTERM', drain_ms: expect.any(Number) });
    expect(row.last_exit).not.toHaveProperty('abandoned_job');
    await world.exact('asked');
    expect(await world.history('asked')).toEqual(['alive', 'stopped']);
  });

  it('that gets SIGTERM twice ends at once, and says which job it left', async () => {
    const pressed = await working('pressed', { JOB_MS: '600000' });
    pressed.child.kill('SIGTERM');
    await world.row('pressed', { status: 'stopping' });
    await sleep(600); // a second one within half a second is npm's echo of the first
    const { took } = await pressed.end('SIGTERM');
    expect(took).toBeLessThan(2_000);
    await world.row('pressed', {
      status: 'stopped',
      last_exit: expect.objectContaining({ signal: 'SIGTERM', abandoned_job: '1' }),
    });
    expect(await world.history('pressed')).toEqual(['alive', 'stopped']);
  });

  it.each([
    ['throw', 'SIGHUP', 'uncaughtException: boom in a timer'],
    ['reject', 'SIGHUP', 'unhandledRejection: nobody cares'],
    ['throw in SIGTERM', 'SIGTERM', 'uncaughtException: boom in a signal handler'],
    ['throw in abort', 'SIGTERM', 'uncaughtException: boom in an abort listener'],
    ['exit', 'SIGHUP', 'exit code 2'],
  ] as const)(
    'that ends by its own fault (%s on %s) says so at once, and all is counted',
    async (fault, signal, reason) => {
      const name = fault.replaceAll(' ', '-');
      const faulty = await working(name, { FAULT: fault });
      await workOn([faulty], 10);
      expect(await faulty.end(signal)).toMatchObject({ code: fault === 'exit' ? 2 : 1 });
      const row = await world.row(name, { status: 'crashed', status_reason: reason, jobs_active: 0 }, 4_000);
      // Its number, unless it fell between two jobs.
      if (fault === 'exit')
        expect(row.last_exit).toMatchObject({ code: 2, abandoned_job: expect.any(String) });
      await world.exact(name);
      expect(await world.history(name)).toEqual(['alive', 'crashed']);
    },
  );

  it('that handles its exceptions itself lives on', async () => {
    const tough = await working('tough', { FAULT: 'live on' });
    await unharmed([tough], 20, async () => {
      tough.child.kill('SIGHUP');
      await tough.wrote('handled boom in a timer');
      await workOn([tough], 20);
    });
    await world.end(tough);
    await world.exact('tough');
    expect(await world.history('tough')).toEqual(['alive', 'stopped']);
  });

  it('whose own functions throw when they are called for a beat is reported all the same', async () => {
    const hostile = await working('hostile', { FAULT: 'hostile' });
    await unharmed([hostile], 20, () => workOn([hostile], 20));
    await world.end(hostile);
    await world.exact('hostile');
    expect(await world.history('hostile')).toEqual(['alive', 'stopped']);
  });
});

it('others are neither accused nor disturbed, and the page knows it all', async () => {
  await unharmed([bystander], 20, () => workOn([bystander], 20));
  await world.end(bystander);
  await world.exact('bystander');
  const crashed = ['exit', 'killed', 'reject', 'throw', 'throw-in-SIGTERM', 'throw-in-abort'];
  expect((await world.crashed()).sort()).toEqual(crashed);
  await page.agrees(world.sql);
  expect([...page.accused].sort()).toEqual(crashed);
  expect(page.connections).toEqual(['connecting', 'live']);
});
