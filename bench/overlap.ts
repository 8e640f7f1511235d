import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from 'postgres';
import type { Figure, Run } from './figure.ts';
import { hearAll, introduce, Reporter } from './parts/reporter.ts';
import { startBenchStack, type BenchStack } from './parts/stack.ts';
import { beat, connect, repeat } from './parts/statements.ts';

const WORKERS = 400;
const CONNECTIONS = 8;
const BATCH = 100;
/** Of measured time for each round: a minute with the five that the command takes by itself. */
const ROUND_MS = 12_000;
/** The tick every so often, so that it meets as many batches as it can. */
const TICK_EVERY_MS = 100;
/** In turn a tenth of the workers rests for longer than its lease, so that the tick has somebody to mark and a beat somebody to revive. */
const REST_MS = 9_000;

/** Whoever writes several workers locks them in the order of their names; beside it, writes that do not. */
export const overlap: Figure = {
  name: 'overlap',
  about: 'deadlocks between overlapping batches of beats and the tick',
  limit: ({ rounds }) => 90 + (rounds * ROUND_MS * 3) / 1000,
  async measure(run) {
    const { scope, rounds, say } = run;
    const stack = await startBenchStack(scope, { hosted: true, tickEvery: 0 });
    const { sql } = stack;
    const reporters = Array.from(
      { length: WORKERS },
      (_, index) => new Reporter(`bench-${String(index).padStart(3, '0')}`, { interval: 1 }),
    );
    // The requested intervals, without the stretch of a fleet of this size.
    await sql`update public.hp_setting set value = '1000000' where key = 'beats_per_second'`;
    await sql`update public.hp_setting set value = ${TICK_EVERY_MS / 1000}::text::jsonb where key = 'tick_every_s'`;
    await introduce(reporters, (_, { beats }) => beat(sql, beats));
    await sql`
      update hp_private.monitor set viewed_until = 'infinity', tick_at = now(),
        ticking_since = now() - interval '1 day', watching_since = now() - interval '1 day'`;
    await sql`create table public.bench_unsorted as select worker_name, 0 as beats from public.hp_worker_status`;
    await sql`alter table public.bench_unsorted add primary key (worker_name)`;
    await sql`grant select, insert, update on public.bench_unsorted to service_role`;
    const clients = connect(scope, stack.databaseUrl, CONNECTIONS);

    const minutes = (rounds * ROUND_MS) / 60_000;
    const ours = { deadlocks: 0, beats: 0, crashed: 0, errors: 0 };
    const unsorted = { deadlocks: 0, beats: 0 };
    for (let round = 1; round <= rounds; round++) {
      say(`overlap: round ${round} of ${rounds}`);
      ours.deadlocks += await deadlocksDuring(stack, () => beatAndTick(stack, clients, reporters, ours, run));
      unsorted.deadlocks += await deadlocksDuring(stack, () =>
        writeUnsorted(clients, reporters, unsorted, run),
      );
    }
    if (ours.crashed === 0) throw new Error('The tick found nobody: nothing was proved about it.');
    say(
      `overlap: ${ours.beats} beats, ${ours.crashed} found silent; ${unsorted.beats} rows beside, in a third of the time`,
    );
    return [
      {
        what: `deadlocks in ${(minutes * 60).toFixed()} s of overlapping batches beside the tick`,
        value: ours.deadlocks,
        unit: '',
        beside: { what: 'batches in no order, in a third of that', value: unsorted.deadlocks },
        aim: { atMost: 0 },
      },
      { what: 'requests that failed meanwhile', value: ours.errors, unit: '', aim: { atMost: 0 } },
    ];
  },
};

/** Every connection reports any of the workers, in any order. One worker is reported by several at once, as after a lost answer. */
async function beatAndTick(
  { sql }: BenchStack,
  clients: readonly Sql[],
  reporters: readonly Reporter[],
  counts: { beats: number; crashed: number; errors: number },
  { signal }: Run,
): Promise<void> {
  const over = new AbortController();
  const awake = () => {
    const turn = Math.floor(performance.now() / REST_MS) % 10;
    return reporters.filter((_, index) => index % 10 !== turn);
  };
  const ticking = (async () => {
    while (!over.signal.aborted) {
      const [row] = await sql`select public.hp_tick() as ticked`;
      counts.crashed += (row!.ticked as { silent?: number }).silent ?? 0;
      await sleep(TICK_EVERY_MS);
    }
  })().catch((error: unknown) => fail(error, counts));
  await repeat(clients, ROUND_MS, signal, async (client) => {
    const some = shuffled(awake()).slice(0, BATCH);
    // By the time it is answered a later beat of the same worker may have been: its own answer is of no use then.
    const answers = await beat(
      client,
      some.map((one) => one.next()),
    ).catch((error: unknown) => fail(error, counts));
    if (!answers) return;
    counts.beats += some.length;
    hearAll(some, answers);
  });
  over.abort();
  await ticking;
}

/** The peer: the same batches, to a bare table, by statements that lock rows as they come. */
async function writeUnsorted(
  clients: readonly Sql[],
  reporters: readonly Reporter[],
  counts: { beats: number },
  { signal }: Run,
): Promise<void> {
  await repeat(clients, ROUND_MS / 3, signal, async (client) => {
    const names = shuffled(reporters)
      .slice(0, BATCH)
      .map(({ name }) => name);
    const values = names.map((_, index) => `($${index + 1})`).join(', ');
    await client
      .unsafe(
        `insert into public.bench_unsorted as b (worker_name) values ${values}
         on conflict (worker_name) do update set beats = b.beats + 1`,
        names,
        { prepare: true },
      )
      .catch((error: { code?: string }) => {
        if (error.code !== '40P01') throw error; // deadlock_detected
      });
    counts.beats += names.length;
  });
}

/** As PostgreSQL counts them in this database. */
async function deadlocksDuring({ sql }: BenchStack, work: () => Promise<void>): Promise<number> {
  const count = async () => {
    await sleep(1_500); // connections tell with a second's delay
    const [row] =
      await sql`select deadlocks::int as count from pg_stat_database where datname = current_database()`;
    return row!.count as number;
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

function fail(error: unknown, counts: { errors: number }): undefined {
  counts.errors++;
  console.error(error);
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  for (let last = left.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [left[last], left[other]] = [left[other]!, left[last]!];
  }
  return left;
}
