import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

const start = Date.now() - 3_600_000;
const at = (seconds: number) => new Date(start + seconds * 1000);
const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;
const tick = async (seconds: number) =>
  (await db.sql`select hp_private.tick(${at(seconds)}) as done`)[0]!.done;
/** The watch runs without a gap. */
const watch = async (from: number, to: number) => {
  for (let second = from; second <= to; second += 5) await tick(second);
};

describe('the tick', () => {
  it('marks a silent worker crashed, stamped with the deadline and not with when it looked', async () => {
    await tick(0);
    await new Process(db.sql, 'silent').send(
      { status: 'processing', current_status: 'deep in it', current_job_id: 'j1' },
      at(3),
    );
    await watch(5, 50);
    expect((await row('silent')).status).toBe('processing');
    await watch(55, 60);
    expect(await row('silent')).toMatchObject({
      status: 'crashed',
      status_reason: 'no heartbeat for 50 seconds',
      status_since: at(53),
      lease_expires_at: null,
      current_status: null,
      current_job_id: null,
    });
    const [event] =
      await db.sql`select * from hp_worker_event where worker_name = 'silent' and to_value = 'crashed'`;
    expect(event).toMatchObject({
      at: at(53),
      details: { current_job_id: 'j1', current_status: 'deep in it' },
    });
  });

  it('takes the worker back when it is heard again', async () => {
    const worker = new Process(db.sql, 'returns');
    await tick(0);
    await worker.send({}, at(1));
    await watch(5, 60);
    await worker.send({}, at(61));
    expect(await row('returns')).toMatchObject({ status: 'idle', status_reason: null });
  });

  it('accuses nobody for its own outage: silence counts from when it watches again', async () => {
    await tick(0);
    await new Process(db.sql, 'innocent').send({}, at(1));
    await tick(300); // nobody looked for five minutes
    expect((await row('innocent')).status).toBe('idle');
    await watch(305, 345);
    expect((await row('innocent')).status).toBe('idle');
    await watch(350, 355);
    expect((await row('innocent')).status).toBe('crashed');
  });

  it('that comes late forgives those to whom that was long, and nobody else', async () => {
    await watch(0, 20);
    await new Process(db.sql, 'quick', { heartbeat_interval_s: 2 }).send({}, at(20));
    await new Process(db.sql, 'slow', { heartbeat_interval_s: 7 }).send({}, at(1));
    await tick(36); // after 16 s: more than the whole lease of one, less than half of that of the other
    expect((await row('quick')).status).toBe('idle');
    expect((await row('slow')).status).toBe('crashed');
    await watch(41, 46);
    expect(await row('quick')).toMatchObject({ status: 'crashed', status_since: at(46) });
  });

  it('passes over a locked worker in all that it does', async () => {
    await new Process(db.sql, 'twin').send();
    await db.sql`update hp_worker_status set name_conflict_since = now() where worker_name = 'twin'`;
    await db.sql.begin(async (sql) => {
      await sql`select from hp_worker_status where worker_name = 'twin' for no key update`;
      await db.sql.begin(async (ticking) => {
        await ticking`set local lock_timeout = '1s'`;
        await ticking`select public.hp_tick()`;
      });
    });
    expect((await row('twin')).name_conflict_since).not.toBeNull();
    await db.sql`select public.hp_tick()`;
    expect((await row('twin')).name_conflict_since).toBeNull();
  });

  it('leaves alone who was declared, who said goodbye, and who is being beaten at this moment', async () => {
    await tick(0);
    const gone = new Process(db.sql, 'gone');
    await gone.send({}, at(1));
    await gone.send({ status: 'stopped' }, at(2));
    const beaten = new Process(db.sql, 'beaten');
    await beaten.send({}, at(2));
    await watch(5, 50);
    await db.sql.begin(async (sql) => {
      await sql`select from hp_worker_status where worker_name = 'beaten' for no key update`;
      await watch(55, 60);
    });
    expect((await row('gone')).status).toBe('stopped');
    expect((await row('beaten')).status).toBe('idle');
    expect((await row('crawl-worker')).status).toBe('unknown');
  });

  it('runs one at a time, and says so', async () => {
    await db.sql.begin(async (sql) => {
      await sql`select hp_private.tick(${at(0)})`;
      expect(await tick(1)).toEqual({ ran: false });
    });
    expect(await tick(2)).toMatchObject({ ran: true });
  });

  it('is run by the beats themselves where nobody schedules it', async () => {
    await db.sql`update hp_private.pulse set tick_at = now() - interval '1 minute'`;
    await new Process(db.sql, 'lonely').send();
    const [pulse] =
      await db.sql`select now() - tick_at < interval '5 seconds' as fresh from hp_private.pulse`;
    expect(pulse!.fresh).toBe(true);
  });

  it('removes events and ended instances that have been kept long enough, and no others', async () => {
    await new Process(db.sql, 'pruned').send();
    await new Process(db.sql, 'pruned').send();
    await db.sql`update hp_worker_event set recorded_at = now() - interval '91 days' where type = 'status'`;
    await db.sql`update hp_worker_instance set last_heartbeat = now() - interval '8 days'`;
    await db.sql`select public.hp_tick()`;
    expect(await db.sql`select from hp_worker_event`).toHaveLength(2); // it did so less than an hour ago
    await db.sql`update hp_private.pulse set pruned_at = now() - interval '61 minutes'`;
    await db.sql`select public.hp_tick()`;
    const left = await db.sql`select type from hp_worker_event`;
    expect(left.map((e) => e.type)).toEqual(['instance']);
    expect(await db.sql`select from hp_worker_instance`).toHaveLength(1);
  });
});
