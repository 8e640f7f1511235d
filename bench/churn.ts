import type { Sql } from 'postgres';
import type { Figure, Measure, Run } from './figure.ts';
import { hearAll, introduce, Reporter } from './parts/reporter.ts';
import { startBenchStack, type BenchStack } from './parts/stack.ts';
import { beat, connect } from './parts/statements.ts';

const WORKERS = 10_000;
const CONNECTIONS = 4;
const BATCH = 100;
/** A million with the five rounds that the command takes by itself. */
const BEATS_A_ROUND = 200_000;

/** What a million beats leave behind in the table, and in its indexes. */
export const churn: Figure = {
  name: 'churn',
  about: 'HOT updates and the size of the table over a million beats to 10,000 workers',
  limit: ({ rounds }) => 120 + rounds * 60,
  async measure(run) {
    const { scope, rounds, say } = run;
    // With the defaults of autovacuum, and the tick that beats run where nobody else does.
    const stack = await startBenchStack(scope, { hosted: true });
    const { sql } = stack;
    const reporters = Array.from({ length: WORKERS }, (_, index) => new Reporter(`bench-${index}`));
    await introduce(reporters, (_, { beats }) => beat(sql, beats));
    const clients = connect(scope, stack.databaseUrl, CONNECTIONS);
    await report(clients, reporters, WORKERS, run); // one full round
    await sql`vacuum full public.hp_worker_status`;
    const packed = await size(sql);
    const before = await updates(stack, clients);

    const beats = rounds * BEATS_A_ROUND;
    say(`churn: ${beats.toLocaleString('en-US')} beats to ${WORKERS.toLocaleString('en-US')} workers`);
    const began = performance.now();
    await report(clients, reporters, beats, run);
    say(`churn: ${Math.round(beats / ((performance.now() - began) / 1000))} beats a second`);
    const after = await updates(stack, clients);
    const measures: Measure[] = [
      {
        what: `HOT updates of ${(after.all - before.all).toLocaleString('en-US')}`,
        value: (100 * (after.hot - before.hot)) / (after.all - before.all),
        unit: '%',
        aim: { atLeast: 99.9 },
      },
      {
        what: `table and indexes after ${beats.toLocaleString('en-US')} beats`,
        value: (await size(sql)) / 1024 ** 2,
        unit: 'MB',
        beside: { what: 'after one round and VACUUM FULL', value: packed / 1024 ** 2 },
        aim: { atMost: (1.5 * packed) / 1024 ** 2 },
      },
    ];
    return measures;
  },
};

/** Each connection has workers of its own, and reports them in turn, a hundred a call. */
async function report(
  clients: readonly Sql[],
  reporters: readonly Reporter[],
  beats: number,
  { signal }: Run,
): Promise<void> {
  const share = reporters.length / clients.length;
  await Promise.all(
    clients.map(async (client, which) => {
      for (let done = 0; done < beats / clients.length; done += BATCH) {
        signal.throwIfAborted();
        const first = which * share + (done % share);
        const some = reporters.slice(first, first + BATCH);
        hearAll(
          some,
          await beat(
            client,
            some.map((one) => one.next()),
          ),
        );
      }
    }),
  );
}

async function size(sql: Sql): Promise<number> {
  const [row] = await sql`select pg_total_relation_size('public.hp_worker_status')::float as bytes`;
  return row!.bytes as number;
}

/** As PostgreSQL counts them, once each connection has told what it did. */
async function updates({ sql }: BenchStack, clients: readonly Sql[]): Promise<{ all: number; hot: number }> {
  for (const client of [sql, ...clients]) await client`select pg_stat_force_next_flush()`;
  const [row] = await sql`
    select n_tup_upd::float as all, n_tup_hot_upd::float as hot from pg_stat_user_tables
    where relid = 'public.hp_worker_status'::regclass`;
  return row as unknown as { all: number; hot: number };
}
