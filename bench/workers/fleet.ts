/**
 * Many workers, each of which beats in a call of its own, at the interval that it is answered, as early as the module
 * does; spread evenly, as processes are that were started at different times. Straight to PostgreSQL: thousands of
 * them would be as much work for the Data API's stand-in as for the database.
 */
import postgres from 'postgres';
import { hearAll, introduce, Reporter } from '../parts/reporter.ts';
import { beat } from '../parts/statements.ts';

/** What a fleet is made of. */
export interface Fleet {
  /** How many, and their names' beginning. */
  workers: number;
  name: string;
  /** Seconds. */
  interval: number;
  /** Each does something else all the time, and says so as often as it may. */
  busy?: boolean;
}

/** How many beats were answered since the start. */
export type Beats = number;

const { DATABASE_URL = '', FLEETS = '[]' } = process.env;
const client = postgres(DATABASE_URL, { max: 8, connection: { role: 'service_role' } });
let beats: Beats = 0;

const fleets = (JSON.parse(FLEETS) as Fleet[]).map((fleet) => ({
  ...fleet,
  reporters: Array.from(
    { length: fleet.workers },
    (_, index) =>
      new Reporter(`${fleet.name}-${index}`, { type: `group ${index % 8}`, interval: fleet.interval }),
  ),
}));
process.once('disconnect', () => process.exit());
process.on('message', () => process.send?.(beats));
const everybody = fleets.flatMap(({ reporters }) => reporters);
await introduce(everybody, (_, body) => beat(client, body.beats));
for (const { reporters, interval, busy = false } of fleets) {
  for (const reporter of reporters)
    setTimeout(() => void report(reporter, busy), Math.random() * interval * 1000);
}
process.send?.('introduced');

async function report(reporter: Reporter, busy: boolean): Promise<void> {
  const began = performance.now();
  try {
    hearAll([reporter], await beat(client, [reporter.next(busy ? `Job ${reporter.sequence}` : undefined)]));
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  beats++;
  const { interval, activityEvery = Infinity, againMs = Infinity } = reporter;
  const usual = interval * (0.9 + Math.random() / 10);
  const after = busy ? Math.min(usual, activityEvery, againMs / 1000) : usual;
  setTimeout(() => void report(reporter, busy), Math.max(0, after * 1000 - (performance.now() - began)));
}
