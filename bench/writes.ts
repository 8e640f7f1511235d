import type { Sql } from 'postgres';
import type { Figure, Measure } from './figure.ts';
import { createBareTable } from './parts/bare-table.ts';
import { introduce, hearAll, Reporter } from './parts/reporter.ts';
import { startBenchStack } from './parts/stack.ts';
import { beat, connect, repeat } from './parts/statements.ts';
import { median } from './parts/statistics.ts';

const CONNECTIONS = 8;
/** Each connection reports so many workers of its own, in turn. */
const WORKERS = 100;
/** Short, and turn by turn: whatever else the machine does then happens to all alike. */
const TURN_MS = 1_000;
const TURNS = 3;

/** Whether a commit waits until it is on the disk: hosted projects wait. */
const commits = ['off', 'on'] as const;

/** What the database makes of a beat, without the Data API before it, beside the least that keeps the same row. */
export const writes: Figure = {
  name: 'writes',
  about: 'beats a second in PostgreSQL, beside a bare upsert of the same columns',
  limit: ({ rounds }) => 60 + (commits.length * (rounds * TURNS + 1) * 4 * TURN_MS * 1.5) / 1000,
  async measure({ scope, rounds, signal, say }) {
    const stack = await startBenchStack(scope, { hosted: true });
    const clients = connect(scope, stack.databaseUrl, CONNECTIONS);
    const fleets = clients.map((_, which) =>
      Array.from({ length: WORKERS }, (_, one) => new Reporter(`bench-${which}-${one}`)),
    );
    await introduce(fleets.flat(), (_, { beats }) => beat(stack.sql, beats));
    const bare = await createBareTable(stack.sql);
    await stack.sql`vacuum analyze public.hp_worker_status`;

    const turns = fleets.map(() => 0);
    const kinds = {
      single: async (client: Sql, which: number) => {
        const one = [fleets[which]![turns[which]!++ % WORKERS]!];
        hearAll(one, await beat(client, [one[0]!.next()]));
      },
      batch: async (client: Sql, which: number) =>
        hearAll(
          fleets[which]!,
          await beat(
            client,
            fleets[which]!.map((one) => one.next()),
          ),
        ),
      bare: (client: Sql, which: number) =>
        bare(client, fleets[which]![turns[which]!++ % WORKERS]!.name, turns[which]!),
      nothing: (client: Sql, which: number) =>
        client.unsafe(
          'select public.bench_nothing($1::text::jsonb) as answers',
          [JSON.stringify([fleets[which]![turns[which]!++ % WORKERS]!.next()])],
          { prepare: true },
        ),
    };
    type Kind = keyof typeof kinds;
    const names = Object.keys(kinds) as Kind[];

    const measures: Measure[] = [];
    for (const commit of commits) {
      await Promise.all(clients.map((client) => client.unsafe(`set synchronous_commit = ${commit}`)));
      const rates: Record<Kind, number[]> = { single: [], batch: [], bare: [], nothing: [] };
      for (let turn = -1; turn < rounds * TURNS; turn++) {
        if (turn % TURNS === 0)
          say(`writes: synchronous_commit ${commit}, round ${turn / TURNS + 1} of ${rounds}`);
        for (const kind of names) {
          signal.throwIfAborted();
          const rate = await repeat(clients, TURN_MS, signal, kinds[kind]);
          if (turn >= 0) rates[kind].push(rate * (kind === 'batch' ? WORKERS : 1)); // the first turn warms everybody up
        }
      }
      const words = commit === 'on' ? ', commits on disk' : '';
      const rate = (kind: Kind) => median(rates[kind]);
      measures.push(
        {
          what: `beats in PostgreSQL, one a call, ${CONNECTIONS} connections${words}`,
          value: rate('single'),
          unit: '/s',
          beside: { what: 'a bare upsert of the same columns', value: rate('bare') },
          aim: { ofBeside: 0.5 },
        },
        {
          what: `an RPC that is sent the same and does nothing${words}`,
          value: rate('nothing'),
          unit: '/s',
        },
        {
          what: `beats in PostgreSQL, ${WORKERS} a call${words}`,
          value: rate('batch'),
          unit: '/s',
          beside: { what: 'one a call', value: rate('single') },
          aim: { ofBeside: 4 },
        },
      );
    }
    return measures;
  },
};
