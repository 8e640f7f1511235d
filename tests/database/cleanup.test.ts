import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMessage, fromSnapshot } from '../../src/lib/rules/fleet-state.ts';
import { readMessage, readSnapshot } from '../../src/lib/rules/message.ts';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
  await db.sql`truncate hp_worker_status cascade`;
});
afterEach(() => db.drop());

/** Workers that ended so many minutes ago; expected or not. */
async function ended(name: string, status: 'stopped' | 'crashed', minutes: number, expected = false) {
  const worker = new Process(db.sql, name);
  await worker.send({ expected });
  await worker.send({ status });
  await db.sql`
    update hp_worker_status set status_since = now() - make_interval(mins => ${minutes}) where worker_name = ${name}`;
}
const names = async () =>
  (await db.sql`select worker_name from hp_worker_status order by 1`).map((row) => row.worker_name as string);
const cleanUp = async (olderThan?: string) =>
  (
    await (olderThan
      ? db.sql`select hp_cleanup_stale_workers(${olderThan}::interval) as done`
      : db.sql`select hp_cleanup_stale_workers() as done`)
  )[0]!.done;

describe('hp_cleanup_stale_workers', () => {
  it('removes who ended an hour ago and is not expected, and nobody else', async () => {
    await ended('old-stopped', 'stopped', 61);
    await ended('old-crashed', 'crashed', 61);
    await ended('fresh', 'stopped', 59);
    await ended('expected', 'crashed', 600, true);
    await new Process(db.sql, 'alive', { expected: false }).send();
    await ended('between-runs', 'stopped', 600);
    await db.sql`update hp_worker_status set kind = 'scheduled', next_run_at = now() + interval '1 hour'
      where worker_name = 'between-runs'`;
    expect(await cleanUp()).toEqual({ removed: 2, names: ['old-crashed', 'old-stopped'] });
    expect(await names()).toEqual(['alive', 'between-runs', 'expected', 'fresh']);
    expect(await cleanUp()).toEqual({ removed: 0, names: [] });
    expect(await cleanUp('0')).toEqual({ removed: 1, names: ['fresh'] });
  });

  it('keeps the history of who it removes', async () => {
    await ended('gone', 'crashed', 61);
    await cleanUp();
    const events =
      await db.sql`select to_value from hp_worker_event where worker_name = 'gone' and type = 'status'`;
    expect(events.map((event) => event.to_value)).toContain('crashed');
  });

  it('passes over a worker that is being beaten at this moment', async () => {
    await ended('returning', 'crashed', 61);
    await db.sql.begin(async (sql) => {
      await sql`select from hp_worker_status where worker_name = 'returning' for no key update`;
      expect(await cleanUp()).toEqual({ removed: 0, names: [] });
    });
  });

  it('is for operators and owners, and names what is wrong', async () => {
    await ended('gone', 'stopped', 61);
    for (const person of ['carol', 'mallory'] as const) {
      await expect(
        db.asPerson(person, (sql) => sql`select hp_cleanup_stale_workers()`),
      ).rejects.toMatchObject({ code: 'PT403' });
    }
    await expect(cleanUp('-1 minute')).rejects.toMatchObject({ code: 'PT400', message: /older_than/ });
    await expect(db.as('anon', {}, (sql) => sql`select hp_cleanup_stale_workers()`)).rejects.toMatchObject({
      code: '42501',
    });
    const [row] = await db.asPerson('bob', (sql) => sql`select hp_cleanup_stale_workers() as done`);
    expect(row!.done.names).toEqual(['gone']);
  });

  it('is done by the tick after a day, or whenever the setting says, or never', async () => {
    await ended('yesterday', 'stopped', 25 * 60);
    await ended('today', 'stopped', 23 * 60);
    const tick = async () => {
      await db.sql`update hp_private.monitor set pruned_at = null`;
      await db.sql`select hp_tick()`;
    };
    await db.sql`update hp_setting set value = '0' where key = 'cleanup_after_s'`;
    await tick();
    expect(await names()).toEqual(['today', 'yesterday']);
    await db.sql`update hp_setting set value = '86400' where key = 'cleanup_after_s'`;
    await tick();
    expect(await names()).toEqual(['today']);
  });

  it('is learned by an open page at once, which converges with a single new snapshot', async () => {
    await db.sql`select hp_watch()`;
    await ended('gone', 'stopped', 61);
    await new Process(db.sql, 'stays').send();
    const snapshot = async () => {
      const [row] = await db.asPerson('carol', (sql) => sql`select hp_fleet() as fleet`);
      return readSnapshot(row!.fleet);
    };
    const received = async () =>
      (await db.sql`delete from realtime.messages returning payload, inserted_at`).map((row) =>
        readMessage(row.payload),
      );
    let state = fromSnapshot(await snapshot());
    await received();

    await cleanUp();
    let snapshots = 0;
    for (let round = 0; round < 4; round++) {
      for (const message of await received()) {
        const applied = applyMessage(state, message);
        state = applied.state;
        if (!applied.lost) continue;
        snapshots += 1;
        state = fromSnapshot(await snapshot(), state);
      }
      await db.sql`update hp_private.monitor set digest_at = now() - interval '20 seconds'`;
      await db.sql`select hp_tick()`;
    }
    expect([...state.workers.values()].map(({ name }) => name)).toEqual(['stays']);
    expect(snapshots).toBe(1);
  });
});
