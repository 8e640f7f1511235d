import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure, Measure, Run } from './figure.ts';
import { startChild } from './parts/child.ts';
import { openBrowser, openFleet, serveDashboard } from './parts/fleet-page.ts';
import { startBenchStack } from './parts/stack.ts';
import { quantile } from './parts/statistics.ts';
import { openBarePage, stopwatch } from './parts/stopwatch.ts';
import type { Order } from './workers/changer.ts';

const SIZES = [5, 1000];
/** Longer than the second in which the database joins activity into one message. */
const STEP_MS = 1_150;
/** Longer than this is not late but lost. */
const LOST_MS = 10_000;
const NAME = 'crawl-worker';
const declared = ['roundtable-worker', 'x-autopost', 'analyze-worker', 'content-worker'];

type Kind = 'transition' | 'activity';
interface Step {
  kind: Kind;
  order: Order;
  /** What the row says then, or says no more. */
  text: string;
  present?: false;
}

/** Three changes of each kind: the breaker opens, lets a job try, closes; in between the worker says what it does. */
const cycle = (round: number): Step[] => [
  { kind: 'activity', order: { do: 'start a job', text: `Job ${round}a` }, text: `Job ${round}a` },
  { kind: 'transition', order: { do: 'fail' }, text: 'Circuit Breaker Open' },
  { kind: 'activity', order: { do: 'say', text: `Waiting ${round}b` }, text: `Waiting ${round}b` },
  { kind: 'transition', order: { do: 'start a job', text: `Trial ${round}c` }, text: 'breaker half open' },
  { kind: 'activity', order: { do: 'say', text: `Trying ${round}d` }, text: `Trying ${round}d` },
  { kind: 'transition', order: { do: 'succeed' }, text: 'breaker half open', present: false },
];

/** From the call in the worker's process to the changed text in a browser. */
export const latency: Figure = {
  name: 'latency',
  about: "from the module's call to the changed text in a browser",
  limit: ({ changes }) => SIZES.length * (90 + (changes * 2 + 12) * (STEP_MS / 1000) * 1.5),
  async measure(run) {
    const measures: Measure[] = [];
    for (const size of SIZES) {
      // One after the other, each on a stack of its own.
      await using scope = new AsyncDisposableStack();
      run.scope.defer(() => scope.disposeAsync());
      measures.push(...(await measureFleet(size, { ...run, scope })));
    }
    return measures;
  },
};

async function measureFleet(size: number, { scope, changes, say }: Run): Promise<Measure[]> {
  const stack = await startBenchStack(scope);
  const env = { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey };
  // By name after the one that is measured: only the top of a long list stands in the page.
  const others = Array.from({ length: size - 1 }, (_, index) => declared[index] ?? `worker-${index}`);
  await startChild(scope, 'workers/neighbours.ts', { ...env, NAMES: JSON.stringify(others) }).hear();

  const dashboard = await serveDashboard(scope, stack);
  const browser = await openBrowser(scope);
  const fleet = await openFleet(browser, dashboard, stack);
  // Only now, because a worker that starts without a viewer learns of one with its next beat, 30 s later.
  const worker = startChild(scope, 'workers/changer.ts', { ...env, WORKER_NAME: NAME });
  const row = `[data-worker="${NAME}"]`;
  await fleet.locator(`${row}[data-status="running"], ${row}[data-status="idle"]`).waitFor();
  const shown = await stopwatch(fleet, row);

  const bare = await (await browser.newContext()).newPage();
  await openBarePage(bare, stack.url, stack.publishableKey, 'realtime:bench');
  const floor = await stopwatch(bare, '#text');

  /** Milliseconds from the order to the text. */
  const timed = async (watch: typeof shown, order: Order, text: string, present = true) => {
    await watch.expect(text, present);
    const at = await worker.ask<number>(order);
    const seen = await Promise.race([watch.seen(), sleep(LOST_MS)]);
    if (!seen) throw new Error(`'${text}' was not seen within ${LOST_MS} ms`);
    return seen - at;
  };

  const taken: Record<Kind | 'floor', number[]> = { transition: [], activity: [], floor: [] };
  const steps = 2 * changes;
  say(`latency: ${size} workers, ${Math.round((steps * STEP_MS) / 1000)} s`);
  for (let step = -6; step < steps; step++) {
    const { kind, order, text, present } = cycle(Math.floor(step / 6))[(step + 6) % 6]!;
    const began = performance.now();
    const took = await timed(shown, order, text, present);
    await sleep(Math.max(0, began + STEP_MS / 2 - performance.now()));
    const tookBare = await timed(floor, { do: 'broadcast', text: `Said ${step}` }, `Said ${step}`);
    await sleep(Math.max(0, began + STEP_MS - performance.now()));
    if (step < 0) continue; // the first cycle warms everybody up
    taken[kind].push(took);
    taken.floor.push(tookBare);
  }

  const aims = { p50: 25, p99: 60 };
  return (['transition', 'activity'] as const).flatMap((kind) =>
    ([0.5, 0.99] as const).map((share): Measure => {
      const name = share === 0.5 ? 'p50' : 'p99';
      return {
        what: `${kind} → text in the browser, ${size} workers, ${name}`,
        value: quantile(taken[kind], share),
        unit: 'ms',
        beside: { what: 'a bare broadcast', value: quantile(taken.floor, share) },
        aim: { atMost: aims[name] },
      };
    }),
  );
}
