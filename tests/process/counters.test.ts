import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { seeded } from '../support/random.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { startUnrulyNetwork, type UnrulyNetwork } from '../support/unruly-network.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let stack: TestStack;
const running: TestProcess[] = [];
const networks: UnrulyNetwork[] = [];
beforeAll(async () => {
  database = await createDatabase();
  stack = await startTestStack({ database });
});
afterAll(async () => {
  await Promise.all(running.map((one) => one.end()));
  await Promise.all(networks.map((one) => one.close()));
  await stack.stop();
  await database.drop();
});

const script = fileURLToPath(new URL('./fixtures/workers/ledger.mjs', import.meta.url));

/** What a process really did, by its own account. */
const ledger = (worker: TestProcess) => ({
  jobs: worker.output().match(/^done$/gm)?.length ?? 0,
  errors: worker.output().match(/^failed$/gm)?.length ?? 0,
});

/** One worker, started over and over behind a network of its own that does what it can to confuse its counts. */
async function live(name: string, seed: number) {
  const network = await startUnrulyNetwork(stack.url, seeded(seed));
  networks.push(network);
  /** Processes in the order of their first beat, which is the order of the instances that the network has seen. */
  const start = async () => {
    const known = new Set(network.delivered.keys());
    const worker = startProcess(script, {
      env: { WORKER_NAME: name, SUPABASE_URL: network.url, SUPABASE_SECRET_KEY: stack.secretKey },
    });
    running.push(worker);
    const instance = await until(() => [...network.delivered.keys()].find((id) => !known.has(id)), {
      what: `a first beat of ${name}`,
    });
    return { worker, delivered: () => network.delivered.get(instance)! };
  };
  const busy = (one: Awaited<ReturnType<typeof start>>, jobs: number) =>
    until(() => one.delivered().jobs >= jobs, { timeout: 30_000, what: `${jobs} jobs of ${name}` });

  const killed = await start();
  await busy(killed, 40);
  await killed.worker.end('SIGKILL');

  const replaced = await start();
  await busy(replaced, 40);
  const young = await start(); // a rolling deploy: both work for a while
  await busy(young, 20);
  await replaced.worker.end('SIGTERM');
  await busy(young, 60);
  await young.worker.end('SIGKILL');

  const last = await start();
  await busy(last, 40);
  network.calm();
  await last.worker.end('SIGTERM');
  await network.settled();
  return { network, killed: [killed, young], ended: [replaced, last] };
}

it('the counts of a worker are what it really did, whatever the network does to its reports', async () => {
  const lives = await Promise.all(
    [1, 2, 3].map(async (seed) => ({ name: `counted-${seed}`, ...(await live(`counted-${seed}`, seed)) })),
  );
  for (const { name, network, killed, ended } of lives) {
    for (const { worker, delivered } of ended) {
      // Its last words were taken in, and with them all that it did.
      expect(delivered()).toMatchObject({ ...ledger(worker), ended: true });
    }
    for (const { worker, delivered } of killed) {
      // What it did after its last report is lost with it, and nothing is made up.
      expect(delivered().jobs).toBeLessThanOrEqual(ledger(worker).jobs);
      expect(delivered().errors).toBeLessThanOrEqual(ledger(worker).errors);
    }
    const all = [...network.delivered.values()];
    const [row] = await database.sql`
      select jobs_processed::int as jobs, error_count::int as errors
      from public.hp_worker_status where worker_name = ${name}`;
    expect(row).toEqual({
      jobs: all.reduce((sum, one) => sum + one.jobs, 0),
      errors: all.reduce((sum, one) => sum + one.errors, 0),
    });
  }
  // The networks were as bad as they were meant to be.
  const networks = lives.map(({ network }) => network);
  for (const fate of ['lost', 'unanswered', 'doubled', 'delayed'] as const) {
    expect(networks.reduce((sum, { fates }) => sum + fates[fate], 0)).toBeGreaterThan(2);
  }
  const overtaken = networks.flatMap(({ delivered }) => [...delivered.values()].map((one) => one.overtaken));
  expect(overtaken.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
});
