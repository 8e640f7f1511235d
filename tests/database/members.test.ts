import { createHash } from 'node:crypto';
import type { TransactionSql } from 'postgres';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import type { PersonName } from '../support/people.ts';
import { until } from '../support/until.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createDatabase();
});
afterEach(() => db.drop());

const { people } = inject('cluster');

const call = (name: PersonName, statement: string) => db.asPerson(name, (sql) => sql.unsafe(statement));
const setRole = (name: PersonName, role: string) =>
  `select hp_set_member_role('${people[name].id}', '${role}')`;
const remove = (name: PersonName) => `select hp_remove_member('${people[name].id}')`;
const roleOf = async (name: PersonName) =>
  (await db.sql`select role from hp_member where user_id = ${people[name].id}`)[0]?.role as
    string | undefined;
const claim = async (name: PersonName) =>
  (await call(name, 'select hp_claim_invite() as role'))[0]!.role as string | null;

describe('an invite', () => {
  it('makes the one with that address a member when they come, once', async () => {
    expect(await claim('mallory')).toBeNull();
    await call('alice', "select hp_invite_member(' Mallory@Example.com ', 'operator')");
    expect(await claim('mallory')).toBe('operator');
    expect(await db.sql`select from hp_member_invite`).toHaveLength(0);
    await call('alice', remove('mallory'));
    expect(await claim('mallory')).toBeNull();
  });

  it('is nothing to somebody whose address is not confirmed', async () => {
    await call('alice', "select hp_invite_member('mallory@example.com')");
    await db.sql`update auth.users set email_confirmed_at = null where id = ${people.mallory.id}`;
    expect(await claim('mallory')).toBeNull();
    // A token may claim what it likes: the account decides.
    const forged = { sub: people.mallory.id, email: 'mallory@example.com', email_verified: true };
    const [row] = await db.as('authenticated', forged, (sql) => sql`select hp_claim_invite() as role`);
    expect(row!.role).toBeNull();
    await db.sql`update auth.users set email_confirmed_at = now() where id = ${people.mallory.id}`;
    expect(await claim('mallory')).toBe('viewer');
  });

  it('leaves those who are members what they are', async () => {
    await expect(
      call('alice', "select hp_invite_member('carol@example.com', 'owner')"),
    ).rejects.toMatchObject({
      code: 'PT409',
      message: 'carol@example.com is a member already',
    });
    expect(await claim('carol')).toBe('viewer');
  });

  it('may be changed and taken back', async () => {
    await call('alice', "select hp_invite_member('mallory@example.com', 'owner')");
    await call('alice', "select hp_invite_member('mallory@example.com', 'viewer')");
    const found = await call('alice', 'select email, role, pending from hp_members() where pending');
    expect(found).toEqual([{ email: 'mallory@example.com', role: 'viewer', pending: true }]);
    await call('alice', "select hp_withdraw_invite('mallory@example.com')");
    expect(await claim('mallory')).toBeNull();
    await expect(call('alice', "select hp_withdraw_invite('mallory@example.com')")).rejects.toMatchObject({
      code: 'PT404',
    });
  });

  it('is settled by the SQL editor as well, and does not let somebody in again who was removed', async () => {
    await call('alice', "select hp_invite_member('mallory@example.com', 'owner')");
    await db.sql`select hp_add_member('mallory@example.com', 'viewer')`;
    await call('alice', remove('mallory'));
    expect(await claim('mallory')).toBeNull();
  });

  it.each([
    ["hp_invite_member('nobody')", /email/],
    ['hp_invite_member(null)', /email/],
    [`hp_invite_member('${'a'.repeat(250)}@example.com')`, /email/],
    ["hp_invite_member('new@example.com', 'king')", /role is king/],
  ])('of %s is refused', async (bad, message) => {
    await expect(call('alice', `select ${bad}`)).rejects.toMatchObject({ code: 'PT400', message });
  });
});

describe('the members', () => {
  it('are listed with their addresses for owners alone', async () => {
    const list = await call('alice', 'select email, role, is_me from hp_members() where not pending');
    expect(list).toEqual([
      { email: 'alice@example.com', role: 'owner', is_me: true },
      { email: 'bob@example.com', role: 'operator', is_me: false },
      { email: 'carol@example.com', role: 'viewer', is_me: false },
    ]);
    for (const name of ['bob', 'carol', 'mallory'] as const)
      await expect(call(name, 'select hp_members()')).rejects.toMatchObject({ code: 'PT403' });
  });

  it('are changed by owners alone', async () => {
    for (const name of ['bob', 'carol', 'mallory'] as const) {
      for (const statement of [
        setRole(name, 'owner'),
        remove('alice'),
        "select hp_invite_member('friend@example.com', 'owner')",
        "select hp_withdraw_invite('friend@example.com')",
      ])
        await expect(call(name, statement), `${name}: ${statement}`).rejects.toMatchObject({ code: 'PT403' });
    }
    await call('alice', setRole('carol', 'operator'));
    expect(await roleOf('carol')).toBe('operator');
    await expect(call('alice', setRole('carol', 'king'))).rejects.toMatchObject({ code: 'PT400' });
    await expect(call('alice', setRole('mallory', 'viewer'))).rejects.toMatchObject({ code: 'PT404' });
    await expect(call('alice', remove('mallory'))).rejects.toMatchObject({ code: 'PT404' });
  });

  it('who are removed read nothing from then on', async () => {
    expect((await call('carol', 'select from hp_worker_status')).length).toBeGreaterThan(0);
    await call('alice', remove('carol'));
    expect(await call('carol', 'select from hp_worker_status')).toHaveLength(0);
    await expect(call('carol', 'select hp_watch()')).rejects.toMatchObject({ code: 'PT403' });
  });
});

