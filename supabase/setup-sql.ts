/** `npm run setup-sql`: writes setup.sql, all migrations in one paste for the SQL editor of a Supabase project. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'migrations');

/** Where the result is kept. */
export const setupFile = join(import.meta.dirname, 'setup.sql');

const before = `-- Lastseen in one paste: for the SQL editor of a Supabase project (or psql). Safe to run again: that brings an older
-- installation up to date, and puts back grants, policies and functions that somebody changed; no row is lost.
-- Written by \`npm run setup-sql\` from supabase/migrations; never by hand.
begin;
-- Workers beat meanwhile; rather than keep them waiting behind somebody's long query, this fails, and can be run again.
set local lock_timeout = '10s';
`;

// The SQL editor shows what the last statement gives.
const after = `
commit;

select 'Lastseen is set up. hp_tick() is ' || hp_private.schedule_tick() || '.' as done,
  case
    when exists (select from public.hp_member m where m.role = 'owner') then 'There is an owner: sign in to the dashboard.'
    else 'Add yourself under Authentication, Users; then run: select hp_add_member(''you@example.com'', ''owner'');'
  end as next;
`;

/** The text of setup.sql, as it should be. */
export function setupSql(): string {
  const files = readdirSync(folder)
    .filter((file) => /^\d+_.+\.sql$/.test(file))
    .sort();
  const texts = files.map((file) => `\n-- ${file}\n${readFileSync(join(folder, file), 'utf8').trimEnd()}\n`);
  return before + texts.join('') + after;
}

if (import.meta.main) writeFileSync(setupFile, setupSql());
