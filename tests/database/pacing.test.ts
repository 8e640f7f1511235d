import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Process, type Answer } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

const start = Date.parse('2026-03-01T12:00:00Z');
const at = (seconds: number) => new Date(start + seconds * 1000);
const row = async (name: string) =>
  (await db.sql`select * from hp_worker_status where worker_name = ${name}`)[0]!;
const tick = (seconds: number) => db.sql`select hp_private.tick(${at(seconds)})`;
const stretch = async () => (await db.sql`select stretch from hp_private.monitor`)[0]!.stretch as number;
const override = (name: string, seconds: number | null) =>
  db.sql`update hp_worker_status set interval_override_s = ${seconds} where worker_name = ${name}`;

describe('the interval that a worker is answered', () => {
  it('is the one that it asked for', async () => {
    const worker = new Process(db.sql, 'modest', { heartbeat_interval_s: 10 });
    expect(await worker.send({ requested_interval_s: 45 }, at(0))).toMatchObject({ interval_s: 45 });
    expect(await worker.send({ heartbeat_interval_s: 45 }, at(10))).toMatchObject({ interval_s: 45 });
    expect(await row('modest')).toMatchObject({ requested_interval_s: 45, heartbeat_interval_s: 45 });
  });

  it('is the one that it states where it never asks, and does not creep when it follows the answers', async () => {
    await db.sql`update hp_private.monitor set stretch = 1.5, tick_at = 'infinity'`;
    const worker = new Process(db.sql, 'follower');
    let interval_s: number | undefined = 20;
    for (let n = 0; n < 4; n++)
      ({ interval_s } = await worker.send({ heartbeat_interval_s: interval_s }, at(n)));
    expect(interval_s).toBe(30);
  });

  it("is its group's, and before that the one that people set for it alone", async () => {
    await db.sql`insert into hp_worker_group (worker_type, heartbeat_interval_s) values ('crawlers', 20)`;
    const worker = new Process(db.sql, 'governed');
    const wish = { requested_interval_s: 10 };
    expect(await worker.send({ worker_type: 'crawlers', ...wish }, at(0))).toMatchObject({ interval_s: 20 });
    await override('governed', 60);
    expect(await worker.send({}, at(10))).toMatchObject({ interval_s: 60 });
    await override('governed', null);
    await db.sql`delete from hp_worker_group`;
    expect(await worker.send({}, at(20))).toMatchObject({ interval_s: 10 });
  });

  it('holds for a process that does not have the row too, and for its lease', async () => {
    await new Process(db.sql, 'shared').send({}, at(0));
    await override('shared', 60);
    const second = new Process(db.sql, 'shared');
    expect(await second.send({}, at(1))).toMatchObject({ current: false, interval_s: 60 });
    const [instance] = await db.sql`select * from hp_worker_instance where instance_id = ${second.instance}`;
    expect(instance!.lease_expires_at).toEqual(at(1 + 5 * 60));
  });

  it('is what a new process wants, not what the one before it wanted', async () => {
    await new Process(db.sql, 'renewed').send({ requested_interval_s: 60 }, at(0));
    const next = new Process(db.sql, 'renewed');
    await next.send({}, at(1));
    expect(await next.send({}, at(1.1))).toMatchObject({ current: true, interval_s: 10 });
  });

  it('is never more than an hour', async () => {
    await db.sql`update hp_private.monitor set stretch = 1000, tick_at = 'infinity'`;
    expect(await new Process(db.sql, 'rare').send({ requested_interval_s: 3000 })).toMatchObject({
      interval_s: 3600,
    });
  });
});

describe('a change of the interval', () => {
  it('to a shorter one counts from the beat that states it, so that nobody is accused who has not heard of it', async () => {
    const worker = new Process(db.sql, 'shortened', { heartbeat_interval_s: 60 });
    await worker.send({}, at(0));
    await override('shortened', 5);
    await tick(55);
    expect(await row('shortened')).toMatchObject({ heartbeat_interval_s: 60, lease_expires_at: at(300) });
    // The answer to this one is lost.
    expect(await worker.send({}, at(60))).toMatchObject({ interval_s: 5 });
    expect(await row('shortened')).toMatchObject({ heartbeat_interval_s: 60, lease_expires_at: at(360) });
    await worker.send({ heartbeat_interval_s: 5 }, at(65));
    expect(await row('shortened')).toMatchObject({ heartbeat_interval_s: 5, lease_expires_at: at(90) });
  });

  it('to a longer one counts at once', async () => {
    const worker = new Process(db.sql, 'lengthened', { heartbeat_interval_s: 5 });
    await worker.send({}, at(0));
    await override('lengthened', 60);
    await worker.send({}, at(5));
    expect(await row('lengthened')).toMatchObject({ heartbeat_interval_s: 60, lease_expires_at: at(305) });
  });
});

