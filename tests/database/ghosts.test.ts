import { afterAll, beforeAll, expect, it } from 'vitest';
import { beat, type Answer, type Beat } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { seeded, type Random } from '../support/random.ts';

/*
 * Processes that start, beat as the heartbeat module does, die and are started again, over a network that holds requests
 * back for up to a minute: many arrive when their process is dead and the next one lives. The SQL is the real one, time
 * is given. GHOST_SEEDS=20 runs more of it.
 */
const seeds = Number(process.env.GHOST_SEEDS ?? 1);
const WORKERS = 350;
const LIVES = 9;
const INTERVAL_S = 10;

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

/** One process start: one request at a time, given up after the interval, as the module has it. */
class Life {
  readonly instance: string;
  readonly startsAt: number;
  readonly diesAt: number;
  jobs = 0;
  /** The highest total that has reached the database. */
  reported = 0;
  sendsAt: number;
  #sequence = 0;
  #epoch: number | undefined;
  #waitsFor = 0;

  constructor(random: Random, startsAt: number, diesAt: number) {
    this.instance = uuid(random);
    this.startsAt = this.sendsAt = startsAt;
    this.diesAt = diesAt;
  }

  livesAt(second: number) {
    return second >= this.startsAt && second < this.diesAt;
  }

  send(name: string, second: number): Beat {
    this.jobs += 3;
    this.#waitsFor = ++this.#sequence;
    this.sendsAt = second + INTERVAL_S;
    return {
      worker_name: name,
      instance_id: this.instance,
      sequence: this.#sequence,
      status: this.#sequence === 1 ? 'starting' : 'idle',
      heartbeat_interval_s: INTERVAL_S,
      jobs_total: this.jobs,
      ...(this.#epoch !== undefined && { epoch: this.#epoch }),
    };
  }

  heard(made: Beat, answer: Answer, second: number) {
    // Nobody waits any more for the answer to a request that was given up.
    if (!this.livesAt(second) || made.sequence !== this.#waitsFor) return;
    if (!answer.current && answer.epoch !== this.#epoch) this.sendsAt = second;
    this.#epoch = answer.epoch;
  }
}

const uuid = (random: Random) => {
  const hex = Array.from({ length: 32 }, () => Math.floor(random.next() * 16).toString(16)).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
};

/** Half of the requests arrive at once, the others up to a minute later. */
const delay = (random: Random) => (random.chance(0.5) ? 0 : Math.floor(random.between(1, 61)));

/** All the lives of a worker, one after the other; the last one does not end. */
function livesOf(random: Random): Life[] {
  const lives: Life[] = [];
  let second = Math.floor(random.between(0, 10));
  for (let n = 1; n <= LIVES; n++) {
    const diesAt = n < LIVES ? second + Math.ceil(random.between(0, 30)) : Infinity;
    lives.push(new Life(random, second, diesAt));
    second = diesAt + Math.floor(random.between(0, 4));
  }
  return lives;
}

it.each(Array.from({ length: seeds }, (_, seed) => seed + 1))(
  'a dead process whose beats arrive late takes the row from no live one, in thousands of restarts (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const start = Date.parse('2026-03-01T12:00:00Z') + seed * 86_400_000;
    const workers = Array.from({ length: WORKERS }, (_, n) => ({
      name: `haunted-${seed}-${n}`,
      lives: livesOf(random),
    }));
    const owners = new Map(workers.flatMap(({ lives }) => lives.map((life) => [life.instance, life])));
    const arriving = new Map<number, { made: Beat; life: Life }[]>();
    let holders = new Map<string, string>();
    let ghosts = 0;
    const end = Math.max(...workers.map(({ lives }) => lives.at(-1)!.startsAt)) + 75;

    for (let second = 0; second <= end; second++) {
      const at = new Date(start + second * 1000);
      for (const { name, lives } of workers) {
        for (const life of lives) {
          if (!life.livesAt(second) || life.sendsAt > second) continue;
          const when = second + (second > end - 65 ? 0 : delay(random));
          arriving.set(when, [...(arriving.get(when) ?? []), { made: life.send(name, second), life }]);
        }
      }
      let requests = arriving.get(second) ?? [];
      arriving.delete(second);
      while (requests.length) {
        // A name that is twice in a call makes all of it slow.
        const names = new Set<unknown>();
        const some = requests.filter(
          ({ made }) => !names.has(made.worker_name) && names.add(made.worker_name),
        );
        requests = requests.filter((request) => !some.includes(request));
        const answers = await beat(
          db.sql,
          some.map(({ made }) => made),
          at,
        );
        for (const [index, { made, life }] of some.entries()) {
          const answer = answers[index]!;
          expect(answer.ok).toBe(true);
          if (!life.livesAt(second) && life.reported === 0) ghosts++;
          life.reported = Math.max(life.reported, made.jobs_total as number);
          life.heard(made, answer, second);
        }
      }
      if (second % 5 === 0) await db.sql`select hp_private.tick(${at})`;

      const rows = await db.sql`
        select worker_name, instance_id, lease_expires_at > ${at} as leased from hp_worker_status where instance_id is not null`;
      const now = new Map<string, string>();
      for (const { worker_name, instance_id, leased } of rows) {
        const before = owners.get(holders.get(worker_name) ?? '');
        const holder = owners.get(instance_id)!;
        // Silenced: a live process had the row, and a dead one has it.
        if (before && before !== holder && before.livesAt(second) && !holder.livesAt(second)) {
          throw new Error(`At ${second} s a ghost has ${worker_name} instead of a live process.`);
        }
        if (leased) now.set(worker_name, instance_id);
      }
      holders = now;
    }

    // The simulation is worth its time: so many first words of the dead came, and in the end every live one is seen.
    expect(ghosts).toBeGreaterThan(WORKERS / 2);
    const rows = await db.sql`
      select worker_name, instance_id, status, jobs_processed::int as jobs from hp_worker_status
      where worker_name like ${`haunted-${seed}-%`}`;
    expect(rows).toHaveLength(WORKERS);
    const found = new Map(rows.map((row) => [row.worker_name, row]));
    for (const { name, lives } of workers) {
      expect(found.get(name)).toEqual({
        worker_name: name,
        instance_id: lives.at(-1)!.instance,
        status: 'idle',
        jobs: lives.reduce((sum, life) => sum + life.reported, 0),
      });
    }
  },
  120_000,
);
