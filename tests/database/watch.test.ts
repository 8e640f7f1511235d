import type { ReservedSql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { outage, worthRunning, type Outage, type SimulatedWorker } from '../support/outages.ts';

/** More seeds, for whoever changes a rule: OUTAGES=2000. SEED=17 plays that one alone. */
const seeds = process.env.SEED
  ? [Number(process.env.SEED)]
  : Array.from({ length: Number(process.env.OUTAGES ?? 200) }, (_, index) => index + 1);

let db: TestDatabase;
let session: ReservedSql;
beforeAll(async () => {
  db = await createDatabase();
  session = await db.sql.reserve();
  await session`set synchronous_commit = off`;
  // One tick of a simulation. A beat is what it comes to, a time and a lease; ticks that were passed over did run.
  await session.unsafe(`
    create function pg_temp.step(names text[], beats float8[], ticked timestamptz, origin timestamptz, at timestamptz)
    returns text[] language plpgsql set application_name = 'lastseen own write' as $$
    begin
      update public.hp_worker_status w set status = 'idle', last_heartbeat = origin + make_interval(secs => b.beat),
        lease_expires_at = origin + make_interval(secs => b.beat + w.lost_after_intervals * w.heartbeat_interval_s)
      from unnest(names, beats) b (name, beat) where w.worker_name = b.name;
      update hp_private.monitor set tick_at = ticked where ticked is not null;
      if (hp_private.tick(at) ->> 'silent')::integer = 0 then
        return null;
      end if;
      return (select array_agg(e.worker_name) from public.hp_worker_event e
        where e.recorded_at = now() and e.to_value = 'crashed');
    end
    $$`);
});
afterAll(async () => {
  session.release();
  await db.drop();
});

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 5) + seconds * 1000);

interface Accusation {
  worker: SimulatedWorker;
  at: number;
}

/** Plays an outage through the real functions, and tells who was marked crashed, and when. */
async function play(plan: Outage): Promise<Accusation[]> {
  const { workers, ticks, tickEvery } = plan;
  const long = at(-1e6);
  await session`truncate hp_worker_status, hp_worker_event, hp_private.mass_silence cascade`;
  await session`update hp_setting set value = ${session.json(tickEvery)} where key = 'tick_every_s'`;
  await session`
    update hp_private.monitor set tick_at = ${at(ticks[0]! - tickEvery)}, ticking_since = ${long}, watching_since = ${long},
      impaired_since = null, gap_ended_at = null, gap_s = null, pruned_at = 'infinity'`;
  await session`
    insert into hp_worker_status (worker_name, status, heartbeat_interval_s)
    select u.name, 'idle', u.interval
    from unnest(${workers.map(({ name }) => name)}::text[], ${workers.map(({ interval }) => interval)}::float8[])
      u (name, interval)`;

  const run = worthRunning(plan);
  const cursors = workers.map(() => -1);
  const accusations: Accusation[] = [];
  for (const [place, tick] of ticks.entries()) {
    if (!run[place]) continue;
    const names: string[] = [];
    const beats: number[] = [];
    workers.forEach(({ name, heard }, index) => {
      const before = cursors[index];
      while (heard[cursors[index]! + 1]! <= tick) cursors[index]! += 1;
      if (cursors[index] === before) return;
      names.push(name);
      beats.push(heard[cursors[index]!]!);
    });
    const passedOver = place > 0 && !run[place - 1] ? at(ticks[place - 1]!) : null;
    const [row] = await session`
      select pg_temp.step(${names}::text[], ${beats}::float8[], ${passedOver}, ${at(0)}, ${at(tick)}) as crashed`;
    for (const name of (row!.crashed as string[] | null) ?? []) {
      accusations.push({ worker: workers.find((worker) => worker.name === name)!, at: tick });
    }
  }
  return accusations;
}

const lease = ({ interval }: SimulatedWorker) => 5 * interval;
const lastHeard = ({ heard }: SimulatedWorker, before: number) => heard.findLast((at) => at <= before)!;

/** By when one that died must have been found. */
function bound(plan: Outage, worker: SimulatedWorker): number {
  const { from, to, tickEvery, workers } = plan;
  const ranOut = lastHeard(worker, Infinity) + lease(worker);
  // The fleet is heard again within its longest interval and a request that hung; silence counts from then.
  const heardAgain = to + Math.max(...workers.map(({ interval }) => interval)) + 10;
  const anew = heardAgain + Math.max(lease(worker), worker.interval + 10);
  const touched = ranOut >= from && lastHeard(worker, Infinity) <= heardAgain;
  return (touched ? Math.max(ranOut, anew) : ranOut) + 3.2 * tickEvery;
}

describe('an outage of ours', () => {
  it('never makes anybody crashed who lives, and hides no crash for long', async () => {
    const wrong: string[] = [];
    const missed: string[] = [];
    let found = 0;
    for (const seed of seeds) {
      const plan = outage(seed);
      const accusations = await play(plan);
      const words = (worker: SimulatedWorker) =>
        `seed ${seed}: ${plan.kind} for ${Math.round(plan.to - plan.from)} s, ${plan.workers.length} workers, ` +
        `a tick every ${plan.tickEvery} s, ${worker.name} beats every ${worker.interval} s`;
      for (const { worker, at } of accusations) {
        // Longer than three leases more nobody is held to be alive, whatever is the matter.
        const forgiven = at < lastHeard(worker, at) + 4 * lease(worker);
        if (worker.dies > at && forgiven) wrong.push(`${words(worker)}, accused at ${at}`);
      }
      for (const worker of plan.workers.filter(({ dies }) => dies < Infinity)) {
        const by = bound(plan, worker);
        if (by > plan.end) continue;
        found += 1;
        const accusation = accusations.find((one) => one.worker === worker);
        if (!accusation || accusation.at > by) {
          missed.push(`${words(worker)}, dead at ${worker.dies}, found at ${accusation?.at}, not by ${by}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(missed).toEqual([]);
    if (seeds.length > 1) expect(found).toBeGreaterThan(seeds.length / 3);
  }, 1_800_000);
});