describe('the stretch', () => {
  const step = async (needed: number, present: number) =>
    (await db.sql`select hp_private.stretch_step(${needed}, ${present}) as step`)[0]!.step as number;

  it('is always enough, and never more than a quarter too much', async () => {
    for (let needed = 0.1; needed < 500; needed *= 1.07) {
      const found = await step(needed, 1);
      expect(found).toBeGreaterThanOrEqual(Math.max(1, needed));
      expect(found).toBeLessThanOrEqual(Math.max(1, needed * 1.25));
    }
  });

  it('does not change with every worker that comes or goes, and is gone when nothing is left of its cause', async () => {
    expect(await step(1.9, 2)).toBe(2);
    expect(await step(2, 2)).toBe(2);
    expect(await step(1.7, 2)).toBe(2); // 1.75 would do, with too little to spare
    expect(await step(1.55, 2)).toBe(1.75);
    expect(await step(2.01, 2)).toBe(2.5);
    expect(await step(0.2, 16)).toBe(1);
  });
});

describe('a fleet of 10,000 workers that ask for 30 s', () => {
  const count = 10_000;

  /** As they are when each has beaten once. */
  const declare = () =>
    db.sql.begin(async (sql) => {
      await sql`set local application_name = 'lastseen own write'`;
      await sql`
        insert into hp_worker_status (worker_name, instance_id, epoch, status)
        select 'many-' || n, md5(n::text)::uuid, n, 'idle' from generate_series(1, ${count}) n`;
    });

  /** All of the first so many beat at once, and state what they were answered before. Gives what they are answered now. */
  const beatAll = async (workers: number, sequence: number, seconds: number, stated: number) => {
    const answered = new Set<number | undefined>();
    for (let first = 1; first <= workers; first += 1000) {
      const [found] = await db.sql`
        select hp_private.heartbeat(jsonb_agg(jsonb_build_object(
          'worker_name', 'many-' || n, 'instance_id', md5(n::text)::uuid, 'sequence', ${sequence}::int, 'status', 'idle',
          'heartbeat_interval_s', ${stated}::int, 'requested_interval_s', 30)), ${at(seconds)}) as answers
        from generate_series(${first}::int, ${first + 999}::int) n`;
      for (const answer of found!.answers as Answer[]) answered.add(answer.interval_s);
    }
    expect(answered.size).toBe(1);
    return [...answered][0]!;
  };

  /** How many a page would call late, or the tick has called crashed. */
  const accused = async (seconds: number) => {
    const [found] = await db.sql`
      select count(*)::int as n from hp_worker_status
      where worker_name like 'many-%' and (status = 'crashed' or (status <> 'stopped'
        and ${at(seconds)} >= last_heartbeat + make_interval(secs => late_after_intervals * heartbeat_interval_s)))`;
    return found!.n as number;
  };
  const watch = async (from: number, to: number) => {
    for (let second = from; second < to; second += 5) await tick(second);
    expect(await accused(to)).toBe(0);
  };
  const revisions = async () =>
    (await db.sql`select last_value::int as n from hp_private.revision_seq`)[0]!.n as number;

  it('beats less than 200 times a second, returns to 30 s when most have gone, and nobody is accused on the way', async () => {
    await declare();
    await tick(0);
    expect(await beatAll(count, 1, 1, 30)).toBe(30);
    await watch(5, 30);
    const slow = await beatAll(count, 2, 30, 30);
    expect(count / (slow * 0.95)).toBeLessThanOrEqual(200);
    expect(slow).toBeLessThan(75);
    await watch(35, 30 + slow);
    expect(await beatAll(count, 3, 30 + slow, slow)).toBe(slow);

    // A few more or less are told nothing new, and cost no revision.
    const before = await revisions();
    await db.sql`update hp_worker_status set lease_expires_at = null where worker_name like 'many-99%'`;
    await watch(35 + slow, 30 + 2 * slow);
    expect(await beatAll(count, 4, 30 + 2 * slow, slow)).toBe(slow);
    expect(await revisions()).toBe(before);

    await db.sql`
      update hp_worker_status set status = 'stopped', lease_expires_at = null
      where substr(worker_name, 6)::int > 2000 and worker_name like 'many-%'`;
    await watch(35 + 2 * slow, 30 + 3 * slow);
    expect(await beatAll(2000, 5, 30 + 3 * slow, slow)).toBe(30);
    await watch(35 + 3 * slow, 60 + 3 * slow);
    await beatAll(2000, 6, 60 + 3 * slow, 30);
    await watch(65 + 3 * slow, 90 + 3 * slow);
    expect(await row('many-1')).toMatchObject({ heartbeat_interval_s: 30 });
    expect(await stretch()).toBe(1);
  });

  it('leaves to changed activity what the plain beats leave over', async () => {
    const activityEvery = async () =>
      (await db.sql`select activity_every_s as n from hp_private.monitor`)[0]!.n as number;
    await tick(0);
    expect(await activityEvery()).toBe(1);
    await declare();
    await beatAll(1000, 1, 1, 30);
    await tick(5);
    const plain = 1000 / (30 * 0.95);
    expect(plain + 1000 / (await activityEvery())).toBeCloseTo(200, 5);
  });

  it('may be allowed more beats a second, and scheduled workers between their runs are none of them', async () => {
    await declare();
    await beatAll(count, 1, 1, 30);
    await db.sql`update hp_setting set value = '1000' where key = 'beats_per_second'`;
    await tick(5);
    expect(await stretch()).toBe(1);
    await db.sql`update hp_setting set value = '100' where key = 'beats_per_second'`;
    await tick(10);
    expect(await stretch()).toBe(4);
    await db.sql`update hp_worker_status set kind = 'scheduled' where worker_name like 'many-%'`;
    await tick(15);
    expect(await stretch()).toBe(1);
  });
});
