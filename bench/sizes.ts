import type { Sql } from 'postgres';
import type { Figure, Measure } from './figure.ts';
import { makePast } from './parts/past.ts';
import { startBenchStack } from './parts/stack.ts';

/** What a free plan's database may hold, with everything of Supabase's own in it. */
const FREE_PLAN_MB = 500;

/**
 * How much of a past is made up: all that is kept; of the largest fleet as much as is over the limit in either kind, for all
 * of it would be 800 MB.
 */
const fleets = [
  { workers: 50, minuteHours: 48, days: 90 },
  { workers: 1_000, minuteHours: 48, days: 90 },
  { workers: 10_000, minuteHours: 12, days: 30 },
];

/** What the tables take, at three sizes of a fleet, once the history is full. */
export const sizes: Figure = {
  name: 'sizes',
  about: 'megabytes on disk at 50, 1,000 and 10,000 workers, with all the history that is kept',
  limit: () => 400,
  async measure({ scope, signal, say }) {
    const measures: Measure[] = [];
    for (const fleet of fleets) {
      signal.throwIfAborted();
      const words = `${fleet.workers.toLocaleString('en-US')} workers`;
      say(`sizes: ${words}`);
      // One at a time; and it ends with the figure, also where that is given up.
      const own = scope.use(new AsyncDisposableStack());
      const { sql } = await startBenchStack(own, { hosted: true, tickEvery: 0 });
      await makePast(sql, fleet);
      const full = await historySize(sql);
      await sql`select hp_private.sweep_history(now())`;
      const kept = await historySize(sql);
      const [status] = await sql`select pg_total_relation_size('public.hp_worker_status') / 1048576.0 as mb`;
      const [all] = await sql`select pg_database_size(current_database()) / 1048576.0 as mb`;
      const [steps] =
        await sql`select count(distinct at)::int as n from public.hp_worker_bucket where step_s = 60`;
      measures.push(
        {
          what: `history of ${words}`,
          value: kept.all,
          unit: 'MB',
          beside: {
            what: `before the limit of 150 MB, ${fleet.minuteHours} h of minutes, ${fleet.days} days`,
            value: full.all,
          },
          aim: { atMost: 150 },
        },
        {
          what: `a minute of one of ${words}`,
          value: (kept.minutes * 1048576) / (steps!.n as number) / fleet.workers,
          unit: 'bytes',
        },
        { what: `hp_worker_status of ${words}`, value: Number(status!.mb), unit: 'MB' },
        {
          what: `the whole database, ${words}`,
          value: Number(all!.mb),
          unit: 'MB',
          aim: { atMost: FREE_PLAN_MB },
        },
      );
      await own.disposeAsync();
    }
    return measures;
  },
};

async function historySize(sql: Sql): Promise<{ all: number; minutes: number }> {
  const [row] = await sql`
    select sum(pg_total_relation_size(inhrelid)) / 1048576.0 as all,
      sum(pg_total_relation_size(inhrelid)) filter (where inhrelid::regclass::text like '%bucket_60_%') / 1048576.0 as minutes
    from pg_inherits where inhparent = 'public.hp_worker_bucket'::regclass`;
  return { all: Number(row!.all), minutes: Number(row!.minutes) };
}
