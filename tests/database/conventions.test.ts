import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

/** Each query lists the offenders. */
const offenders = async (query: string) => (await db.sql.unsafe(query)).map((row) => row.what as string);

/** Ours: public objects named hp_, and all of hp_private. Partitions are as their table is. */
const tables = `
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v') and not c.relispartition and ((n.nspname = 'public' and c.relname like 'hp\\_%') or n.nspname = 'hp_private')`;
const functions = `
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where ((n.nspname = 'public' and p.proname like 'hp\\_%') or n.nspname = 'hp_private')`;

describe('the SQL rules of the house', () => {
  it('find something to hold', async () => {
    expect((await offenders(`select c.relname as what ${tables}`)).length).toBeGreaterThan(6);
    expect((await offenders(`select p.proname as what ${functions}`)).length).toBeGreaterThan(20);
  });

  it('hold row level security on every table', async () => {
    expect(
      await offenders(`select c.relname as what ${tables} and c.relkind <> 'v' and not c.relrowsecurity`),
    ).toEqual([]);
  });

  it('hold a comment on every table, view and column', async () => {
    expect(
      await offenders(`select c.relname as what ${tables} and obj_description(c.oid, 'pg_class') is null`),
    ).toEqual([]);
    expect(
      await offenders(`
        select c.relname || '.' || a.attname as what
        from (select c.oid, c.relname, c.relkind ${tables}) c join pg_attribute a on a.attrelid = c.oid
        where c.relkind <> 'v' and a.attnum > 0 and not a.attisdropped and col_description(c.oid, a.attnum) is null`),
    ).toEqual([]);
  });

  it('hold a comment, an empty search_path and no right for everybody on every function', async () => {
    expect(
      await offenders(`select p.proname as what ${functions} and obj_description(p.oid, 'pg_proc') is null`),
    ).toEqual([]);
    expect(
      await offenders(`select p.proname as what ${functions}
        and not coalesce('search_path=""' = any (p.proconfig), false)`),
    ).toEqual([]);
    expect(
      await offenders(`select p.proname as what ${functions}
        and (p.proacl is null or exists (select from aclexplode(p.proacl) a where a.grantee = 0)) order by 1`),
    ).toEqual(['is_member', 'member_role']); // of the policies that hold for every role
  });

  it('hold names given by hand for every check', async () => {
    expect(
      await offenders(`
        select con.conname as what from pg_constraint con join pg_class c on c.oid = con.conrelid
        where con.contype = 'c' and con.conrelid in (select c.oid ${tables})
          and con.conname !~ ('^' || c.relname || '_[a-z_]+_check$')`),
    ).toEqual([]);
  });

  it('hold triggers named by phase, on functions named by table and task', async () => {
    expect(
      await offenders(`
        select t.tgname as what from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where not t.tgisinternal and t.tgrelid in (select c.oid ${tables})
          and (t.tgname !~ '^_[0-9]{3}_[a-z_]+$' or p.proname !~ '^tg_[a-z_]+__[a-z_]+$')`),
    ).toEqual([]);
  });

  it('hold one permissive policy per table, role and command, none of them open to all', async () => {
    expect(
      await offenders(`
        select format('%s %s %s', tablename, roles, cmd) as what from pg_policies
        where schemaname in ('public', 'hp_private', 'realtime') and permissive = 'PERMISSIVE'
        group by tablename, roles, cmd having count(*) > 1`),
    ).toEqual([]);
    expect(
      await offenders(`select policyname as what from pg_policies where schemaname in ('public', 'hp_private')
        and (qual = 'true' or with_check = 'true')`),
    ).toEqual([]);
  });

  it('hold functions that compile no plan where they force one', async () => {
    expect(
      await offenders(`select p.proname as what ${functions}
        and exists (select from unnest(p.proconfig) c where c ~ '^(plan_cache_mode|enable_\\w+)=')
        and not 'jit=off' = any (p.proconfig)`),
    ).toEqual([]);
  });

  it('hold views that read with the rights of the reader', async () => {
    expect(
      await offenders(`select c.relname as what ${tables} and c.relkind = 'v'
        and not coalesce('security_invoker=true' = any (c.reloptions), false)`),
    ).toEqual([]);
  });

  it('hold no index on a column that a beat changes', async () => {
    // Also not in the condition of an index. A beat leaves seen_at alone; a transition may empty it.
    expect(
      await offenders(`
          select a.attname as what from pg_index i join pg_attribute a on a.attrelid = i.indrelid
          where i.indrelid = 'public.hp_worker_status'::regclass and (a.attnum = any (i.indkey) or exists (
            select from pg_depend d
            where d.objid = i.indexrelid and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))
          group by a.attname order by a.attname`),
    ).toEqual(['seen_at', 'worker_id', 'worker_name']);
  });

  it('hold no right of anon on any table, and on these functions alone', async () => {
    expect(
      await offenders(
        `select c.relname as what ${tables} and has_table_privilege('anon', c.oid, 'select, insert, update, delete')`,
      ),
    ).toEqual([]);
    expect(
      await offenders(
        `select p.proname as what ${functions} and has_function_privilege('anon', p.oid, 'execute')
          and n.nspname = 'public' order by 1`,
      ),
    ).toEqual([
      'hp_admit_sign_in',
      'hp_bar',
      'hp_claim_lease',
      'hp_heartbeat',
      'hp_public_status',
      'hp_release_lease',
    ]);
  });
});

describe('the files of supabase/migrations', () => {
  const folder = join(import.meta.dirname, '../../supabase/migrations');
  const names = readdirSync(folder).sort();
  const files = names.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll(/--.*/g, ''));

  it('are named by a possible time and a concept', () => {
    for (const name of names) {
      const [, day, time] = /^(\d{8})(\d{6})_[a-z_]+\.sql$/.exec(name) ?? [];
      const iso = `${day}T${time}`.replace(/(....)(..)(..)T(..)(..)(..)/, '$1-$2-$3T$4:$5:$6.000Z');
      // A Date rolls an impossible day over, or is invalid.
      expect([name, Number.isNaN(Date.parse(iso)) ? null : new Date(iso).toISOString()]).toEqual([name, iso]);
    }
  });

  it('use only what the same file or an earlier one makes, in the bodies of functions too', () => {
    const made = new Map<string, number>();
    files.forEach((sql, place) => {
      for (const [, name] of sql.matchAll(
        /^\s*create (?:or replace |unlogged )*(?:function|view|table|sequence|type|trigger)(?: if not exists)? ([\w.]+)/gm,
      ))
        if (!made.has(name!)) made.set(name!, place);
    });
    expect(made.size).toBeGreaterThan(150);
    const early = files.flatMap((sql, place) =>
      [...new Set(sql.match(/\b(?:hp_private|public)\.\w+/g))]
        .filter((name) => (made.get(name) ?? 0) > place)
        .map((name) => `${names[place]} uses ${name} of ${names[made.get(name)!]}`),
    );
    expect(early).toEqual([]);
  });
});
