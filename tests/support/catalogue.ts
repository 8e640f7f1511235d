import type { Sql } from 'postgres';
import { withoutComments } from '../../supabase/setup-sql.ts';

/** Every row of every table of ours, and where the sequences are, as one text. */
export async function rowsOf(sql: Sql): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and ((n.nspname = 'public' and c.relname like 'hp\_%') or n.nspname = 'hp_private')
    order by 1`;
  const lines = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${name} t order by 1`);
      return rows.map(({ row }) => `${name} ${row}`);
    }),
  );
  const sequences = await sql<{ line: string }[]>`
    select format('%s.%s %s', schemaname, sequencename, last_value) as line from pg_sequences
    where schemaname in ('public', 'hp_private') order by 1`;
  return [...lines.flat(), ...sequences.map(({ line }) => line)].join('\n');
}

/**
 * What the migrations declare, rights and comments included, as one text. Without the comments in the bodies of functions and
 * those on what is in hp_private, for setup.sql has neither.
 */
export async function everythingOf(sql: Sql): Promise<string> {
  const found = await sql<{ line: string }[]>`
    with schema as (select oid from pg_namespace where nspname in ('public', 'hp_private')),
    relation as (select c.* from pg_class c where c.relnamespace in (select oid from schema))
    select concat_ws(' ', 'function', p.oid::regprocedure, pg_get_functiondef(p.oid),
      case p.pronamespace when 'public'::regnamespace then obj_description(p.oid, 'pg_proc') end,
      (select array_agg(a::text order by a::text) from unnest(p.proacl) a)) as line
    from pg_proc p where p.pronamespace in (select oid from schema)
    union all
    select concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relrowsecurity, c.reloptions,
      case c.relnamespace when 'public'::regnamespace then obj_description(c.oid, 'pg_class') end,
      (select array_agg(a::text order by a::text) from unnest(c.relacl) a))
    from relation c
    union all
    select concat_ws(' ', 'column', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      pg_get_expr(d.adbin, d.adrelid), case r.relnamespace when 'public'::regnamespace then col_description(a.attrelid, a.attnum) end,
      (select array_agg(x::text order by x::text) from unnest(a.attacl) x))
    from relation r join pg_attribute a on a.attrelid = r.oid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0
    union all
    select concat_ws(' ', 'constraint', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid))
    from pg_constraint o where o.connamespace in (select oid from schema)
    union all
    select concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid)) from pg_trigger t
    where t.tgrelid in (select oid from relation) and not t.tgisinternal
    union all
    select concat_ws(' ', 'policy', schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check)
    from pg_policies
    order by 1`;
  return found.map(({ line }) => (line.startsWith('function ') ? withoutComments(line) : line)).join('\n');
}
