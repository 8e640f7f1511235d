import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setupFile, setupSql, withoutComments } from '../../supabase/setup-sql.ts';
import { everythingOf, rowsOf } from '../support/catalogue.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const prelude = readFileSync(join(import.meta.dirname, '../../supabase/local/prelude.sql'), 'utf8');
const setup = readFileSync(setupFile, 'utf8');

describe('supabase/setup.sql', () => {
  it('is made of the migrations as they are', () => {
    expect(setup === setupSql(), 'npm run setup-sql brings it up to date').toBe(true);
  });

  it('is short enough for the SQL editor', () => {
    expect(setup.length).toBeLessThan(900_000); // which takes a megabyte
  });

  it('leaves out the comments of the migrations, and nothing that looks like one', () => {
    expect(
      withoutComments("-- why\nselect 1; -- one\nselect '-- text'; -- it''s\n  -- more\nselect 2;\n"),
    ).toBe("select 1;\nselect '-- text';\nselect 2;\n");
  });
});

describe('one paste into a database that has nothing of ours', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase({ from: 'nothing' });
    await db.sql.unsafe(prelude);
  });
  afterAll(() => db?.drop());

  /** As the SQL editor does: all of it at once, on one connection; what it shows is what the last statement gives. */
  async function paste(text = setup, into = db) {
    const session = postgres(into.url, { max: 1, onnotice: () => {} });
    const results = await session.unsafe(text).finally(() => session.end({ timeout: 1 }));
    return results.at(-1) as unknown as { done: string; next: string }[];
  }

  it('sets up what the migrations set up, and says what comes next', async () => {
    const [shown] = await paste();
    expect(shown!.done).toMatch(/^Lastseen is set up\. hp_tick\(\) is (not )?scheduled/);
    expect(shown!.next).toContain("select hp_add_member('you@example.com', 'owner');");
    const migrated = await createDatabase();
    expect(await everythingOf(db.sql)).toBe(await everythingOf(migrated.sql));
    await migrated.drop();
  });

  it('may be pasted again: rows stay, and what somebody changed is put back', async () => {
    const id = '5f6f2c1e-0d3a-4d4e-9b6a-3f0c2a9d7e11';
    await db.sql`insert into auth.users (id, email) values (${id}, 'ada@example.com')`;
    await db.sql`select hp_add_member('ada@example.com', 'owner')`;
    await db.sql`insert into hp_worker_status (worker_name, status) values ('by-hand', 'idle')`;
    await db.sql`update hp_setting set value = '7' where key = 'tick_every_s'`;
    const before = { rows: await rowsOf(db.sql), everything: await everythingOf(db.sql) };
    await db.sql`revoke execute on function hp_fleet from authenticated`;
    await db.sql`drop policy "members listen to the fleet" on realtime.messages`;

    const [shown] = await paste();
    expect(shown!.next).toBe('There is an owner: sign in to the dashboard.');
    expect(await rowsOf(db.sql)).toBe(before.rows);
    expect(await everythingOf(db.sql)).toBe(before.everything);
  });

  it('leaves nothing half done where it fails', async () => {
    const other = await createDatabase({ from: 'nothing' });
    await other.sql.unsafe(prelude);
    const broken = setup.replace(/\ncommit;\n/, '\nselect 1 / 0;\ncommit;\n');
    await expect(paste(broken, other)).rejects.toThrow('division by zero');
    const [found] = await other.sql`select to_regclass('public.hp_worker_status') as it`;
    expect(found!.it).toBe(null);
    await other.drop();
  });
});
