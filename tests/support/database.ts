import { randomBytes } from 'node:crypto';
import postgres, { type Sql, type TransactionSql } from 'postgres';
import { inject } from 'vitest';
import { sessionContext } from '../../supabase/local/session-context.ts';
import type { PersonName } from './people.ts';

export type ApiRole = 'anon' | 'authenticated' | 'service_role';

export interface TestDatabase {
  url: string;
  /** The superuser's connections. */
  sql: Sql;
  /**
   * Runs `work` in a transaction in which the database sees `role` and the claims of its token, as the Data API has it.
   * Committed, unless `work` throws.
   */
  as<T>(
    role: ApiRole,
    claims: Record<string, unknown>,
    work: (sql: TransactionSql) => Promise<T>,
  ): Promise<T>;
  /** The same for one of the cast, signed in. */
  asPerson<T>(name: PersonName, work: (sql: TransactionSql) => Promise<T>): Promise<T>;
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** What is cloned: the migrated, seeded database that knows the cast, or a stock one with nothing in it. */
  from?: 'template' | 'nothing';
  /** `postgres://…/postgres` as the superuser of another cluster than that of the run. `from` must be 'nothing' then. */
  clusterUrl?: string;
}

/** A database of the test's own, in the cluster of the run. About 50 ms. */
export async function createDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const cluster = inject('cluster');
  const { from = 'template', clusterUrl = cluster.url } = options;
  const name = `test_${randomBytes(6).toString('hex')}`;
  const root = postgres(clusterUrl, { max: 1, onnotice: () => {} });
  const template = from === 'template' ? cluster.template : 'template0';
  await root`create database ${root(name)} template ${root(template)} strategy file_copy`;
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  const sql = postgres(url.href, { max: 10, onnotice: () => {} });
  const as: TestDatabase['as'] = async (role, claims, work) => {
    const settings = Object.entries(
      sessionContext({ role, uid: claims.sub as string, jwt: { role, ...claims } }),
    );
    return (await sql.begin(async (transaction) => {
      for (const [key, value] of settings) await transaction`select set_config(${key}, ${value}, true)`;
      return work(transaction);
    })) as Awaited<ReturnType<typeof work>>;
  };
  return {
    url: url.href,
    sql,
    as,
    asPerson: (person, work) => as('authenticated', { sub: cluster.people[person].id }, work),
    async drop() {
      await sql.end({ timeout: 1 });
      await root`drop database if exists ${root(name)} with (force)`;
      await root.end();
    },
  };
}
