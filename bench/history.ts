import type { Figure, Measure } from './figure.ts';
import { makePast } from './parts/past.ts';
import { startBenchStack } from './parts/stack.ts';
import { median, quantile } from './parts/statistics.ts';

const WORKERS = 1_000;
const DAYS = 90;
const MINUTE_HOURS = 48;
/** Each another worker, so that what one read before helps the next as little as on a real page. */
const QUESTIONS = 40;

/** What the charts ask for, as a member does, with row level security. */
export const history: Figure = {
  name: 'history',
  about: `the queries of the charts, with ${DAYS} days of ${WORKERS.toLocaleString('en-US')} workers`,
  limit: ({ rounds }) => 180 + rounds * 20,
  async measure({ scope, rounds, signal, say }) {
    const stack = await startBenchStack(scope, { hosted: true, tickEvery: 0 });
    say(`history: ${DAYS} days of ${WORKERS.toLocaleString('en-US')} workers are made up`);
    await makePast(stack.sql, { workers: WORKERS, minuteHours: MINUTE_HOURS, days: DAYS });
    const [member] = await stack.sql`select user_id from public.hp_member limit 1`;
    const claims = JSON.stringify({ sub: member!.user_id as string, role: 'authenticated' });
    // One connection, as the Data API keeps its own: plans are made once.
    const asked = async (query: string): Promise<number> => {
      signal.throwIfAborted();
      return (await stack.sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', ${claims}, true), set_config('role', 'authenticated', true)`;
        const began = performance.now();
        await sql.unsafe(query, [], { prepare: true });
        return performance.now() - began;
      })) as number;
    };

    const questions: [string, (worker: number) => string, number?][] = [
      ['a chart of 7 days', (worker) => `select public.hp_worker_history('bench-${worker}', '7d')`, 20],
      ['a chart of an hour', (worker) => `select public.hp_worker_history('bench-${worker}', '1h')`],
      ['a chart of 24 hours', (worker) => `select public.hp_worker_history('bench-${worker}', '24h')`],
      ['a chart of 90 days', (worker) => `select public.hp_worker_history('bench-${worker}', '90d')`],
      [
        '200 spark lines',
        (worker) =>
          `select public.hp_sparks(array(select (n * 37 + ${worker}) % ${WORKERS} + 1 from generate_series(1, 200) n))`,
      ],
      ['throughput of the fleet', () => 'select public.hp_throughput()'],
    ];
    const measures: Measure[] = [];
    for (const [what, query, most] of questions) {
      const took: number[] = [];
      const floor: number[] = [];
      for (let question = -5; question < rounds * QUESTIONS; question++) {
        const worker = ((question + 5) * 61) % WORKERS || 1;
        const time = await asked(query(worker));
        const bare = await asked(`select from public.hp_worker_status where worker_name = 'bench-${worker}'`);
        if (question < 0) continue;
        took.push(time);
        floor.push(bare);
      }
      const beside = { what: 'the worker’s row by its key', value: median(floor) };
      measures.push({
        what: `${what}, p50`,
        value: median(took),
        unit: 'ms',
        beside,
        ...(most && { aim: { atMost: most } }),
      });
      measures.push({ what: `${what}, p99`, value: quantile(took, 0.99), unit: 'ms' });
    }
    return measures;
  },
};
