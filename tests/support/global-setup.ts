import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { createDataApi, type DataApi } from '../../supabase/local/data-api.ts';
import { freshDataDir } from '../../supabase/local/data-dir.ts';
import type { Keys } from '../../supabase/local/keys.ts';
import { migrate } from '../../supabase/local/migrate.ts';
import { startCluster } from '../../supabase/local/postgres/cluster.ts';
import { programsIn } from './installed-postgres.ts';
import { roles, type Cast, type Person, type PersonName } from './people.ts';

declare module 'vitest' {
  interface ProvidedContext {
    cluster: SharedCluster;
  }
}

/** One PostgreSQL for the whole run, and a template database that is migrated, seeded and knows the cast. */
export interface SharedCluster {
  /** `postgres://…/postgres` as the superuser. */
  url: string;
  template: string;
  /** The keys that sign the cast's sessions; their owner is alice. */
  keys: Keys;
  people: Cast;
}

/** TEST_POSTGRES=/usr/lib/postgresql/15/bin makes the whole run use that PostgreSQL. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = freshDataDir();
  const { keys } = dataDir;
  const cluster = await startCluster({
    folder: dataDir.cluster,
    password: keys.databasePassword,
    throwAway: dataDir.throwAway,
    maxConnections: 400, // every test file may run a stack, and every stack has pools
    programs: process.env.TEST_POSTGRES ? programsIn(process.env.TEST_POSTGRES) : undefined,
  });
  const stop = async () => {
    await cluster.stop();
    dataDir.close();
  };
  try {
    const template = 'lastseen_template';
    const people = await prepare(cluster.url, template, keys);
    const { email, password } = people.alice;
    project.provide('cluster', {
      url: cluster.url,
      template,
      keys: { ...keys, owner: { email, password } },
      people,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

async function prepare(clusterUrl: string, template: string, keys: Keys): Promise<Cast> {
  const root = postgres(clusterUrl, { max: 1, onnotice: () => {} });
  await root`create database ${root(template)}`;
  await root.end();
  const url = new URL(clusterUrl);
  url.pathname = `/${template}`;
  const sql = postgres(url.href, { max: 2, onnotice: () => {} });
  // Hashing passwords at full cost takes longer than most tests.
  process.env.LITE_AUTH_BCRYPT_COST = '4';
  const dataApi = createDataApi({
    databaseUrl: url.href,
    keys,
    siteUrl: 'http://localhost:5173',
    poolSize: 2,
  });
  try {
    await dataApi.ensureSystemSchema();
    await migrate(sql);
    await dataApi.schemaChanged();
    const names = Object.keys(roles) as PersonName[];
    const people = await Promise.all(names.map((name) => signUp(dataApi, keys, name)));
    for (const { email, role } of people) if (role) await sql`select public.hp_add_member(${email}, ${role})`;
    return Object.fromEntries(people.map((person) => [person.name, person])) as Cast;
  } finally {
    await dataApi.close();
    await sql.end();
  }
}

async function signUp(dataApi: DataApi, keys: Keys, name: PersonName): Promise<Person> {
  const email = `${name}@example.com`;
  const password = randomBytes(12).toString('base64url');
  const request = new Request('http://127.0.0.1/auth/v1/signup', {
    method: 'POST',
    headers: { apikey: keys.publishableKey, 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  const response = await dataApi.fetch(request, '127.0.0.1');
  const body = (await response.json()) as { user?: { id: string } };
  if (!body.user) throw new Error(`${name} cannot be signed up: ${JSON.stringify(body)}`);
  return { name, email, password, role: roles[name], id: body.user.id };
}
