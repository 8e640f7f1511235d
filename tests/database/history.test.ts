import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
  await db.sql`truncate hp_worker_status, hp_worker_group cascade`;
});
afterEach(() => db.drop());

/** The first second of a day of UTC, so that minutes, hours and days begin where they seem to. */
const start = Date.UTC(2026, 9, 25);
const at = (seconds: number) => new Date(start + seconds * 1000);
const tick = async (seconds: number) => db.sql`select hp_private.tick(${at(seconds)})`;
/** The watch runs without a gap, as pg_cron has it. */
const watch = async (from: number, to: number, every = 5) => {
  for (let second = from; second <= to; second += every) await tick(second);
};

interface Step {
  up_s: number | null;
  known_s: number | null;
  jobs: number | null;
  errors: number | null;
  cpu_mean: number | null;
  cpu_max: number | null;
  memory_mean: number | null;
  memory_max: number | null;
  lag_max: number | null;
}
interface History {
  from: string;
  to: string;
  step_s: number;
  points: { at: number[] } & { [K in keyof Step]: Step[K][] };
  days: { day: string; up_s: number | null; known_s: number | null }[];
  failure: string | null;
}
const history = async (name: string, range: string, seconds: number) =>
  (await db.sql`select hp_private.worker_history(${name}, ${range}, ${at(seconds)}) as it`)[0]!.it as History;
/** A column of the steps from one second to another. */
const column = async <K extends keyof Step>(
  name: string,
  what: K,
  [from, to]: [number, number],
  range = '1h',
  now = to + 5,
) => {
  const { points } = await history(name, range, now);
  return points[what].filter((_, i) => {
    const second = points.at[i]! - start / 1000;
    return second >= from && second < to;
  });
};

describe('the roll-up', () => {
  it('counts the seconds that a worker was up from its transitions, not from how it is when looked at', async () => {
    const worker = new Process(db.sql, 'mortal', { heartbeat_interval_s: 20 });
    await watch(0, 10);
    await worker.send({}, at(10));
    await watch(15, 80);
    await worker.send({}, at(80));
    await watch(85, 140);
    await worker.send({ status: 'crashed', status_reason: 'exit code 1' }, at(140));
    await watch(145, 190);
    await new Process(db.sql, 'mortal', { heartbeat_interval_s: 20 }).send({}, at(190));
    await watch(195, 240);
    expect(await column('mortal', 'up_s', [0, 240])).toEqual([50, 60, 20, 50]);
    expect(await column('mortal', 'known_s', [0, 240])).toEqual([50, 60, 60, 60]);
  });

  it('takes a minute without a watch for a gap, and what was done in it for nobody’s', async () => {
    const worker = new Process(db.sql, 'steady', { heartbeat_interval_s: 60 });
    await watch(0, 60);
    await worker.send({ jobs_total: 0 }, at(60));
    await watch(65, 120);
    await worker.send({ jobs_total: 6 }, at(120));
    await watch(125, 150); // …and then nobody looks for five minutes
    await worker.send({ jobs_total: 66 }, at(445));
    await watch(450, 540);
    expect(await column('steady', 'known_s', [0, 540])).toEqual([
      null,
      60,
      30,
      ...Array(4).fill(null),
      35,
      60,
    ]);
    expect(await column('steady', 'up_s', [60, 180])).toEqual([60, 30]);
    const jobs = await column('steady', 'jobs', [60, 540]);
    // Five minutes' work, as it was heard of in one lump: those that were watched have their share.
    expect(jobs).toEqual([null, 13, null, null, null, null, 11, 0]);
  });
});
