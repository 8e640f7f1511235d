import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDataDir } from '../../supabase/local/data-dir.ts';
import { startCluster } from '../../supabase/local/postgres/cluster.ts';
import { Process } from '../support/beats.ts';
import { everythingOf, rowsOf } from '../support/catalogue.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { debianPostgres } from '../support/installed-postgres.ts';
import { supabaseCli, type SupabaseCli } from '../support/supabase-cli.ts';

const root = join(import.meta.dirname, '../..');
const prelude = readFileSync(join(root, 'supabase/local/prelude.sql'), 'utf8');
const migrations = readdirSync(join(root, 'supabase/migrations')).sort();
const typesFile = join(root, 'src/lib/server/database/database.types.ts');

let cli: SupabaseCli;
beforeAll(() => {
  cli = supabaseCli();
});
afterAll(() => cli.remove());

/** A stock PostgreSQL that has had the prelude, and nothing else of ours. */
async function stockDatabase(clusterUrl?: string): Promise<TestDatabase> {
  const db = await createDatabase({ from: 'nothing', clusterUrl });
  await db.sql.unsafe(prelude);
  return db;
}

/** What a project does in its first minutes, each step as the role that takes it. */
async function firstMinutes(db: TestDatabase): Promise<void> {
  const ada = { sub: '5f6f2c1e-0d3a-4d4e-9b6a-3f0c2a9d7e11' };
  await db.sql`insert into auth.users (id, email) values (${ada.sub}, 'ada@example.com')`;
  await db.sql`select hp_add_member('ada@example.com', 'owner')`;
  await db.as('authenticated', ada, (sql) => sql`select hp_watch()`);
  const answer = await db.as('service_role', {}, (sql) =>
    new Process(sql, 'crawl-worker').send({
      status: 'processing',
      current_status: 'Crawling',
      jobs_total: 3,
    }),
  );
  expect(answer).toMatchObject({ ok: true, current: true });
  await db.as('service_role', {}, (sql) => sql`select hp_tick()`);
  await db.as(
    'service_role',
    {},
    (sql) => sql`insert into hp_worker_status (worker_name, status) values ('by-hand', 'active')
      on conflict (worker_name) do update set status = excluded.status`,
  );
  await db.as('authenticated', ada, (sql) => sql`select hp_stop_worker('by-hand', 'no longer needed')`);

  const [row] = await db.as('authenticated', ada, (sql) => sql`select hp_fleet() as fleet`);
  expect(row!.fleet.workers).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ worker_name: 'crawl-worker', status: 'processing', jobs_processed: 3 }),
      expect.objectContaining({ worker_name: 'by-hand', status: 'stopped' }),
      expect.objectContaining({ worker_name: 'x-autopost', status: 'unknown' }),
    ]),
  );
  const heard = await db.as('authenticated', ada, async (sql) => {
    await sql`select set_config('realtime.topic', 'hp:fleet', true)`;
    return sql`select event from realtime.messages`;
  });
  expect(heard.map((message) => message.event)).toEqual(expect.arrayContaining(['transition', 'digest']));
}

/** @param clusterUrl undefined: the cluster of the run. */
function platform(clusterUrl: () => string | undefined) {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await stockDatabase(clusterUrl());
    await cli.push(db.url);
  });
  afterAll(() => db?.drop());

  it('takes every migration and the seed from supabase db push, and serves', async () => {
    const applied =
      await db.sql`select version, name from supabase_migrations.schema_migrations order by version`;
    expect(applied.map(({ version, name }) => `${version}_${name}.sql`)).toEqual(migrations);
    await firstMinutes(db);
  });

  it('has nothing to do for a second push', async () => {
    expect(await cli.push(db.url)).toMatch(/up to date/i);
  });

  it('is left as it was, rows and rules, by all of them applied a second time', async () => {
    await db.sql`update hp_setting set value = '7' where key = 'tick_every_s'`;
    const before = { rows: await rowsOf(db.sql), everything: await everythingOf(db.sql) };
    expect(before.rows).toMatch(/by-hand/);
    // The CLI remembers what it has applied; without its memory it begins at the beginning.
    await db.sql`truncate supabase_migrations.schema_migrations, supabase_migrations.seed_files`;
    expect(await cli.push(db.url)).toContain(migrations.at(-1)!.replace(/\.sql$/, ''));
    expect(await rowsOf(db.sql)).toBe(before.rows);
    expect(await everythingOf(db.sql)).toBe(before.everything);
  });

  it('is what src/lib/server/database/database.types.ts describes', async () => {
    const types = await format(await cli.types(db.url), {
      ...(await resolveConfig(typesFile)),
      parser: 'typescript',
    });
    await expect(`// Written by \`npm run types:database\`; never by hand.\n${types}`).toMatchFileSnapshot(
      typesFile,
      'npm run types:database brings it up to date',
    );
  });

  it('gives the advisors of supabase db advisors nothing to warn of', async () => {
    // INFO is let through: an index that no query has used yet, a private table that has no policy on purpose.
    const warnings = async () => (await cli.advice(db.url)).filter(({ level }) => level !== 'INFO');
    expect(await warnings()).toEqual([]);

    await db.sql`create table public.hp_forgotten (id integer)`;
    await db.sql`grant select on public.hp_forgotten to anon`;
    expect(await warnings()).toMatchObject([{ name: 'rls_disabled_in_public', level: 'ERROR' }]);
    await db.sql`drop table public.hp_forgotten`;
  });
}

