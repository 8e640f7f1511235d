import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import type { Figure, Measure, Run } from './figure.ts';
import { startChild, type Child } from './parts/child.ts';
import { openBrowser, openFleet, serveDashboard } from './parts/fleet-page.ts';
import { watchAttributes } from './parts/row-watch.ts';
import { startBenchStack } from './parts/stack.ts';
import { median } from './parts/statistics.ts';
import type { Fleet } from './workers/fleet.ts';

/** Seconds between beats, as their owners chose them. */
const INTERVALS = [1, 5, 30];
/** Beside every killed worker live so many: else the silence of most of them would be ours. */
const SURVIVORS = 2;
/** A worker has settled and the page knows it. */
const SETTLING_MS = 8_000;
const LATE_MS = 40_000;

/** Who watches: pg_cron of a hosted project, and the local stack. */
const watches = [
  { what: 'hosted pace, a tick every 5 s', hosted: true },
  { what: 'local pace, a tick every second', hosted: false },
];

interface Death {
  interval: number;
  /** Milliseconds from the signal: the row turned yellow, red; its lease ran out. */
  late?: number;
  crashed: number;
  lease: number;
}

/** From SIGKILL, which leaves no exit report, to the text on the page. */
export const detection: Figure = {
  name: 'detection',
  about: 'from SIGKILL to the changed page',
  limit: () => 180 + (6 * Math.max(...INTERVALS) * 1000 + LATE_MS) / 1000,
  async measure(run) {
    const browser = await openBrowser(run.scope);
    // Both at once: nearly all of it is waiting.
    const deaths = await Promise.all(watches.map(({ hosted }) => killAndWatch(hosted, browser, run)));
    return watches.flatMap(({ what }, which) =>
      INTERVALS.flatMap((interval): Measure[] => {
        const of = deaths[which]!.filter((death) => death.interval === interval);
        const lease = { what: 'its lease ran out', value: median(of.map((death) => death.lease)) / 1000 };
        return [
          {
            what: `SIGKILL → crashed on the page, every ${interval} s, ${what}`,
            value: median(of.map(({ crashed }) => crashed)) / 1000,
            unit: 's',
            beside: lease,
          },
          {
            what: `the same → warned of`,
            value: median(of.map(({ late = NaN }) => late)) / 1000,
            unit: 's',
          },
        ];
      }),
    );
  },
};

async function killAndWatch(hosted: boolean, browser: Browser, run: Run): Promise<Death[]> {
  const { scope, rounds, signal, say } = run;
  const stack = await startBenchStack(scope, { hosted });
  await stack.sql`delete from public.hp_worker_status`; // the declared ones, which nobody runs here
  const fleets = INTERVALS.map((interval): Fleet => ({
    workers: SURVIVORS * rounds + 2,
    name: `lives-${interval}`,
    interval,
  }));
  await startChild(scope, 'workers/fleet.ts', {
    DATABASE_URL: stack.databaseUrl,
    FLEETS: JSON.stringify(fleets),
  }).hear();
  const dashboard = await serveDashboard(scope, stack);
  const page = await openFleet(browser, dashboard, stack);

  const victims = new Map<string, { interval: number; child: Child }>();
  for (const interval of INTERVALS) {
    for (let one = 0; one < rounds; one++) {
      const name = `dies-${interval}-${one}`;
      const child = startChild(scope, 'workers/victim.ts', {
        SUPABASE_URL: stack.url,
        SUPABASE_SECRET_KEY: stack.secretKey,
        WORKER_NAME: name,
        WORKER_HEARTBEAT_INTERVAL: String(interval),
      });
      victims.set(name, { interval, child });
    }
  }
  await Promise.all([...victims.values()].map(({ child }) => child.hear()));
  // A machine that starts all of these at once blocks their event loops: that is a warning until their next beat.
  const settled = { timeout: (30 + Math.max(...INTERVALS)) * 1000 };
  for (const name of victims.keys())
    await page.locator(`[data-worker="${name}"][data-level="healthy"]`).waitFor(settled);
  await sleep(SETTLING_MS, undefined, { signal });
  const watch = await watchAttributes(page, ['data-status', 'data-level']);

  say(`detection: ${victims.size} killed, ${Math.round(6 * Math.max(...INTERVALS))} s`);
  return Promise.all(
    [...victims].map(async ([name, { interval, child }], which): Promise<Death> => {
      // At any time since their last beat, as it falls out for those that really die.
      await sleep((interval * 1000 * (which % rounds)) / rounds, undefined, { signal });
      const killed = Date.now();
      child.process.kill('SIGKILL');
      await child.exited;
      const limit = 5 * interval * 1000 + LATE_MS;
      const [row] = await stack.sql`
        select extract(epoch from lease_expires_at)::float * 1000 as lease from public.hp_worker_status where worker_name = ${name}`;
      const crashed = await watch.seen(name, 'data-status', 'crashed', limit);
      const late = await watch.seen(name, 'data-level', 'warning', 0).catch(() => undefined);
      return {
        interval,
        crashed: crashed - killed,
        late: late && late - killed,
        lease: (row!.lease as number) - killed,
      };
    }),
  );
}
