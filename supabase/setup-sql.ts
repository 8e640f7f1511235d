/** `npm run setup-sql`: writes setup.sql, all migrations in one paste for the SQL editor of a Supabase project. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'migrations');

/** Where the result is kept. */
export const setupFile = join(import.meta.dirname, 'setup.sql');

const before = `-- Lastseen in one paste: for the SQL editor of a Supabase project (or psql). Safe to run again: that brings an older
-- installation up to date, and puts back grants, policies and functions that somebody changed; no row is lost.
-- Written by \`npm run setup-sql\`, never by hand. The source is supabase/migrations: the same statements, one concept a
-- file, with the comments for maintainers, which are left out here, as are those on what is in hp_private.
begin;
-- Workers beat meanwhile; rather than keep them waiting behind somebody's long query, this fails, and can be run again.
set local lock_timeout = '10s';
`;

// The SQL editor shows what the last statement gives.
const after = (grants: readonly string[]) => `
revoke all on all functions in schema hp_private from public;
${grants.join('\n')}
commit;

select 'Lastseen is set up. hp_tick() is ' || hp_private.schedule_tick() || '.' as done,
  case
    when exists (select from public.hp_member m where m.role = 'owner') then 'There is an owner: sign in to the dashboard.'
    else 'Add yourself under Authentication, Users; then run: select hp_add_member(''you@example.com'', ''owner'');'
  end as next;
`;

/** SQL without its comments. In the bodies of functions as well: a third of what is written there. */
export function withoutComments(sql: string): string {
  return sql
    .replaceAll(/('[^']*')|^[ \t]*--.*\n|[ \t]*--.*/gm, (_, text: string | undefined) => text ?? '')
    .replaceAll(/\n{3,}/g, '\n\n');
}

/**
 * SQL without what a paste in one transaction can do without: the comments on what is in hp_private, which only maintainers
 * look at, and the lists of its functions that nobody may call, for which one statement at the end does.
 */
function withoutInnerParts(sql: string): string {
  return sql
    .replaceAll(/^comment on \w+ hp_private\b\S* is '(?:[^']|'')*';\n/gm, '')
    .replaceAll(/^revoke all on function\s+(?:hp_private\.\w+,?\s+)+from public;\n/gm, '');
}

/** The text of setup.sql, as it should be. */
export function setupSql(): string {
  const files = readdirSync(folder)
    .filter((file) => /^\d+_.+\.sql$/.test(file))
    .sort();
  const texts = files.map(
    (file) =>
      `\n-- ${file}\n${withoutInnerParts(withoutComments(readFileSync(join(folder, file), 'utf8'))).trim()}\n`,
  );
  // What policies ask is for every role, and must outlive the revoke.
  const grants = texts.join('').match(/^grant execute on function hp_private\..* to public;$/gm) ?? [];
  return before + texts.join('') + after(grants);
}

if (import.meta.main) writeFileSync(setupFile, setupSql());
