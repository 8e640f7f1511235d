import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sql } from 'postgres';

const here = import.meta.dirname;
const migrationsFolder = join(here, '..', 'migrations');
const seedFile = join(here, '..', 'seed.sql');

export interface MigrateOptions {
  /** @default supabase/migrations */
  migrations?: string;
  /** supabase/seed.sql too, once. @default true */
  seed?: boolean;
}

/**
 * Applies the prelude, then the missing migrations in order, each in its own transaction and recorded as the Supabase CLI
 * does; then the seed, once.
 *
 * @returns the files that it applied.
 * @throws the database's error, with the file's name and line.
 */
export async function migrate(
  sql: Sql,
  { migrations = migrationsFolder, seed = true }: MigrateOptions = {},
): Promise<string[]> {
  const session = await sql.reserve();
  try {
    // Two stacks may start on one database.
    await session`select pg_advisory_lock(hashtext('lastseen migrate'))`;
    await refuseHosted(session);
    for (const file of ['prelude.sql', 'delivery.sql']) await apply(session, join(here, file));
    await session.unsafe(historySchema);
    const done = await applied(session);
    const missing = filesIn(migrations).filter((file) => !done.has(version(file)));
    for (const file of missing) await applyMigration(session, migrations, file);
    if (seed) await applySeed(session);
    return missing;
  } finally {
    await session`select pg_advisory_unlock_all()`.catch(() => {});
    session.release();
  }
}

/**
 * The first migration whose file differs from the applied text, if any. Before the first release, fixes go into existing
 * files, and a database with the old text can't be updated.
 */
export async function changedMigration(sql: Sql, migrations = migrationsFolder): Promise<string | undefined> {
  const [found] =
    await sql`select to_regclass('supabase_migrations.schema_migrations') is not null as history`;
  if (!found?.history) return undefined;
  const done = await applied(sql);
  const isChanged = (file: string) => {
    const kept = done.get(version(file));
    return kept !== undefined && kept !== read(join(migrations, file));
  };
  return filesIn(migrations).find(isChanged);
}

function filesIn(migrations: string): string[] {
  return readdirSync(migrations)
    .filter((file) => /^\d+_.+\.sql$/.test(file))
    .sort();
}

// As in CLI 3.1.0. With `if not exists`, because @supabase/lite creates it, too.
const historySchema = `
  set client_min_messages = warning;
  create schema if not exists supabase_migrations;
  create table if not exists supabase_migrations.schema_migrations (
    version text not null primary key, statements text[], name text
  );
  create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null);
  reset client_min_messages;
`;

/** Version → text of the migrations that this stack has applied. The CLI records single statements instead. */
async function applied(sql: Sql): Promise<Map<string, string | undefined>> {
  const rows = await sql<{ version: string; statements: string[] | null }[]>`
    select version, statements from supabase_migrations.schema_migrations`;
  return new Map(
    rows.map((row) => [row.version, row.statements?.length === 1 ? row.statements[0] : undefined]),
  );
}

async function applyMigration(sql: Sql, folder: string, file: string): Promise<void> {
  const text = read(join(folder, file));
  const name = file.replace(/^\d+_/, '').replace(/\.sql$/, '');
  await transaction(sql, file, async () => {
    await sql.unsafe(text);
    await sql`
      insert into supabase_migrations.schema_migrations (version, name, statements)
      values (${version(file)}, ${name}, ${[text]})`;
  });
}

async function applySeed(sql: Sql): Promise<void> {
  const path = 'supabase/seed.sql';
  let text: string;
  try {
    text = read(seedFile);
  } catch {
    return; // a project without a seed
  }
  const hash = createHash('sha256').update(text).digest('hex');
  const [kept] = await sql`select hash from supabase_migrations.seed_files where path = ${path}`;
  if (kept?.hash === hash) return;
  await transaction(sql, path, async () => {
    await sql.unsafe(text);
    await sql`
      insert into supabase_migrations.seed_files (path, hash) values (${path}, ${hash})
      on conflict (path) do update set hash = excluded.hash`;
  });
}

async function apply(sql: Sql, path: string): Promise<void> {
  await transaction(sql, path, () => sql.unsafe(read(path)));
}

async function transaction(sql: Sql, what: string, work: () => PromiseLike<unknown>): Promise<void> {
  await sql`begin`;
  try {
    await work();
    await sql`commit`;
  } catch (error) {
    await sql`rollback`.catch(() => {});
    // eslint-disable-next-line preserve-caught-error -- its stack contains the whole file, which hides the message
    throw new Error(`${what}${lineOf(error)}: ${describe(error)}`);
  }
}

/** A Supabase project has all this already, and forbids changes in its schemas. */
async function refuseHosted(sql: Sql): Promise<void> {
  const [found] = await sql`
    select to_regclass('realtime.messages') is not null and to_regclass('realtime.messages_default') is null as hosted`;
  if (found?.hosted) {
    throw new Error(
      'This database belongs to a Supabase project, which needs no embedded stack. ' +
        'Apply the migrations with supabase db push, and connect the dashboard to the project.',
    );
  }
}

function describe(error: unknown): string {
  const { message, detail, hint, where } = error as Record<string, string | undefined>;
  return [message, detail, hint, where].filter(Boolean).join('\n  ');
}

/** The server reports the error's position in characters. */
function lineOf(error: unknown): string {
  const { position, query } = error as { position?: string; query?: string };
  return position && query ? `, line ${query.slice(0, Number(position)).split('\n').length}` : '';
}

const version = (file: string): string => file.slice(0, file.indexOf('_'));
const read = (path: string): string => readFileSync(path, 'utf8');
