import { randomUUID } from 'node:crypto';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

const start = Date.parse('2026-03-01T12:00:00Z');
const at = (seconds: number) => new Date(start + seconds * 1000);

interface Claim {
  ok: boolean;
  token?: number;
  holder?: string;
  held_until?: string;
}

/** A process of a worker that beats every 10 s, so that its own lease lasts for 50. */
class Holder extends Process {
  readonly name: string;
  constructor(name: string) {
    super(db.sql, name);
    this.name = name;
  }
  async claim(key: string, seconds: number, sql: Sql = db.sql): Promise<Claim> {
    const [row] = await sql`
      select hp_private.claim_lease(${this.name}, ${this.instance}, ${key}, ${this.sequence}, ${at(seconds)}) as claim`;
    return row!.claim as Claim;
  }
  async release(key: string, token: number): Promise<boolean> {
    const [row] = await db.sql`
      select public.hp_release_lease(${this.name}, ${this.instance}, ${key}, ${token}) as released`;
    return row!.released as boolean;
  }
}

const started = async (name: string, seconds = 0) => {
  const holder = new Holder(name);
  await holder.send({}, at(seconds));
  return holder;
};
const held = async (key: string) =>
  (await db.sql`select worker_name, token::int from hp_job_lease where key = ${key}`)[0];
const tick = (seconds: number) => db.sql`select hp_private.tick(${at(seconds)})`;

describe('a claim', () => {
  it('is granted to one, refused to another with the name of who holds it, and granted again after a release', async () => {
    const [one, two] = [await started('one'), await started('two')];
    const first = await one.claim('page', 1);
    expect(first).toEqual({ ok: true, token: expect.any(Number) });
    expect(await two.claim('page', 2)).toEqual({
      ok: false,
      holder: 'one',
      held_until: expect.stringContaining('12:00:50'),
    });
    expect(await one.release('page', first.token!)).toBe(true);
    expect(await held('page')).toBeUndefined();
    const second = await two.claim('page', 3);
    expect(second.token).toBeGreaterThan(first.token!);
    expect(await one.release('page', first.token!)).toBe(false);
    expect(await held('page')).toEqual({ worker_name: 'two', token: second.token });
  });

  it('of what its own process holds gives a new token, and the old one releases nothing', async () => {
    const process = await started('again');
    const first = await process.claim('mine', 1);
    const second = await process.claim('mine', 2);
    expect(second.token).toBeGreaterThan(first.token!);
    expect(await process.release('mine', first.token!)).toBe(false);
    expect(await held('mine')).toMatchObject({ token: second.token });
  });

  it('is refused to a process that was never heard, has fallen silent or has said goodbye', async () => {
    expect(await new Holder('nobody').claim('x', 0)).toEqual({ ok: false, holder: null });
    const process = await started('heard-once');
    expect(await process.claim('x', 50)).toEqual({ ok: false, holder: null });
    await process.send({ status: 'stopped' }, at(51));
    expect(await process.claim('x', 52)).toEqual({ ok: false, holder: null });
    // Nor does a row that no process holds vouch for one.
    await db.as('service_role', {}, (sql) =>
      sql`insert into public.hp_worker_status (worker_name, status) values ('plain', 'active')`.catch(
        () => {},
      ),
    );
    expect(await new Holder('plain').claim('x', 0)).toEqual({ ok: false, holder: null });
  });

  it('by many at once is granted to one', async () => {
    const rivals = await Promise.all(Array.from({ length: 8 }, (_, n) => started(`rival-${n}`)));
    for (let round = 0; round < 10; round++) {
      const claims = await Promise.all(rivals.map((rival) => rival.claim('prize', 1)));
      const won = claims.flatMap(({ ok }, n) => (ok ? [n] : []));
      expect(won).toHaveLength(1);
      await rivals[won[0]!]!.release('prize', claims[won[0]!]!.token!);
    }
  });

  it('names the key that it refuses', async () => {
    for (const key of ['', 'k'.repeat(256)]) {
      await expect(
        db.sql`select public.hp_claim_lease('one', ${randomUUID()}, ${key})`,
      ).rejects.toMatchObject({
        code: 'PT400',
        message: `key is ${key.length} characters long; it must be 1 to 255`,
      });
    }
  });
});

