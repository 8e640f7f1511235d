import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure, Measure, Run } from './figure.ts';
import { startChild } from './parts/child.ts';
import { startBenchStack, type BenchStack } from './parts/stack.ts';
import { median } from './parts/statistics.ts';
import { openViewer } from './parts/viewer.ts';
import type { Fleet } from './workers/fleet.ts';

const WORKERS = 10_000;
/** pg_cron's period on a hosted project. */
const PERIOD_MS = 5_000;
/** One tick of so many rolls the minute up. */
const TICKS_A_MINUTE = 12;
/** At this interval 10,000 workers send 1,700 beats between two ticks. */
const INTERVAL_S = 28;

/** Milliseconds. */
interface Tick {
  took: number;
  floor: number;
  beats: number;
  digest: boolean;
  /** Whether it rolled a minute up. */
  rolled: boolean;
  /** In its messages. */
  tuples: number;
  kilobytes: number;
}

/** The server's own monitor in the large: a fleet that beats while a page is open, ticked as pg_cron does it. */
export const tick: Figure = {
  name: 'tick',
  about: 'hp_tick and the views for people with 10,000 workers, watched',
  limit: ({ rounds }) => 240 + (rounds * 1.5 * TICKS_A_MINUTE * PERIOD_MS) / 1000,
  async measure(run) {
    const stack = await startBenchStack(run.scope, { hosted: true, tickEvery: 0 });
    // The default would slow them down, and there would be fewer beats.
    await stack.sql`update public.hp_setting set value = '1000' where key = 'beats_per_second'`;
    await openViewer(run.scope, stack);
    const fleets: Fleet[] = [{ workers: WORKERS, name: 'bench', interval: INTERVAL_S }];
    const fleet = startChild(run.scope, 'workers/fleet.ts', {
      DATABASE_URL: stack.databaseUrl,
      FLEETS: JSON.stringify(fleets),
    });
    run.say(`tick: ${WORKERS.toLocaleString('en-US')} workers are introduced`);
    await fleet.hear();
    const ticks = await tickOnAndOn(stack, () => fleet.ask<number>('beats'), run);

    const rolling = ticks.filter(({ rolled }) => rolled);
    const withDigest = ticks.filter(({ digest, rolled }) => digest && !rolled);
    const without = ticks.filter(({ digest, rolled }) => !digest && !rolled);
    const over = (of: readonly Tick[], value: (tick: Tick) => number) => median(of.map(value));
    const measure = (what: string, of: readonly Tick[], atMost = 50): Measure => ({
      what: `the tick, 10,000 workers, ${Math.round(over(of, ({ beats }) => beats))} beats since the last, ${what}`,
      value: over(of, ({ took }) => took),
      unit: 'ms',
      beside: { what: 'one scan, and its messages sent bare', value: over(of, ({ floor }) => floor) },
      aim: { atMost },
    });
    return [
      measure('with its digest', withDigest, 120),
      measure('between digests', without),
      measure('with the roll-up of a minute, and its digest if one was due', rolling, 150),
      { what: 'tuples in that digest', value: over(withDigest, ({ tuples }) => tuples), unit: '' },
      { what: 'its size', value: over(withDigest, ({ kilobytes }) => kilobytes), unit: 'KB' },
      ...(await viewsForPeople(stack)),
    ];
  },
};

/** The views that people read in the SQL editor, while the fleet beats. */
async function viewsForPeople({ sql }: BenchStack): Promise<Measure[]> {
  const views = ['hp_worker_stats', 'hp_active_workers', 'hp_dead_workers', 'hp_worker_group_health'];
  const timed = async (query: string) => {
    const took: number[] = [];
    for (let turn = 0; turn < 7; turn++) {
      const began = performance.now();
      await sql.unsafe(query);
      took.push(performance.now() - began);
    }
    return median(took);
  };
  const floor = await timed('select count(*) from public.hp_worker_status where lease_expires_at <= now()');
  const measures: Measure[] = [];
  for (const view of views) {
    measures.push({
      what: `${view}, 10,000 workers`,
      // Each row is made, none is sent.
      value: await timed(`select count(row(v.*)) from public.${view} v`),
      unit: 'ms',
      beside: { what: 'one scan', value: floor },
      aim: { atMost: 100 },
    });
  }
  return measures;
}

async function tickOnAndOn(stack: BenchStack, beaten: () => Promise<number>, run: Run): Promise<Tick[]> {
  const { sql } = stack;
  const ticks: Tick[] = [];
  const count = TICKS_A_MINUTE * run.rounds;
  // The introduction is over, and out of the digests, by the first that counts.
  const warmUp = 6;
  let beats = await beaten();
  for (let number = 1 - warmUp; number <= count; number++) {
    await sleep(PERIOD_MS, undefined, { signal: run.signal });
    if (number === 1) run.say(`tick: ${(count * PERIOD_MS) / 1000} s`);
    const now = await beaten();
    const rolledTo = await minutesTo(sql);
    const [before] = await sql`select clock_timestamp() at time zone 'utc' as now`;
    const began = performance.now();
    const [row] = await sql`select public.hp_tick() as ticked`;
    const took = performance.now() - began;
    // While they are introduced, beats run the tick that nobody else does.
    if (number > 0 && !(row!.ticked as { ran: boolean }).ran)
      throw new Error('The tick did not run: somebody else ticks.');
    const sent = await sql`
      select payload, octet_length(payload::text) as bytes from realtime.messages
      where topic = 'hp:fleet' and event = 'digest' and inserted_at >= ${before!.now as Date}`;
    if (number > 0) {
      const rolled = (await minutesTo(sql)) > rolledTo;
      ticks.push({
        took,
        floor: await floorOf(
          stack,
          sent.map(({ payload }) => JSON.stringify(payload)),
          rolled,
        ),
        beats: now - beats,
        digest: sent.length > 0,
        rolled,
        tuples: sent.reduce((sum, { payload }) => sum + ((payload as { beats?: [] }).beats?.length ?? 0), 0),
        kilobytes: sent.reduce((sum, { bytes }) => sum + (bytes as number), 0) / 1024,
      });
    }
    beats = now;
  }
  return ticks;
}

async function minutesTo(sql: BenchStack['sql']): Promise<number> {
  const [row] =
    await sql`select coalesce(extract(epoch from minutes_to), 0)::float8 as at from hp_private.history`;
  return row!.at as number;
}

/**
 * No tick gets under looking at every worker once, sending what it has to say, and writing the minute that it made. Sent where
 * nobody listens, written where nobody looks.
 */
async function floorOf({ sql }: BenchStack, payloads: string[], rolled: boolean): Promise<number> {
  if (rolled)
    await sql`create table if not exists public.bench_bucket (like public.hp_worker_bucket including storage)`;
  const began = performance.now();
  await sql.begin(async (transaction) => {
    if (rolled) {
      await transaction`insert into public.bench_bucket select b.* from public.hp_worker_bucket b
        where b.step_s = 60 and b.at = (select h.minutes_to - interval '1 minute' from hp_private.history h)`;
    }
    await transaction`select count(*) from public.hp_worker_status where lease_expires_at <= now()`;
    for (const payload of payloads)
      await transaction.unsafe(`select realtime.send($1::text::jsonb, 'digest', 'bench', false)`, [payload]);
  });
  return performance.now() - began;
}
