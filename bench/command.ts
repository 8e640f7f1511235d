import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure, Measure, Run } from './figure.ts';
import { startChild } from './parts/child.ts';
import { startBenchStack, type BenchStack } from './parts/stack.ts';
import { median } from './parts/statistics.ts';

const INTERVAL_S = 30;
/** A wake-up makes a worker beat at most once a second, and the last command must be over. */
const PAUSE_MS = 1_500;
const BESIDE = 8;

interface Said {
  what: string;
  at: number;
}

/** From the operator's request to the worker that acts. */
export const command: Figure = {
  name: 'command',
  about: 'from an operator’s request to the worker that acts on it, every 30 s',
  limit: ({ rounds }) => 120 + 2 * INTERVAL_S + (rounds * BESIDE * 2 * PAUSE_MS) / 1000,
  async measure(run) {
    const stack = await startBenchStack(run.scope);
    const [lent, alone] = await Promise.all([withClient(stack, run), withoutClient(stack, run)]);
    return [
      {
        what: 'command asked → worker acts, with its own client, p50',
        value: median(lent.taken),
        unit: 'ms',
        beside: { what: 'a bare broadcast', value: median(lent.floor) },
        aim: { atMost: 1_000 },
      },
      {
        what: 'the same, the slowest',
        value: Math.max(...lent.taken),
        unit: 'ms',
        beside: { what: 'a bare broadcast', value: Math.max(...lent.floor) },
      },
      {
        what: 'command asked → worker acts, without one, p50',
        value: median(alone) / 1000,
        unit: 's',
        beside: { what: 'half of its interval', value: INTERVAL_S / 2 },
        aim: { atMost: INTERVAL_S },
      },
      { what: 'the same, the slowest', value: Math.max(...alone) / 1000, unit: 's' },
    ] satisfies Measure[];
  },
};

const start = (stack: BenchStack, { scope }: Run, name: string, env: Record<string, string> = {}) =>
  startChild(scope, 'workers/commanded.ts', {
    SUPABASE_URL: stack.url,
    SUPABASE_SECRET_KEY: stack.secretKey,
    PUBLISHABLE_KEY: stack.publishableKey,
    WORKER_NAME: name,
    WORKER_HEARTBEAT_INTERVAL: String(INTERVAL_S),
    ...env,
  });

const ask = (stack: BenchStack, worker_name: string) =>
  stack.rpc('hp_request_command', { worker_name, command: 'beat', reason: 'measured' });

/** Milliseconds from a call to what it makes the worker say. */
async function timed(call: () => Promise<unknown>, heard: () => Promise<Said>): Promise<number> {
  const said = heard();
  const began = Date.now();
  await call();
  return (await said).at - began;
}

async function withClient(stack: BenchStack, run: Run) {
  const worker = start(stack, run, 'lends', { CLIENT: 'yes' });
  await worker.hear();
  const taken: number[] = [];
  const floor: number[] = [];
  run.say(`command: ${run.rounds * BESIDE} by a wake-up`);
  for (let n = -1; n < run.rounds * BESIDE; n++) {
    await sleep(PAUSE_MS, undefined, { signal: run.signal });
    const command = await timed(
      () => ask(stack, 'lends'),
      () => worker.hear<Said>(),
    );
    const broadcast = await timed(
      () => stack.rpc('bench_say', { said: `${n}` }),
      () => worker.hear<Said>(),
    );
    if (n < 0) continue; // the first warms everybody up
    taken.push(command);
    floor.push(broadcast);
  }
  return { taken, floor };
}

/** Asked at any time since their last beat, as it falls out. */
async function withoutClient(stack: BenchStack, run: Run): Promise<number[]> {
  const { rounds, signal, say } = run;
  const workers = Array.from({ length: rounds }, (_, one) => ({
    name: `alone-${one}`,
    child: start(stack, run, `alone-${one}`),
  }));
  await Promise.all(workers.map(({ child }) => child.hear()));
  say(`command: ${rounds} by the next beat, ${INTERVAL_S} s`);
  return Promise.all(
    workers.map(async ({ name, child }, which) => {
      await sleep((INTERVAL_S * 1000 * which) / rounds, undefined, { signal });
      return timed(
        () => ask(stack, name),
        () => child.hear<Said>(),
      );
    }),
  );
}
