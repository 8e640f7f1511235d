import postgres from 'postgres';
import { createDataApi } from './data-api.ts';
import { defaultDataDir, freshDataDir, openDataDir, type DataDir } from './data-dir.ts';
import { json, listen } from './http.ts';
import type { Keys } from './keys.ts';
import { changedMigration, migrate } from './migrate.ts';
import { ensureOwner } from './owner.ts';
import { startCluster } from './postgres/cluster.ts';
import { schedule } from './scheduler.ts';

export interface StackOptions {
  /** TCP port of 127.0.0.1; 0 for any free one. @default 54321 */
  port?: number;
  /** Where keys and data are kept between runs. @default .lastseen/stack */
  dataDir?: string;
  /** A throw-away stack: new keys, new data, both gone at the end. @default false */
  fresh?: boolean;
  /** Someone else's PostgreSQL 15 to 18, as a superuser, instead of the embedded one. */
  databaseUrl?: string;
  /** A folder of migrations. @default supabase/migrations */
  migrations?: string;
  /** Also supabase/seed.sql. @default true */
  seed?: boolean;
  /** Milliseconds between two ticks; 0 for none. @default 2000 */
  tickEvery?: number;
  /** Lifetime of an access token in seconds. @default 3600 */
  tokenLifetime?: number;
  /** The dashboard's address. @default http://localhost:5173 */
  siteUrl?: string;
  /** The database is prepared: migrated, with an owner who has these keys. For tests, which clone a template. */
  prepared?: Keys;
  /** What a person may want to know, a line at a time. @default nothing */
  log?: (line: string) => void;
  /** Aborting ends a start under way and leaves nothing running. */
  signal?: AbortSignal;
}

export interface Stack {
  /** `http://127.0.0.1:…`: what Supabase calls the project URL. */
  url: string;
  publishableKey: string;
  secretKey: string;
  /** `postgres://…` as the superuser. */
  databaseUrl: string;
  owner: { email: string; password: string };
  realtime: {
    /** Drops every socket and refuses new ones, as a network does that fails. */
    cut(): void;
    restore(): void;
  };
  /** Ends it all, in order. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded stack: PostgreSQL, the Data API, Auth, Realtime and a scheduler.
 *
 * @throws PortTaken, DataDirTaken, or an error that says what failed. Nothing is left running.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { port = 54321, log = () => {}, signal, siteUrl = 'http://localhost:5173', seed = true } = options;
  const closers: (() => unknown)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      for (const close of closers.reverse()) await close();
    })());

  try {
    const { server, url, handle } = await listen(port);
    closers.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const dataDir = await chooseDataDir(options);
    closers.push(() => dataDir.close());
    const { keys } = dataDir;

    const database = await openDatabase(options, dataDir, log);
    closers.push(() => database.stop());
    const { databaseUrl } = database;

    const sql = admin(databaseUrl);
    closers.push(() => sql.end({ timeout: 2 }));
    const dataApi = createDataApi({ databaseUrl, keys, siteUrl, tokenLifetime: options.tokenLifetime });
    closers.push(() => dataApi.close());
    if (!options.prepared) {
      await dataApi.ensureSystemSchema();
      const files = await migrate(sql, { seed, migrations: options.migrations });
      if (files.length) log(`Applied ${files.length} migrations.`);
      await dataApi.schemaChanged();
      await ensureOwner(sql, keys, dataDir.made, (request) => dataApi.fetch(request, '127.0.0.1'));
      if (!options.databaseUrl) await paceLocally(sql);
    }
    signal?.throwIfAborted();

    const { tickEvery = 2000 } = options;
    if (tickEvery > 0) closers.push(schedule(sql, tickEvery, log));
    handle((request, peer) => {
      const { pathname } = new URL(request.url);
      if (/^\/(rest|auth)\/v1(\/|$)/.test(pathname)) return dataApi.fetch(request, peer);
      return json(404, { message: `No service at ${pathname}.` });
    });
    return {
      url,
      publishableKey: keys.publishableKey,
      secretKey: keys.secretKey,
      databaseUrl,
      owner: keys.owner,
      realtime: { cut() {}, restore() {} },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function chooseDataDir({ fresh, prepared, dataDir = defaultDataDir }: StackOptions): Promise<DataDir> {
  if (prepared) return { keys: prepared, made: false, cluster: '', empty() {}, close() {} };
  return fresh ? freshDataDir() : openDataDir(dataDir);
}

/** The embedded cluster, or someone else's database. */
async function openDatabase(
  options: StackOptions,
  dataDir: DataDir,
  log: (line: string) => void,
): Promise<{ databaseUrl: string; stop(): Promise<void> }> {
  const start = async () => {
    if (options.databaseUrl) return { databaseUrl: options.databaseUrl, stop: async () => {} };
    const cluster = await startCluster({
      folder: dataDir.cluster,
      password: dataDir.keys.databasePassword,
      throwAway: dataDir.throwAway,
      signal: options.signal,
    });
    return { databaseUrl: cluster.url, stop: () => cluster.stop() };
  };
  const database = await start();
  if (options.prepared) return database;
  const changed = await outdated(database.databaseUrl, options.migrations);
  if (!changed) return database;
  await database.stop();
  const why = `The migration ${changed} was changed after it was applied`;
  // Data that somebody asked to keep is theirs to give up.
  if (options.databaseUrl) throw new Error(`${why} to this database. Use a new database.`);
  if (options.dataDir)
    throw new Error(`${why} in ${options.dataDir}. Remove that folder, or start with --fresh.`);
  log(`${why}: the local database is made anew.`);
  dataDir.empty();
  return start();
}

async function outdated(databaseUrl: string, migrations?: string): Promise<string | undefined> {
  const sql = admin(databaseUrl);
  try {
    return await changedMigration(sql, migrations);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** A connection pool for what the stack does itself. */
function admin(databaseUrl: string): postgres.Sql {
  return postgres(databaseUrl, {
    max: 3,
    onnotice: () => {},
    connection: { application_name: 'lastseen-stack' },
  });
}

/** Here a message costs nothing, and a person waits: ticks and digests come faster than on a metered plan. */
async function paceLocally(sql: postgres.Sql): Promise<void> {
  const [known] = await sql`select to_regclass('public.hp_setting') is not null as known`;
  if (!known?.known) return;
  await sql`update public.hp_setting set value = '2' where key in ('tick_every_s', 'digest_every_s') and value <> '2'`;
}
