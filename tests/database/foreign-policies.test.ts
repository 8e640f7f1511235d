import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createAuthorization } from '../../supabase/local/realtime/authorization.ts';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const tables = [
  'hp_worker_status',
  'hp_worker_instance',
  'hp_worker_group',
  'hp_worker_event',
  'hp_worker_command',
  'hp_worker_log',
  'hp_worker_bucket',
  'hp_job_lease',
  'hp_setting',
  'hp_member',
  'hp_embed_key',
];
const reader = `reader_${randomBytes(4).toString('hex')}`;

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql.unsafe(`create role ${reader}; grant usage on schema public to ${reader}`);
  await new Process(db.sql, 'crawl-worker').send({ logs: [[1, 0, 'info', 'a secret']] });
  await db.sql`insert into hp_worker_group (worker_type) values ('crawl')`;
  await db.asPerson('bob', (sql) => sql`select hp_request_command('crawl-worker', 'beat', 'look')`);
  await db.asPerson('alice', (sql) => sql`select hp_create_embed_key('a page')`);
  // What circulates in guides, and what a merge of two of them gives.
  for (const table of tables) {
    await db.sql.unsafe(`
      create policy "allow all" on ${table} for all using (true);
      create policy "signed in" on ${table} for all to authenticated using (true) with check (true);
      create policy "readers" on ${table} for select to ${reader} using (true);
      grant select, insert, update, delete on ${table} to anon, authenticated, ${reader}`);
  }
});
afterAll(async () => {
  await db.sql.unsafe(`drop owned by ${reader}; drop role ${reader}`);
  await db.drop();
});

describe('a foreign policy that lets everybody in', () => {
  it.each(tables)('opens %s to nobody who is no member, and changes nothing for members', async (table) => {
    const read = (sql: { unsafe: TestDatabase['sql']['unsafe'] }) => sql.unsafe(`select * from ${table}`);
    expect(await db.asPerson('mallory', read)).toHaveLength(0);
    expect(await db.as('anon', {}, read)).toHaveLength(0);
    expect(
      await db.sql.begin(async (sql) => {
        await sql.unsafe(`set local role ${reader}`);
        return read(sql);
      }),
    ).toHaveLength(0);
    const [{ n }] = (await db.sql.unsafe(`select count(*)::int as n from ${table}`)) as unknown as [
      { n: number },
    ];
    const visible = { hp_member: 1, hp_embed_key: 0 }[table] ?? n;
    expect(await db.asPerson('carol', read)).toHaveLength(visible);
    if (table === 'hp_embed_key') expect(await db.asPerson('alice', read)).toHaveLength(n);
    else if (table !== 'hp_job_lease' && table !== 'hp_worker_bucket') expect(n).toBeGreaterThan(0);
    expect(
      (await db.as('service_role', {}, (sql) => sql.unsafe(`select worker_name from hp_worker_status`)))
        .length,
    ).toBeGreaterThan(0);
  });

  it('lets a stranger write nothing, and a viewer no groups', async () => {
    const write = (who: 'mallory' | 'carol', statement: string) =>
      db
        .asPerson(who, (sql) => sql.unsafe(statement))
        .then(
          ({ count }) => count,
          (error: { code: string }) => error.code,
        );
    expect(await write('mallory', `insert into hp_worker_group (worker_type) values ('theirs')`)).toBe(
      '42501',
    );
    expect(await write('mallory', `update hp_setting set value = '1'`)).toBe(0);
    expect(await write('mallory', 'delete from hp_worker_status')).toBe(0);
    expect(await write('mallory', `update hp_member set role = 'owner'`)).toBe('42501');
    expect(await write('carol', `insert into hp_worker_group (worker_type) values ('theirs')`)).toBe('42501');
    expect(await write('carol', `update hp_worker_group set description = 'mine'`)).toBe('42501');
    expect(await write('carol', 'delete from hp_worker_group')).toBe(0);
  });

  it('is named by hp_diagnosis(), with the grants', async () => {
    const [row] = await db.as('service_role', {}, (sql) => sql`select hp_diagnosis() as facts`);
    const { table_policies: policies, objects } = row!.facts;
    for (const table of tables) {
      expect(policies).toContainEqual([`public.${table}`, 'allow all']);
      expect(objects[`public.${table}`]).toEqual(expect.arrayContaining(['anon select', `${reader} select`]));
    }
  });
});

describe('foreign policies on realtime.messages', () => {
  const authorization = () => createAuthorization(db.sql, () => {});
  const people = inject('cluster').people;
  const asked = (topic: string, role: string, person?: keyof typeof people) => ({
    topic,
    claims: { role, ...(person ? { sub: people[person].id } : {}) },
    headers: {},
  });
  const may = async (...who: Parameters<typeof asked>) =>
    `${(await authorization().mayRead(asked(...who))) ? 'r' : ''}${(await authorization().mayWrite(asked(...who))) ? 'w' : ''}`;

  beforeEach(async () => {
    await db.sql.unsafe(`
      drop policy if exists "signed in receive" on realtime.messages;
      drop policy if exists "signed in send" on realtime.messages;
      drop policy if exists "the app" on realtime.messages;
      create policy "signed in receive" on realtime.messages for select to authenticated using (true);
      create policy "signed in send" on realtime.messages for insert to authenticated with check (true);
      create policy "the app" on realtime.messages for all using (true);
      grant usage on schema realtime to ${reader}; grant select, insert on realtime.messages to ${reader}, anon`);
  });

  it.each(['hp:fleet', 'hp:worker:crawl-worker', 'hp:another'])(
    'open %s to no stranger, and nobody may send',
    async (topic) => {
      const member = topic === 'hp:another' ? '' : 'r';
      expect(await may(topic, 'authenticated', 'mallory')).toBe('');
      expect(await may(topic, 'anon')).toBe('');
      expect(await may(topic, reader)).toBe('');
      expect(await may(topic, 'authenticated', 'carol')).toBe(member);
      expect(await may(topic, 'authenticated', 'alice')).toBe(member);
    },
  );

  it('let processes receive their wake-up, and nobody send one', async () => {
    expect(await may('hp:wake-up:1', 'anon')).toBe('r');
    expect(await may('hp:wake-up:1', 'authenticated', 'mallory')).toBe('r');
  });

  it.each(['room', 'chat:hp:fleet', 'HP:fleet'])('keep working on a topic of the app, %s', async (topic) => {
    expect(await may(topic, 'authenticated', 'mallory')).toBe('rw');
    expect(await may(topic, 'anon')).toBe('rw');
    expect(await may(topic, reader)).toBe('rw');
  });
});
