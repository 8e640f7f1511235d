import type { Aim, Figure, Measure, Run } from './figure.ts';
import { putLoad } from './parts/load.ts';
import { introduce, Reporter } from './parts/reporter.ts';
import { startBenchStack, type BenchStack } from './parts/stack.ts';
import { median } from './parts/statistics.ts';

/** Short, and turn by turn: whatever else the machine does then happens to both alike. */
const TURN_MS = 700;
/** Turns of each in a round. */
const TURNS = 3;
/** A batch this size is what a collector sends, or a process with many workers. */
const BATCH = 100;

interface Shape {
  what: string;
  connections: number;
  /** Beats in a request. */
  size: number;
  watched?: boolean;
  aims: Aim[];
}

const shapes: Shape[] = [
  { what: 'one a request, 1 connection', connections: 1, size: 1, aims: [{ ofBeside: 0.8 }] },
  { what: 'one a request, 16 connections', connections: 16, size: 1, aims: [{ ofBeside: 0.8 }] },
  { what: 'the same, while somebody watches', connections: 16, size: 1, watched: true, aims: [] },
  { what: `${BATCH} a request, 4 connections`, connections: 4, size: BATCH, aims: [{ atLeast: 30_000 }] },
];

/** Beats a second over HTTP, beside an RPC that is sent the same and does nothing. */
export const beats: Figure = {
  name: 'beats',
  about: 'beats a second over HTTP, through the stack',
  limit: ({ rounds }) => 60 + ((rounds + 1) * shapes.length * TURNS * 3 * TURN_MS) / 1000,
  async measure(run) {
    const stack = await startBenchStack(run.scope);
    const measures: Measure[] = [];
    for (const shape of shapes) measures.push(...(await measureShape(stack, shape, run)));
    return measures;
  },
};

async function measureShape(
  stack: BenchStack,
  { what, connections, size, watched = false, aims }: Shape,
  run: Run,
): Promise<Measure[]> {
  run.say(`beats: ${what}`);
  const fleets = Array.from({ length: connections }, (_, which) =>
    Array.from({ length: size }, (_, one) => new Reporter(`bench-${which}-${one}`)),
  );
  await stack.sql`truncate public.hp_worker_status, public.hp_worker_instance, public.hp_worker_event`;
  await introduce(fleets.flat(), stack.rpc);
  await stack.sql`vacuum analyze public.hp_worker_status`;
  await stack.sql`update hp_private.monitor set viewed_until = ${watched ? 'infinity' : '-infinity'}::text::timestamptz`;

  const common = {
    connections,
    milliseconds: TURN_MS,
    signal: run.signal,
    headers: { apikey: stack.secretKey, 'content-type': 'application/json' },
    body: (which: number) => JSON.stringify({ beats: fleets[which]!.map((one) => one.next()) }),
  };
  const address = (name: string) => `${stack.url}/rest/v1/rpc/${name}`;
  const nothing = () => putLoad({ ...common, url: address('bench_nothing') });
  const heartbeat = () =>
    putLoad({
      ...common,
      url: address('hp_heartbeat'),
      heard: (which, answer) => {
        // Each answer is looked at: a beat that was refused quickly is none.
        (JSON.parse(answer) as []).forEach((one, index) => fleets[which]![index]!.heard(one));
      },
    });
  const of = { beats: [] as number[], nothing: [] as number[] };
  for (let turn = -TURNS; turn < run.rounds * TURNS; turn++) {
    run.signal.throwIfAborted();
    const [without, withBeats] = [await nothing(), await heartbeat()];
    if (turn < 0) continue; // plans, caches and compilers are warm from here on
    of.nothing.push(without * size);
    of.beats.push(withBeats * size);
  }
  const measure = {
    what: `beats, ${what}`,
    value: median(of.beats),
    unit: '/s',
    beside: { what: 'an RPC that does nothing', value: median(of.nothing) },
  };
  return aims.length === 0 ? [measure] : aims.map((aim) => ({ ...measure, aim }));
}
