import postgres from 'postgres';
import { createDataApi } from './data-api.ts';
import { dataDirFor, freshDataDir, keysDirFor, openDataDir, type DataDir } from './data-dir.ts';
import { json, listen } from './http.ts';
import type { Keys } from './keys.ts';
import { changedMigration, migrate } from './migrate.ts';
import { ensureOwner } from './owner.ts';
import { defaultPort } from './ports.ts';
import { startCluster } from './postgres/cluster.ts';
import { startRealtime } from './realtime/endpoint.ts';
import { schedule } from './scheduler.ts';

export interface StackOptions {
  /** TCP port of 127.0.0.1; 0 for any free port. @default 54321 */
  port?: number;
  /** The folder for keys and data. @default a folder under .lastseen/, one per port or database */
  dataDir?: string;
  /** New keys and new data, both removed at the end. @default false */
  fresh?: boolean;
  /** Another PostgreSQL 15 to 18, as a superuser, instead of the embedded one. */
  databaseUrl?: string;
  /** A folder of migrations. @default supabase/migrations */
  migrations?: string;
  /** Apply supabase/seed.sql, too. @default true */
  seed?: boolean;
  /** Milliseconds between two ticks; 0 for none. @default 1000; with `databaseUrl`, from its settings */
  tickEvery?: number;
  /** Lifetime of an access token in seconds. @default 3600 */
  tokenLifetime?: number;
  /** The dashboard's address. @default http://localhost:5173 */
  siteUrl?: string;
  /** The database is migrated already, with an owner and these keys. For tests, which clone a template. */
  prepared?: Keys;
  /** Called when address and keys are known, before the stack answers, so that other parts can start early. */
  onAddress?: (address: StackAddress) => void;
  /** Receives messages for people, line by line. @default none */
  log?: (line: string) => void;
  /** Aborting stops a start, and leaves nothing running. */
  signal?: AbortSignal;
}

export interface StackAddress {
  /** `http://127.0.0.1:…`, Supabase's project URL. */
  url: string;
  publishableKey: string;
  secretKey: string;
  owner: { email: string; password: string };
}

export interface Stack extends StackAddress {
  /** `postgres://…` as the superuser. */
  databaseUrl: string;
  realtime: {
    /** Drops every socket and rejects new ones, like a failing network. */
    cut(): void;
    restore(): void;
  };
  /** Resolves when the embedded PostgreSQL has ended for any reason. */
  ended: Promise<void>;
  /** Stops everything in order. Idempotent. */
  stop(): Promise<void>;
}

/** The time limit for closing a part. Without its PostgreSQL, a part may never close. */
const CLOSING_MS = 10_000;

async function within(ms: number, work: () => unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`A part of the stack did not close within ${ms / 1000} s.`)),
      ms,
    );
  });
  try {
    await Promise.race([Promise.try(work), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts the embedded stack: PostgreSQL, the Data API, Auth, Realtime and a scheduler.
 *
 * @throws PortTaken, DataDirTaken, or an error with the reason. Leaves nothing running.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const {
    port = defaultPort,
    log = () => {},
    signal,
    siteUrl = 'http://localhost:5173',
    seed = true,
  } = options;
  const closers: (() => unknown)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      const failures: unknown[] = [];
      for (const close of closers.reverse()) {
        // If one part can't be closed, close the rest anyway.
        await within(CLOSING_MS, close).catch((error: unknown) => failures.push(error));
      }
      if (failures.length) throw failures[0];
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
    const { publishableKey, secretKey, owner } = keys;
    const address = { url, publishableKey, secretKey, owner };
    options.onAddress?.(address);

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
      if (files.length) log(`Applied ${files.length} ${files.length === 1 ? 'migration' : 'migrations'}.`);
      await dataApi.schemaChanged();
      await ensureOwner(sql, keys, {
        doubtful: dataDir.made || options.databaseUrl !== undefined,
        ask: (request) => dataApi.fetch(request, '127.0.0.1'),
      });
      if (!options.databaseUrl) await paceLocally(sql, files.length > 0);
    }
    const realtime = await startRealtime({ server, databaseUrl, keys, log });
    closers.push(() => realtime.close());
    signal?.throwIfAborted();

    const { tickEvery = options.databaseUrl ? await periodOf(sql) : 1000 } = options;
    if (tickEvery > 0) closers.push(schedule(sql, tickEvery, log));
    handle((request, peer) => {
      const { pathname } = new URL(request.url);
      if (/^\/(rest|auth)\/v1(\/|$)/.test(pathname)) return dataApi.fetch(request, peer);
      if (pathname.startsWith('/realtime/v1/')) return realtime.fetch(request);
      return json(404, { message: `No service at ${pathname}.` });
    });
    // Comes first in `stop`, because otherwise new requests would keep the Data API busy.
    closers.push(() =>
      handle(() => json(503, { message: 'The stack is stopping.' }, { 'retry-after': '1' })),
    );
    return {
      ...address,
      databaseUrl,
      realtime: { cut: realtime.cut, restore: realtime.restore },
      ended: database.ended,
      stop,
    };
  } catch (error) {
    await stop().catch(() => {}); // report the first error
    throw error;
  }
}

