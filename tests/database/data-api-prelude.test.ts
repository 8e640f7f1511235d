import { afterEach, describe, expect, inject, it } from 'vitest';
import { createDataApi, type DataApi } from '../../supabase/local/data-api.ts';
import { migrate } from '../../supabase/local/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function stockDatabase(): Promise<{ database: TestDatabase; dataApi: DataApi }> {
  const database = await createDatabase({ from: 'nothing' });
  closers.push(() => database.drop());
  const { keys } = inject('cluster');
  const dataApi = createDataApi({
    databaseUrl: database.url,
    keys,
    siteUrl: 'http://localhost',
    poolSize: 2,
  });
  closers.push(() => dataApi.close());
  return { database, dataApi };
}

describe('the prelude and the Data API on a stock PostgreSQL', () => {
  it.each(['prelude', 'data API'])('sign people up when the %s came first', async (first) => {
    const { database, dataApi } = await stockDatabase();
    const steps = [() => migrate(database.sql), () => dataApi.ensureSystemSchema()];
    if (first !== 'prelude') steps.reverse();
    for (const step of steps) await step();
    await dataApi.schemaChanged();

    const { keys } = inject('cluster');
    const ask = (path: string, body: unknown) =>
      dataApi.fetch(
        new Request(`http://127.0.0.1/auth/v1/${path}`, {
          method: 'POST',
          headers: { apikey: keys.publishableKey, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
        '127.0.0.1',
      );
    const credentials = { email: 'dora@example.com', password: 'a-long-password' };
    expect((await ask('signup', credentials)).status).toBe(200);
    expect((await ask('token?grant_type=password', credentials)).status).toBe(200);
    await database.sql`select public.hp_add_member('dora@example.com', 'viewer')`;
  });

  it('give auth.users the same columns', async () => {
    const columns = async (
      prepare: (made: { database: TestDatabase; dataApi: DataApi }) => Promise<unknown>,
    ) => {
      const made = await stockDatabase();
      await prepare(made);
      return made.database.sql`
        select column_name, data_type, is_nullable, column_default, is_generated from information_schema.columns
        where table_schema = 'auth' and table_name = 'users' order by column_name`;
    };
    expect(await columns(({ database }) => migrate(database.sql))).toEqual(
      await columns(({ dataApi }) => dataApi.ensureSystemSchema()),
    );
  });
});