describe('the last owner', () => {
  const last = { code: 'PT409', message: 'this is the last owner' };

  it('is neither demoted nor removed, not even by hand or with the account', async () => {
    await expect(call('alice', setRole('alice', 'viewer'))).rejects.toMatchObject(last);
    await expect(call('alice', remove('alice'))).rejects.toMatchObject(last);
    await expect(db.sql`update hp_member set role = 'viewer'`).rejects.toMatchObject(last);
    await expect(db.sql`delete from hp_member`).rejects.toMatchObject(last);
    await expect(db.sql`delete from auth.users where id = ${people.alice.id}`).rejects.toMatchObject(last);
    await expect(db.sql`select hp_add_member('alice@example.com', 'viewer')`).rejects.toMatchObject(last);
    expect(await roleOf('alice')).toBe('owner');
  });

  it('may go once there is another', async () => {
    await call('alice', setRole('bob', 'owner'));
    await call('alice', setRole('alice', 'viewer'));
    await call('bob', remove('alice'));
    expect(await roleOf('alice')).toBeUndefined();
  });

  it('keeps nobody from deleting the accounts of others, whoever deletes accounts', async () => {
    await db.sql.begin(async (sql) => {
      await sql`grant delete, select on auth.users to supabase_auth_admin`;
      await sql`grant usage on schema auth to supabase_auth_admin`;
      await sql`set local role supabase_auth_admin`;
      await sql`delete from auth.users where id = ${people.carol.id}`;
    });
    expect(await roleOf('carol')).toBeUndefined();
  });

  it.each([
    [
      'through the functions',
      (name: PersonName) => (sql: TransactionSql) => sql.unsafe(setRole(name, 'viewer')),
      'PT403',
    ],
    [
      'by hand',
      (name: PersonName) => (sql: TransactionSql) => sql`
        update hp_member set role = 'viewer' where user_id = ${people[name].id}`,
      'PT409',
    ],
  ])('is left when two owners demote each other at once, %s', async (way, demote, refusal) => {
    await call('alice', setRole('bob', 'owner'));
    const as = (name: PersonName, work: (sql: TransactionSql) => Promise<unknown>) =>
      way === 'by hand' ? db.sql.begin(work) : db.asPerson(name, work);
    const gate = Promise.withResolvers<void>();
    const acted = Promise.withResolvers<void>();
    // The first one has demoted, and not committed, while the second one tries.
    const first = as('alice', async (sql) => {
      await demote('bob')(sql);
      acted.resolve();
      await gate.promise;
    });
    await acted.promise;
    const second = as('bob', demote('alice')).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    await until(
      async () =>
        (
          await db.sql`select from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`
        ).length,
      { what: 'the second one to wait' },
    );
    gate.resolve();
    await first;
    expect(await second).toBe(refusal);
    expect(await db.sql`select from hp_member where role = 'owner'`).toHaveLength(1);
  });
});

it('goes on counting who guesses a password, whatever else is counted meanwhile', async () => {
  const place = (email: string) => createHash('sha256').update(`net\n${email}`).digest().readUInt16BE();
  const collisions = [];
  for (let n = 0; collisions.length < 2; n++)
    if (place(`${n}@example.com`) === place('carol@example.com')) collisions.push(`${n}@example.com`);
  const guess = async (email: string) =>
    (await db.as('anon', {}, (sql) => sql`select hp_admit_sign_in('net', ${email}) as wait`))[0]!
      .wait as number;
  for (let n = 0; n < 10; n++) expect(await guess('carol@example.com')).toBe(0);
  for (const email of collisions) await guess(email);
  expect(await guess('carol@example.com')).toBeGreaterThan(0);
});

it('lets a token do nothing more once its session was signed out, and one that names none until it ends', async () => {
  const [session] = await db.sql`
    insert into auth.sessions (id, user_id) values (gen_random_uuid(), ${people.bob.id}) returning id`;
  const as = (statement: string, session_id?: string) =>
    db.as('authenticated', { sub: people.bob.id, ...(session_id && { session_id }) }, (sql) =>
      sql.unsafe(statement),
    );
  const visible = async (session_id?: string) =>
    (await as('select count(*)::int as n from hp_worker_status', session_id))[0]!.n as number;
  expect(await visible(session!.id)).toBeGreaterThan(0);
  await db.sql`delete from auth.sessions where id = ${session!.id}`;
  expect(await visible(session!.id)).toBe(0);
  await expect(as('select hp_fleet()', session!.id)).rejects.toMatchObject({ code: 'PT403' });
  await expect(as('select hp_claim_invite()', session!.id)).rejects.toMatchObject({ code: 'PT401' });
  expect(await visible()).toBeGreaterThan(0);
});
