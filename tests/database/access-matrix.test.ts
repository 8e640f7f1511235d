import type { TransactionSql } from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createAuthorization } from '../../supabase/local/realtime/authorization.ts';
import { Process } from '../support/beats.ts';
import { createDatabase, type ApiRole, type TestDatabase } from '../support/database.ts';
import {
  askers,
  channelPolicies,
  channels,
  functions,
  innerFunctions,
  relations,
  type Asker,
} from './access-matrix.ts';

let db: TestDatabase;
const { people } = inject('cluster');

const IDENTITY: Record<Asker, { role: ApiRole; sub?: string }> = {
  anon: { role: 'anon' },
  stranger: { role: 'authenticated', sub: people.mallory.id },
  viewer: { role: 'authenticated', sub: people.carol.id },
  operator: { role: 'authenticated', sub: people.bob.id },
  owner: { role: 'authenticated', sub: people.alice.id },
  'secret key': { role: 'service_role' },
};

beforeAll(async () => {
  db = await createDatabase();
  const { sql } = db;
  // Something in every table: what is empty can be read by anybody.
  const crawler = new Process(sql, 'crawl-worker');
  await crawler.send({ worker_type: 'crawl' });
  await sql`insert into hp_worker_group (worker_type, desired) values ('crawl', 3) on conflict do nothing`;
  await sql`insert into hp_worker_status (worker_name, status) values ('dead-worker', 'crashed')`;
  await sql`select hp_request_command('crawl-worker', 'beat', 'something in the table')`;
  await sql`select hp_watch_worker('crawl-worker')`;
  await crawler.send({ logs: [[1, 0, 'info', 'a line']] });
  await sql`select hp_create_worker_token('a label', 'crawl-%')`;
  await sql`select hp_create_embed_key('a label')`;
  await sql`insert into hp_member_invite (email) values ('invited@example.com')`;
  await sql`insert into hp_worker_bucket values (86400, date_trunc('day', now()), 0, '{60}', '{60}', '{1}', '{0}', '{1}', '{1}', '{1}', '{1}', '{1}')`;
  await sql`insert into hp_private.history_total values (0, '{1}', '{0}') on conflict do nothing`;
  await sql`insert into hp_private.history_sample values ('infinity', '{1}', '{1}', '{1}', '{1}', '{1}')`;
  await sql`select hp_claim_lease('crawl-worker', ${crawler.instance}, 'key', 1)`;
});
afterAll(() => db.drop());

/** Does as this asker, and undoes it. */
async function attempt<T>(asker: Asker, work: (sql: TransactionSql) => Promise<T>): Promise<T> {
  const { role, sub } = IDENTITY[asker];
  const undo = Symbol('undo');
  let result: T;
  try {
    await db.as(role, sub ? { sub } : {}, async (sql) => {
      result = await work(sql);
      throw undo;
    });
  } catch (error) {
    if (error !== undo) throw error;
  }
  return result!;
}

/** Rights missing; or, as no right helps either, a view that cannot be written. */
const isRefusal = (error: unknown) =>
  ['42501', 'PT401', 'PT403', '55000'].includes((error as { code: string }).code);

/** @returns what was answered; 'refused' where the rights are missing, 'failed' where they are there and it fails all the same. */
async function outcome<T>(work: Promise<T>): Promise<T | 'refused' | 'failed'> {
  try {
    return await work;
  } catch (error) {
    return isRefusal(error) ? 'refused' : 'failed';
  }
}

async function columnsFor(asker: Asker, relation: string, privilege: 'select' | 'insert' | 'update') {
  const found = await db.sql<{ name: string }[]>`
    select a.attname as name from pg_attribute a
    where a.attrelid = ${relation}::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and has_column_privilege(${IDENTITY[asker].role}, a.attrelid, a.attnum, ${privilege})
    order by a.attnum`;
  return found.map(({ name }) => `"${name}"`);
}

async function reading(asker: Asker, relation: string): Promise<string> {
  const columns = (await columnsFor(asker, relation, 'select')).join(', ');
  const rows = await outcome(attempt(asker, (sql) => sql.unsafe(`select ${columns} from ${relation}`)));
  if (rows === 'refused') return '';
  if (rows === 'failed') return '?';
  const [all] = await db.sql.unsafe(`select count(*)::int as n from ${relation}`);
  expect(all!.n, `rows in ${relation}`).toBeGreaterThan(0);
  return rows.length === 0 ? 'e' : rows.length < all!.n ? 'o' : 'r';
}