describe('a lease', () => {
  it('lasts for as long as its holder is vouched for, and no longer', async () => {
    const [holder, other] = [await started('beating'), await started('waiting')];
    await holder.claim('long', 1);
    await holder.send({}, at(40));
    await other.send({}, at(40));
    expect(await other.claim('long', 89)).toMatchObject({ ok: false, holder: 'beating' });
    expect(await other.claim('long', 90)).toMatchObject({ ok: false, holder: null }); // its own is over as well
    await other.send({}, at(89));
    expect(await other.claim('long', 90)).toMatchObject({ ok: true });
  });

  it('of a process that was superseded lasts for as long as that one beats', async () => {
    const old = await started('twice');
    const claim = await old.claim('shared', 1);
    const young = await started('twice', 2);
    await young.send({}, at(3)); // takes the row
    expect(await young.claim('shared', 40)).toMatchObject({ ok: false, holder: 'twice' });
    await old.send({ leases: [claim.token] }, at(45));
    await young.send({}, at(45));
    expect(await young.claim('shared', 90)).toMatchObject({ ok: false });
    await old.send({ status: 'stopped' }, at(91));
    expect(await held('shared')).toBeUndefined();
  });

  it.each(['stopped', 'crashed'])('is released by the last words %s at once', async (status) => {
    const holder = await started(`ending-${status}`);
    await holder.claim(`end-${status}`, 1);
    await holder.send({ status }, at(2));
    expect(await held(`end-${status}`)).toBeUndefined();
  });

  it('is released by the tick when its holder is found dead', async () => {
    const holder = await started('dying', 100);
    await holder.claim('left', 101);
    for (let seconds = 100; seconds <= 150; seconds += 5) {
      await tick(seconds);
      expect(Boolean(await held('left')), `at ${seconds} s`).toBe(seconds < 150);
    }
  });

  it('outlasts a stop by hand for as long as the process may live', async () => {
    const holder = await started('by-hand', 200);
    await holder.claim('held', 201);
    await db.sql`select public.hp_stop_worker('by-hand')`;
    const other = await started('eager', 210);
    expect(await other.claim('held', 249)).toMatchObject({ ok: false, holder: 'by-hand' });
    expect(await other.claim('held', 250)).toMatchObject({ ok: true });
  });

  it('does not move while a beat of its holder is on its way into the row', async () => {
    const [holder, other] = [await started('racing', 300), await started('grabbing', 340)];
    await holder.claim('race', 301);
    let beaten = Promise.resolve();
    let commit = () => {};
    await new Promise<void>((applied) => {
      beaten = db.sql.begin(async (sql) => {
        await sql`select hp_private.heartbeat(${sql.json([holder.next()] as never)}, ${at(349)})`;
        applied();
        await new Promise<void>((done) => (commit = done));
      }) as Promise<void>;
    });
    const claim = other.claim('race', 351);
    await until(async () => {
      const [row] = await db.sql`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return row!.n > 0;
    });
    await tick(351); // passes by: who is being beaten is not dead
    expect(await held('race')).toMatchObject({ worker_name: 'racing' });
    commit();
    await beaten;
    expect(await claim).toMatchObject({ ok: false, holder: 'racing' });
  });
});

describe('what the tick takes for dead, all at once,', () => {
  it('is what a claim takes for dead, one by one', async () => {
    // Every kind of holder: of the row or not, of either kind, in each status, ended, unknown, without a lease of its own.
    await db.sql.begin(async (sql) => {
      await sql`
        insert into hp_worker_status
          (worker_name, instance_id, status, kind, last_heartbeat, lease_expires_at, status_since, heartbeat_interval_s)
        select 'kind-' || row_number() over (), gen_random_uuid(), s, k, ${at(0)}, l, c, 10
        from unnest(array['idle', 'stopped', 'crashed', 'processing']) s, unnest(array['resident', 'scheduled']) k,
          unnest(array[${at(50)}, ${at(900)}, null]::timestamptz[]) l, unnest(array[${at(-1)}, ${at(1)}]::timestamptz[]) c`;
      await sql`
        insert into hp_worker_instance (instance_id, worker_name, epoch, status, last_heartbeat, lease_expires_at, registered_at, ended_at)
        select gen_random_uuid(), w.worker_name, 1e9 + row_number() over (), 'idle', ${at(20)}, l, ${at(0)}, e
        from hp_worker_status w, unnest(array[${at(40)}, ${at(300)}, null]::timestamptz[]) l,
          unnest(array[${at(30)}, null]::timestamptz[]) e
        where w.worker_name like 'kind-%'`;
      await sql`
        insert into hp_job_lease (key, worker_name, instance_id, token, sequence, claimed_at)
        select 'kind-' || row_number() over (), h.worker_name, h.instance_id, row_number() over (), 1, ${at(0)}
        from (
          select worker_name, instance_id from hp_worker_status
          union all select worker_name, instance_id from hp_worker_instance
          union all select worker_name, gen_random_uuid() from hp_worker_status
        ) h where h.worker_name like 'kind-%'`;
      for (const seconds of [0, 49, 50, 69, 70, 299, 300, 899]) {
        const [count] = await sql`
          select count(*)::int as leases, count(d.key)::int as dead,
            count(*) filter (where (d.key is null) = (
              coalesce(hp_private.instance_lease(l.worker_name, l.instance_id), '-infinity') <= ${at(seconds)}))::int as wrong
          from hp_job_lease l left join hp_private.dead_leases(${at(seconds)}) d
            on d.key = l.key and d.worker_name = l.worker_name and d.instance_id = l.instance_id and d.token = l.token`;
        expect(count, `at ${seconds} s`).toMatchObject({ wrong: 0 });
        expect(count!.leases).toBeGreaterThan(count!.dead as number);
        expect(count!.dead).toBeGreaterThan(100);
      }
      await sql`delete from hp_job_lease where key like 'kind-%'`;
      await sql`delete from hp_worker_status where worker_name like 'kind-%'`;
    });
  });
});

describe('beats that carry leases', () => {
  it('are told how long these are good for, and which are lost', async () => {
    const holder = await started('carrying', 400);
    const claim = await holder.claim('kept', 401);
    const answer = await holder.send({ leases: [claim.token, 999_999] }, at(402));
    expect(answer).toMatchObject({ ok: true, lease_ms: 50_000, leases_lost: [999_999] });
    expect(await holder.send({}, at(403))).not.toHaveProperty('lease_ms');
  });

  it('give back what the process does not know of: the answer was lost, or the release was', async () => {
    const holder = await started('forgetful', 400);
    await holder.claim('unknown', 401);
    await holder.send({ leases: [0] }, at(402)); // a claim is on its way: perhaps that one
    expect(await held('unknown')).toBeDefined();
    await holder.send({ leases: [] }, at(403));
    expect(await held('unknown')).toBeUndefined();
  });

  it('made before a claim say nothing about it, however late they come', async () => {
    const holder = await started('delayed', 400);
    const early = holder.next({ leases: [] });
    const claim = await holder.claim('younger', 401);
    await holder.deliver(early, at(440));
    expect(await held('younger')).toMatchObject({ token: claim.token });
  });

  it('are refused with more than a thousand', async () => {
    const holder = await started('greedy', 400);
    expect(await holder.send({ leases: Array(1001).fill(1) }, at(401))).toMatchObject({
      ok: false,
      error: { field: 'leases', message: 'leases holds 1001 tokens; at most 1000' },
    });
  });
});

describe('hp_release_dead_worker_leases', () => {
  it('releases what the dead hold, and nothing else, when an operator asks for it', async () => {
    const dead = await started('dead'); // in March
    await db.sql`select hp_private.claim_lease('dead', ${dead.instance}, 'stale', 1, ${at(1)})`;
    const living = new Holder('living');
    await living.send();
    await db.sql`select public.hp_claim_lease('living', ${living.instance}, 'fresh')`;
    await expect(
      db.asPerson('carol', (sql) => sql`select public.hp_release_dead_worker_leases()`),
    ).rejects.toMatchObject({ code: 'PT403' });
    await db.asPerson('bob', (sql) => sql`select public.hp_release_dead_worker_leases()`);
    expect(await held('stale')).toBeUndefined();
    expect(await held('fresh')).toBeDefined();
  });
});

it('is read by members and written by nobody', async () => {
  const holder = await started('seen');
  await holder.claim('seen', 1);
  expect(await db.asPerson('carol', (sql) => sql`select key from hp_job_lease where key = 'seen'`)).toEqual([
    { key: 'seen' },
  ]);
  const refused = { code: '42501' };
  await expect(db.as('anon', {}, (sql) => sql`select from hp_job_lease`)).rejects.toMatchObject(refused);
  await expect(db.as('service_role', {}, (sql) => sql`delete from hp_job_lease`)).rejects.toMatchObject(
    refused,
  );
  await expect(
    db.asPerson('alice', (sql) => sql`select public.hp_claim_lease('seen', ${holder.instance}, 'k')`),
  ).rejects.toMatchObject(refused);
});
