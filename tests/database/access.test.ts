import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await new Process(db.sql, 'crawl-worker').send();
  await db.sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 3)`;
});
afterAll(() => db.drop());

const tables = [
  'hp_worker_status',
  'hp_worker_group',
  'hp_worker_instance',
  'hp_worker_event',
  'hp_setting',
  'hp_member',
];
const refused = { code: '42501' };

describe('somebody without a session', () => {
  it.each(tables)('may not read %s', async (table) => {
    await expect(db.as('anon', {}, (sql) => sql`select from ${sql(table)}`)).rejects.toMatchObject(refused);
  });
  it.each([
    'hp_tick()',
    'hp_fleet()',
    'hp_watch()',
    "hp_stop_worker('crawl-worker')",
    'hp_release_dead_worker_leases()',
  ])('may not call %s', async (call) => {
    await expect(db.as('anon', {}, (sql) => sql.unsafe(`select ${call}`))).rejects.toMatchObject(refused);
  });
});

describe('somebody with the publishable key alone', () => {
  it.each([
    "hp_heartbeat('[]')",
    "hp_claim_lease('crawl-worker', gen_random_uuid(), 'page:1')",
    "hp_release_lease('crawl-worker', gen_random_uuid(), 'page:1', 1)",
  ])('is asked for a worker token by %s', async (call) => {
    const [row] = await db.as('anon', {}, (sql) =>
      sql.unsafe(`select ${call} as answer,
      current_setting('response.status') as status`),
    );
    expect(row).toMatchObject({ status: '401', answer: { code: 'PT401', message: /no worker token/ } });
  });
});

describe('a stranger who merely signed up', () => {
  it.each(tables)('finds nothing in %s', async (table) => {
    const found = await db.asPerson('mallory', (sql) => sql`select from ${sql(table)}`);
    expect(found).toHaveLength(0);
  });
  it('is told that they are no member, instead of being shown an empty fleet', async () => {
    for (const call of ['hp_fleet()', 'hp_watch()']) {
      await expect(db.asPerson('mallory', (sql) => sql.unsafe(`select ${call}`))).rejects.toMatchObject({
        code: 'PT403',
        message: /not a member/,
      });
    }
  });
});

describe('a viewer', () => {
  it('reads workers, groups, instances, events and settings, and of the members only themselves', async () => {
    for (const table of tables) {
      const rows = await db.asPerson('carol', (sql) => sql`select * from ${sql(table)}`);
      expect(rows.length, table).toBeGreaterThan(0);
    }
    expect(await db.asPerson('carol', (sql) => sql`select * from hp_member`)).toHaveLength(1);
  });
  it('gets the fleet with its header, and may say that they watch', async () => {
    const [row] = await db.asPerson('carol', (sql) => sql`select hp_fleet() as fleet`);
    expect(row!.fleet.header).toMatchObject({ workers: 5, generation: expect.any(String) });
    expect(row!.fleet.workers.map((w: { worker_name: string }) => w.worker_name)).toContain('crawl-worker');
    const [watch] = await db.asPerson('carol', (sql) => sql`select hp_watch() as watch`);
    expect(Date.parse(watch!.watch.viewed_until) - Date.parse(watch!.watch.now)).toBe(150_000);
  });
  it.each([
    "update hp_worker_status set description = 'mine'",
    'delete from hp_worker_status',
    "insert into hp_worker_group (worker_type) values ('forged')",
    "insert into hp_worker_status (worker_name) values ('forged')",
    "insert into hp_worker_event (at, type) values (now(), 'monitor')",
    "update hp_setting set value = '1'",
    "update hp_member set role = 'owner'",
    "select hp_heartbeat('[]')",
    'select hp_tick()',
    "select hp_add_member('carol@example.com', 'owner')",
    'select hp_private.tick(now())',
    "select hp_private.setting('tick_every_s')",
  ])('may not: %s', async (statement) => {
    await expect(db.asPerson('carol', (sql) => sql.unsafe(statement))).rejects.toMatchObject(refused);
  });
});

describe('the secret key', () => {
  it('reads the fleet, and may say that it watches', async () => {
    const [row] = await db.as(
      'service_role',
      {},
      (sql) => sql`select hp_fleet() as fleet, hp_watch() as watch`,
    );
    expect(row!.fleet.workers).toHaveLength(5);
    expect(row!.watch).toHaveProperty('viewed_until');
  });

  it('may beat and tick, but make no owner and write no history', async () => {
    const as = (statement: string) => db.as('service_role', {}, (sql) => sql.unsafe(statement));
    await expect(as('select hp_tick()')).resolves.toBeDefined();
    await expect(as("select hp_add_member('mallory@example.com', 'owner')")).rejects.toMatchObject(refused);
    await expect(as('delete from hp_worker_event')).rejects.toMatchObject(refused);
    await expect(as('update hp_private.monitor set tick_at = now()')).rejects.toMatchObject(refused);
  });
});

describe('hp_add_member', () => {
  it('changes a role, and names what is wrong', async () => {
    await db.sql`select hp_add_member('Carol@Example.com', 'operator')`;
    const [role] = await db.asPerson('carol', (sql) => sql`select role from hp_member`);
    expect(role!.role).toBe('operator');
    await expect(db.sql`select hp_add_member('carol@example.com', 'king')`).rejects.toMatchObject({
      code: 'PT400',
    });
    await expect(db.sql`select hp_add_member('ghost@example.com')`).rejects.toMatchObject({
      code: 'PT404',
      message: /ghost@example.com/,
    });
  });
});