async function writing(asker: Asker, relation: string): Promise<string> {
  let may = '';
  const [row] = await db.sql.unsafe(`select to_jsonb(t) as row from ${relation} t limit 1`);
  const insert = await columnsFor(asker, relation, 'insert');
  const inserted = await outcome(
    attempt(asker, (sql) =>
      insert.length
        ? sql.unsafe(
            `insert into ${relation} (${insert}) select ${insert} from jsonb_populate_record(null::${relation}, $1)`,
            [row!.row],
          )
        : sql.unsafe(`insert into ${relation} default values`),
    ),
  );
  if (inserted !== 'refused') may += 'i';
  const [update = '"none"'] = await columnsFor(asker, relation, 'update');
  if (update !== '"none"') {
    const updated = await outcome(
      attempt(asker, (sql) => sql.unsafe(`update ${relation} set ${update} = ${update}`)),
    );
    if (updated === 'failed' || (updated !== 'refused' && updated.count > 0)) may += 'u';
  }
  const deleted = await outcome(attempt(asker, (sql) => sql.unsafe(`delete from ${relation}`)));
  if (deleted === 'failed' || (deleted !== 'refused' && deleted.count > 0)) may += 'd';
  return may;
}

describe('tables and views', () => {
  it('are all in the matrix', async () => {
    const found = await db.sql<{ name: string }[]>`
      select case n.nspname when 'public' then c.relname else n.nspname || '.' || c.relname end as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'hp_private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and not c.relispartition order by 1`;
    expect(found.map(({ name }) => name).sort()).toEqual(Object.keys(relations).sort());
  });

  it.each(askers)('are read and written by %s as written there', async (asker) => {
    const found: Record<string, string> = {};
    for (const relation of Object.keys(relations))
      found[relation] = (await reading(asker, relation)) + (await writing(asker, relation)) || '-';
    const written = Object.entries(relations).map(([name, line]) => [name, line[askers.indexOf(asker)]]);
    expect(found).toEqual(Object.fromEntries(written));
  });
});

describe('functions', () => {
  const all = (schema: string) => db.sql<{ name: string; secret: boolean; people: boolean; anon: boolean }[]>`
    select replace(p.oid::regprocedure::text, 'hp_private.', '') as name,
      has_function_privilege('anon', p.oid, 'execute') as anon,
      has_function_privilege('authenticated', p.oid, 'execute') as people,
      has_function_privilege('service_role', p.oid, 'execute') as secret
    from pg_proc p where p.pronamespace = ${schema}::regnamespace order by 1`;

  it('are all in the matrix', async () => {
    expect((await all('public')).map(({ name }) => name).sort()).toEqual(Object.keys(functions).sort());
  });

  it.each(askers)('let %s through as written there', async (asker) => {
    const found: Record<string, string> = {};
    for (const [name, [statement]] of Object.entries(functions)) {
      const result = await outcome(
        attempt(asker, async (sql) => {
          await sql.unsafe(`select ${statement}`);
          // Who must be counted is refused by an answer: an error would undo the count.
          const [answer] = await sql`select current_setting('response.status', true) as status`;
          return ['401', '403'].includes(answer!.status as string) ? 'refused' : 'answered';
        }),
      );
      found[name] = result === 'refused' ? '-' : '+';
    }
    const written = Object.entries(functions).map(([name, line]) => [name, line[1 + askers.indexOf(asker)]]);
    expect(found).toEqual(Object.fromEntries(written));
  });

  it('that are inner ones are run by nobody else than is written there', async () => {
    const found = (await all('hp_private'))
      .filter(({ anon, people, secret }) => anon || people || secret)
      .map(({ name, anon, people, secret }) => [
        name,
        [anon && 'anon', people && 'signed in', secret && 'secret key'].filter(Boolean).join(', '),
      ]);
    expect(Object.fromEntries(found)).toEqual(innerFunctions);
  });
});

describe('channels', () => {
  it('and the policies that open them are all in the matrix', async () => {
    const policies = await db.sql<{ name: string }[]>`
      select policyname as name from pg_policies where schemaname = 'realtime' order by 1`;
    expect(policies.map(({ name }) => name)).toEqual(Object.keys(channelPolicies).sort());
    const topics = await db.sql<{ topic: string }[]>`
      select distinct m[1] as topic from pg_proc p, regexp_matches(p.prosrc, '''(hp:[^'']*)''', 'g') m
      where p.pronamespace in ('public'::regnamespace, 'hp_private'::regnamespace)`;
    expect(topics.length).toBeGreaterThan(0);
    for (const { topic } of topics) expect(Object.keys(channels)).toContain(topic);
  });

  it.each(askers)('are heard and spoken on by %s as written there', async (asker) => {
    const { role, sub } = IDENTITY[asker];
    const authorization = createAuthorization(db.sql, () => {});
    const found: Record<string, string> = {};
    for (const topic of Object.keys(channels)) {
      const who = { topic, claims: { role, sub }, headers: {} };
      const listens = await authorization.mayRead(who);
      const speaks = await authorization.mayWrite(who);
      found[topic] = `${listens ? 'l' : ''}${speaks ? 's' : ''}` || '-';
    }
    const written = Object.entries(channels).map(([name, line]) => [name, line[askers.indexOf(asker)]]);
    expect(found).toEqual(Object.fromEntries(written));
  });
});
