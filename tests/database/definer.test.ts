import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createDatabase } from '../support/database.ts';

it('every function that runs with its owner’s rights stands in supabase/README.md, with who may run it and why', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../../supabase/README.md'), 'utf8');
  const section = readme.split('## Functions with more rights than their caller')[1]!.split('\n## ')[0]!;
  const rows = [...section.matchAll(/^\| `(\w+)` +\| +(\S.*?) +\| +(\S.*?) +\|$/gm)];

  const db = await createDatabase();
  const found = await db.sql<{ name: string }[]>`
    select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and (n.nspname = 'hp_private' or (n.nspname = 'public' and p.proname like 'hp\\_%'))`;
  await db.drop();
  expect(rows.map(([, name]) => name).sort()).toEqual(found.map(({ name }) => name).sort());
});
