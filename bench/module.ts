import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { transformSync } from 'esbuild';
import { modules } from '../workers-heartbeat/build.ts';
import type { Figure, Run } from './figure.ts';
import { startChild } from './parts/child.ts';
import { median } from './parts/statistics.ts';
import { startStandIn } from './parts/supabase-stand-in.ts';

/** Long enough for starting up, and for the compiler to have seen the first beats. */
const WARM_UP_MS = 4_000;
const MEASURED_MS = 15_000;

/** An idle worker without a heartbeat, with the least that reports, and with the module. */
const variants = {
  without: {},
  fetch: { HEARTBEAT: 'fetch' },
  module: { HEARTBEAT: 'module' },
  /** Beats once, at its start: what remains is what it costs between beats. */
  silent: { HEARTBEAT: 'module', INTERVAL: '3600' },
} as const;
type Variant = keyof typeof variants;

interface Cost {
  /** Milliseconds of CPU a second. */
  cpu: number;
  /** Of the measured time. */
  beats: number;
  /** MB. */
  rss: number;
}

/** What the module costs the worker that carries it. */
export const heartbeatModule: Figure = {
  name: 'module',
  about: 'the heartbeat module: size, CPU a beat, memory of an idle worker',
  limit: ({ rounds }) => 30 + (rounds * (WARM_UP_MS + MEASURED_MS + 5_000)) / 1000,
  async measure(run) {
    const costs: Record<Variant, Cost>[] = [];
    for (let round = 1; round <= run.rounds; round++) {
      run.say(`module: round ${round} of ${run.rounds}`);
      costs.push(await measureRound(run));
    }
    const over = (value: (round: Record<Variant, Cost>) => number) => median(costs.map(value));
    return [
      ...(await Promise.all(
        modules.map(async (module) => ({
          what: `${module}.mjs, minified and gzipped`,
          value: await bundledSize(module),
          unit: 'KB',
          ...(module === 'heartbeat' && { aim: { atMost: 5 } }),
        })),
      )),
      {
        what: 'CPU a beat, at one a second',
        value: over(
          ({ module, silent }) => ((module.cpu - silent.cpu) * (MEASURED_MS / 1000)) / module.beats,
        ),
        unit: 'ms',
        beside: {
          what: 'a bare fetch',
          value: over(
            ({ fetch, without }) => ((fetch.cpu - without.cpu) * (MEASURED_MS / 1000)) / fetch.beats,
          ),
        },
      },
      {
        what: 'CPU between beats, a second',
        value: over(({ silent, without }) => silent.cpu - without.cpu),
        unit: 'ms',
      },
      {
        what: 'resident memory of an idle worker, added',
        value: over(({ module, without }) => module.rss - without.rss),
        unit: 'MB',
        beside: { what: 'a bare fetch', value: over(({ fetch, without }) => fetch.rss - without.rss) },
      },
    ];
  },
};

/** All variants side by side, so that whatever else the machine does happens to each. */
async function measureRound(run: Run): Promise<Record<Variant, Cost>> {
  await using scope = new AsyncDisposableStack();
  run.scope.defer(() => scope.disposeAsync());
  const standIn = await startStandIn(scope);
  const measured = await Promise.all(
    Object.entries(variants).map(async ([name, env]) => {
      const worker = startChild(scope, 'workers/idle.mjs', {
        ...env,
        SUPABASE_URL: standIn.url,
        SUPABASE_SECRET_KEY: name,
        WORKER_NAME: 'idle',
      });
      await worker.hear();
      await sleep(WARM_UP_MS);
      const before = await worker.ask<{ cpuMs: number }>('cost');
      const [beatsBefore, began] = [standIn.requests(name), performance.now()];
      await sleep(MEASURED_MS);
      const after = await worker.ask<{ cpuMs: number; rss: number }>('cost');
      const seconds = (performance.now() - began) / 1000;
      const cost: Cost = {
        cpu: (after.cpuMs - before.cpuMs) / seconds,
        beats: standIn.requests(name) - beatsBefore,
        rss: after.rss / 1024 ** 2,
      };
      return [name, cost] as const;
    }),
  );
  return Object.fromEntries(measured) as Record<Variant, Cost>;
}

/** KB in a bundle. Of the core, a test holds 7. */
async function bundledSize(module: string): Promise<number> {
  const source = await readFile(new URL(`../workers-heartbeat/${module}.mjs`, import.meta.url), 'utf8');
  const { code } = transformSync(source, { minify: true, format: 'esm' });
  return gzipSync(code, { level: 9 }).length / 1024;
}
