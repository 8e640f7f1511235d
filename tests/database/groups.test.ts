import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readMessage, readSnapshot } from '../../src/lib/rules/message.ts';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.sql`update hp_private.monitor set viewed_until = null`;
  await db.sql`delete from hp_worker_group`;
  await db.sql`update hp_private.message_budget set sent_at = '-infinity', filled_at = '-infinity'`;
});

const watch = () => db.sql`select public.hp_watch()`;
/** Messages sent since the last call, as the page reads them. */
const told = async () => {
  const rows = await db.sql`delete from realtime.messages returning event, payload`;
  return rows.map(({ event, payload }) => ({ event: event as string, ...readMessage(payload) }));
};
const fleet = async () => {
  const [row] = await db.asPerson('carol', (sql) => sql`select hp_fleet() as fleet`);
  return readSnapshot(row!.fleet);
};

describe('settings of a group', () => {
  it.each(['alice', 'bob'] as const)('are added, edited and removed by %s', async (person) => {
    await db.asPerson(person, async (sql) => {
      await sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 5)`;
      await sql`update hp_worker_group set minimum = 3`;
      await sql`select hp_pause(worker_type => 'crawl', until => 'infinity', reason => 'the sale')`;
    });
    const [group] = (await fleet()).groups;
    expect(group).toMatchObject({ type: 'crawl', desired: 5, minimum: 3, pausedReason: 'the sale' });
    await db.asPerson(person, (sql) => sql`delete from hp_worker_group`);
    expect((await fleet()).groups).toEqual([]);
  });

  it.each([
    ['carol', 'a viewer, who only looks'],
    ['mallory', 'a stranger'],
  ] as const)('are out of reach for %s, %s', async (person, _) => {
    await db.sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 5)`;
    const add = db.asPerson(person, (sql) => sql`insert into hp_worker_group (worker_type) values ('mine')`);
    await expect(add).rejects.toMatchObject({ code: '42501' });
    await db.asPerson(person, (sql) => sql`update hp_worker_group set desired = 0`);
    await db.asPerson(person, (sql) => sql`delete from hp_worker_group`);
    expect((await fleet()).groups).toMatchObject([{ desired: 5 }]);
  });

  it('take an upsert with the secret key, but no revision of a client', async () => {
    const upsert = () =>
      db.as(
        'service_role',
        {},
        (sql) => sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 2)
          on conflict (worker_type) do update set worker_type = excluded.worker_type, desired = excluded.desired`,
      );
    await upsert();
    const { revision } = (await fleet()).groups[0]!;
    await upsert();
    expect((await fleet()).groups[0]!.revision, 'nothing changed').toBe(revision);
    const forge = db.as('service_role', {}, (sql) => sql`update hp_worker_group set revision = 0`);
    await expect(forge).rejects.toMatchObject({ code: '42501' });
  });

  it.each([
    ['desired', { desired: -1 }],
    ['minimum', { desired: 2, minimum: 3 }],
    ['heartbeat_interval_s', { heartbeat_interval_s: 0.5 }],
    ['heartbeat_interval_s', { heartbeat_interval_s: 'NaN' }],
    ['job_url_template', { job_url_template: 'javascript:alert({job_id})' }],
    ['job_url_template', { job_url_template: 'https://jobs.example.com/\n{job_id}' }],
    ['worker_type', { worker_type: '' }],
  ])('are refused by the name of %s where they make no sense: %o', async (column, settings) => {
    const insert = db.sql`insert into hp_worker_group ${db.sql({ worker_type: 'crawl', ...settings })}`;
    await expect(insert).rejects.toMatchObject({ constraint_name: `hp_worker_group_${column}_check` });
  });

  it('stand in the header, whose revision is the highest of workers and groups', async () => {
    await new Process(db.sql, 'crawl-1').send({ worker_type: 'crawl' });
    const before = (await fleet()).header;
    await db.sql`insert into hp_worker_group (worker_type) values ('crawl'), ('post')`;
    await db.sql`update hp_private.monitor set stretch = 1.5`;
    await db.sql`update hp_setting set value = '60' where key = 'tick_every_s'`;
    const { header, groups } = await fleet();
    expect(header).toMatchObject({ groups: 2, stretch: 1.5, tickEverySeconds: 60 });
    expect(header.revision).toBeGreaterThan(before.revision);
    expect(header.revision).toBe(Math.max(...groups.map(({ revision }) => revision)));
    await db.sql`update hp_setting set value = '"often"' where key = 'tick_every_s'`;
    expect((await fleet()).header.tickEverySeconds).toBe(5);
    await db.sql`update hp_setting set value = '5' where key = 'tick_every_s'`;
    await db.sql`update hp_private.monitor set stretch = 1`;
  });
});

describe('an edit of a group', () => {
  it('is told at once to open pages, in one message however many it edits', async () => {
    await watch();
    await told();
    await db.sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 5), ('post', 1)`;
    expect(await told()).toMatchObject([
      { event: 'transition', header: null, groups: [{ type: 'crawl', desired: 5 }, { type: 'post' }] },
    ]);
    await db.sql`update hp_worker_group set desired = 4 where worker_type = 'crawl'`;
    expect(await told()).toMatchObject([{ groups: [{ type: 'crawl', desired: 4 }] }]);
    await db.sql`delete from hp_worker_group where worker_type = 'crawl'`;
    expect(await told()).toMatchObject([{ groups: [{ type: 'crawl', gone: true }] }]);
    await db.sql`update hp_worker_group set desired = 4 where worker_type = 'nobody'`;
    expect(await told()).toEqual([]);
  });

  it('is told to nobody while nobody watches', async () => {
    await told();
    await db.sql`insert into hp_worker_group (worker_type) values ('crawl')`;
    expect(await told()).toEqual([]);
  });

  it('comes with the digest where the store of messages is used up, and is not repeated for ever', async () => {
    await watch();
    await db.sql`update hp_setting set value = '0' where key = 'transition_store'`;
    await told();
    await db.sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 5)`;
    expect(await told()).toEqual([]);
    await db.sql`update hp_setting set value = '20' where key = 'transition_store'`;
    await db.sql`select hp_private.send_digest('digest', now() - interval '10 seconds', now())`;
    expect(await told()).toMatchObject([{ header: { groups: 1 }, groups: [{ type: 'crawl', desired: 5 }] }]);
    await db.sql`select hp_private.send_digest('digest', now() + interval '1 second', now())`;
    expect(await told()).toMatchObject([{ header: { groups: 1 }, groups: [] }]);
  });
});