async function chooseDataDir(options: StackOptions): Promise<DataDir> {
  const { fresh, prepared, dataDir, databaseUrl, port = defaultPort } = options;
  if (prepared) return { keys: prepared, made: false, cluster: '', empty() {}, close() {} };
  if (fresh) return freshDataDir();
  return openDataDir(dataDir ?? (databaseUrl ? keysDirFor(databaseUrl) : dataDirFor(port)));
}

/** The embedded cluster, or the database of `databaseUrl`. */
async function openDatabase(
  options: StackOptions,
  dataDir: DataDir,
  log: (line: string) => void,
): Promise<{ databaseUrl: string; ended: Promise<void>; stop(): Promise<void> }> {
  const start = async () => {
    const { databaseUrl } = options;
    if (databaseUrl) return { databaseUrl, ended: new Promise<void>(() => {}), stop: async () => {} };
    const cluster = await startCluster({
      folder: dataDir.cluster,
      password: dataDir.keys.databasePassword,
      throwAway: dataDir.throwAway,
      signal: options.signal,
    });
    return { databaseUrl: cluster.url, ended: cluster.ended, stop: () => cluster.stop() };
  };
  const database = await start();
  if (options.prepared) return database;
  const changed = await outdated(database.databaseUrl, options.migrations);
  if (!changed) return database;
  await database.stop();
  const why = `The migration ${changed} was changed after it was applied`;
  // Data with its own folder or database is not deleted without the person's decision.
  if (options.databaseUrl) throw new Error(`${why} to this database. Use a new database.`);
  if (options.dataDir)
    throw new Error(`${why} in ${options.dataDir}. Remove that folder, or start with --fresh.`);
  log(`${why}, so the local database is rebuilt.`);
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

/** The stack's own connection pool. */
function admin(databaseUrl: string): postgres.Sql {
  return postgres(databaseUrl, {
    max: 3,
    onnotice: () => {},
    connection: { application_name: 'lastseen-stack' },
  });
}

// Local messages cost nothing, so there are no budgets, and everything is faster.
const localSettings = {
  digest_every_s: 2,
  activity_store: 1_000_000,
  activity_refill_s: 1,
  messages_mb: 1_000_000_000,
  transition_store: 1_000_000,
  transition_refill_per_s: 1000,
  beats_per_second: 1000,
};

/** @param migrated true if settings may be new. Later changes by a person stay. */
async function paceLocally(sql: postgres.Sql, migrated: boolean): Promise<void> {
  if (!migrated || !(await hasSettings(sql))) return;
  // tick_every_s is the scheduler's period, which the tick reads.
  for (const [key, value] of Object.entries({ tick_every_s: 1, ...localSettings })) {
    await sql`update public.hp_setting set value = ${sql.json(value)} where key = ${key} and value <> ${sql.json(value)}`;
  }
}

/** The tick's period in the settings of `databaseUrl`, in milliseconds. */
async function periodOf(sql: postgres.Sql): Promise<number> {
  if (!(await hasSettings(sql))) return 5000;
  const [row] = await sql`select hp_private.setting('tick_every_s') as seconds`;
  return (Number(row?.seconds) || 5) * 1000;
}

async function hasSettings(sql: postgres.Sql): Promise<boolean> {
  const [known] = await sql`select to_regclass('public.hp_setting') is not null as known`;
  return known?.known === true;
}