describe('the PostgreSQL of the run', () => {
  platform(() => undefined);

  it('lets people run only these functions with more rights than they have', async () => {
    // The advisors of a hosted project warn of such functions (lints 0028 and 0029); those of the CLI don't know them.
    const accepted = {
      hp_admit_sign_in: 'whoever is about to sign in is counted, by hashes and in a fixed number of places',
      hp_bar: 'whoever presents an embed key, or is a member, reads the status line and nothing else',
      hp_claim_invite:
        'somebody whose confirmed address was invited becomes a member, as what the invite says; nothing else',
      hp_claim_lease: 'a worker has no right on any table; it asks for a worker token or the secret key',
      hp_cleanup_stale_workers:
        'an operator may remove workers that have ended and write nothing else; it asks for the role',
      hp_create_embed_key: 'an owner may make keys for the status line; it asks for the role',
      hp_create_worker_token: 'nobody has a right on the hashes; it asks for an owner',
      hp_forget_sign_in: 'forgets what was counted of the caller’s own account, who has signed in',
      hp_heartbeat: 'a worker has no right on any table; it asks for a worker token or the secret key',
      hp_invite_member: 'an owner invites an address; it asks for the role',
      hp_list_worker_tokens: 'shows all of a token but its hash, and who made it; it asks for an owner',
      hp_mark_seen: 'an operator marks a trouble as seen; it asks for the role and writes each try down',
      hp_members: 'an owner sees members with their addresses, which nobody may read; it asks for the role',
      hp_pause: 'an operator pauses a worker or a group; it asks for the role and writes each try down',
      hp_public_status:
        'anyone reads name, health and last seen of workers marked public, while owners show them',
      hp_release_dead_worker_leases:
        'an operator may release what dead processes hold and write nothing else; it asks for the role',
      hp_release_lease: 'a worker has no right on any table; it asks for a worker token or the secret key',
      hp_remove_member: 'an owner removes a member, never the last owner; it asks for the role',
      hp_request_command:
        'an operator asks a worker for something; it asks for the role and writes each try down',
      hp_revoke_embed_key: 'an owner may revoke keys for the status line; it asks for the role',
      hp_revoke_worker_token: 'nobody has a right on the hashes; it asks for an owner',
      hp_set_frame_ancestors: 'an owner may say who embeds the status line; it asks for the role',
      hp_set_member_role: 'an owner changes a role, never that of the last owner; it asks for the role',
      hp_set_public_page:
        'an owner may show the page and mark workers public, and write nothing else; it asks for the role',
      hp_stop_worker: 'an operator may mark a worker as stopped and write nothing else; it asks for the role',
      hp_unpause: 'an operator ends a pause; it asks for the role and writes each try down',
      hp_watch: 'a member may say that it watches and write nothing else; it asks for the membership',
      hp_watch_worker:
        'a member may say that it looks at a worker and write nothing else; it asks for the membership',
      hp_withdraw_invite: 'an owner takes an invite back; it asks for the role',
      hp_worker_commands: 'shows who asked for what, addresses to owners alone; it asks for the membership',
    };
    const db = await createDatabase();
    const found = await db.sql`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.prosecdef
        and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'))
      order by 1`;
    await db.drop();
    expect(found.map(({ name }) => name)).toEqual(Object.keys(accepted));
  });

  it('takes the migrations from somebody who is no superuser, as the owner of a hosted project is none', async () => {
    const db = await stockDatabase();
    const url = new URL(db.url);
    const database = db.sql(url.pathname.slice(1));
    url.username = `test_owner_${randomBytes(6).toString('hex')}`; // roles belong to the whole cluster
    url.password = randomBytes(12).toString('hex');
    const owner = db.sql(url.username);
    try {
      // As supabase/postgres makes the role `postgres`, and with what that may do in the platform's own schemas.
      await db.sql`create role ${owner} login nosuperuser createdb createrole replication bypassrls`;
      await db.sql.unsafe(`alter role ${url.username} password '${url.password}'`);
      await db.sql`grant anon, authenticated, service_role to ${owner}`;
      await db.sql`alter database ${database} owner to ${owner}`;
      await db.sql`grant usage on schema auth, extensions, realtime to ${owner}`;
      await db.sql`grant all on auth.users to ${owner}`;
      await db.sql`grant select, insert, update on realtime.messages to ${owner}`;
      // Hosted lets it write policies for realtime.messages, which it doesn't own.
      await db.sql`grant supabase_realtime_admin to ${owner}`;
      await cli.push(url.href);
      await firstMinutes(db);
    } finally {
      await db.sql`alter database ${database} owner to current_user`;
      await db.sql`drop owned by ${owner} cascade`;
      await db.sql`drop role ${owner}`;
      await db.drop();
    }
  });
});

const debian15 = debianPostgres(15);

// Debian 12's own. Where it isn't installed these are passed over, and a verbose report shows each of them with this name.
describe.runIf(debian15)(`Debian's PostgreSQL 15${debian15 ? '' : ', which is not installed here'}`, () => {
  let clusterUrl: string;
  let stop = async () => {};
  beforeAll(async () => {
    const dataDir = freshDataDir();
    try {
      const cluster = await startCluster({
        folder: dataDir.cluster,
        password: dataDir.keys.databasePassword,
        throwAway: dataDir.throwAway,
        programs: debian15,
      });
      clusterUrl = cluster.url;
      stop = cluster.stop;
    } finally {
      if (!clusterUrl) dataDir.close();
    }
  });
  afterAll(() => stop());

  platform(() => clusterUrl);
});
