import { App } from '@supabase/lite';
import { createPostgresConnection } from '@supabase/lite/postgres';
import { AsyncLocalStorage } from 'node:async_hooks';
import type postgres from 'postgres';
import { writeJsonValues } from './json-values.ts';
import type { Keys } from './keys.ts';
import { sessionContext, type RequestContext } from './session-context.ts';

/** Supabase's Data API (PostgREST) and Auth (GoTrue), as far as `@supabase/lite` imitates them. */
export interface DataApi {
  /** Answers a request under `/rest/v1` or `/auth/v1`. */
  fetch(request: Request, peerAddress: string | null): Promise<Response>;
  /** Creates missing tables of `auth` and `supabase_migrations`. */
  ensureSystemSchema(): Promise<void>;
  /** Call after tables or functions changed, because lite caches the schema. */
  schemaChanged(): Promise<void>;
  close(): Promise<void>;
}

export interface DataApiOptions {
  databaseUrl: string;
  keys: Keys;
  /** The dashboard's address, for links in mails. No mail is sent. */
  siteUrl: string;
  /** Connections to the database. @default 10 */
  poolSize?: number;
  /** Lifetime of an access token in seconds. @default 3600 */
  tokenLifetime?: number;
}

/** Only this file uses `@supabase/lite` (alpha, pinned), and works around its faults. Tests check that. */
export function createDataApi({
  databaseUrl,
  keys,
  siteUrl,
  poolSize = 10,
  tokenLifetime = 3600,
}: DataApiOptions): DataApi {
  const connection = createPostgresConnection({
    url: databaseUrl,
    postgresOptions: {
      max: poolSize,
      onnotice: () => {},
      connection: { application_name: 'lastseen-data-api' },
      types: { json, jsonb: json },
    },
  });
  const inner = connection as unknown as {
    rlsState: 'active';
    applyJwtSessionContext(db: Executor, vars: { auth?: RequestContext }): Promise<void>;
    applyRpcRequestGucs(db: Executor, rpc: RpcContext): Promise<void>;
  };
  const readRequest = connection.onPostgrestAST.bind(connection);
  connection.onPostgrestAST = async (request) =>
    writeJsonValues(await readRequest(request), await connection.introspect({ useCache: true }));
  // Fault: at the first request, lite grants ALL on every table to the API roles. That hides missing grants in migrations
  // and overrides column privileges. With this field set, lite skips the step.
  inner.rlsState = 'active';
  // One round trip instead of six, and the same time limits for roles as on hosted projects.
  inner.applyJwtSessionContext = (db, vars) => run(db, sessionContext(vars.auth ?? {}));
  inner.applyRpcRequestGucs = (db, rpc) =>
    run(db, {
      'response.status': '',
      'response.headers': '',
      'request.method': rpc.method,
      'request.path': rpc.path,
      'request.headers': JSON.stringify(rpc.requestHeaders ?? {}),
    });

  const app = new App({
    connection,
    auth: {
      enabled: true,
      jwt_secret: keys.jwtSecret,
      jwt_expiry: tokenLifetime,
      publishable_key: keys.publishableKey,
      secret_key: keys.secretKey,
      site_url: siteUrl,
      email: { enable_confirmations: false },
    },
    options: { server: { disableStudio: true } },
  });
  hushConsole();
  const underWay = new Set<Promise<Response>>();
  return {
    fetch(request, peerAddress) {
      const answer = insideLite.run(true, () => Promise.resolve(app.fetch(request, { peerAddress })));
      const done = () => underWay.delete(answer);
      underWay.add(answer);
      answer.then(done, done);
      return answer;
    },
    ensureSystemSchema: () => insideLite.run(true, () => app.ensureSystemSchema()),
    schemaChanged: () => connection.clearSchemaCache(),
    // A pool that is closed while requests wait for a connection never ends.
    async close() {
      await Promise.allSettled(underWay);
      await connection.close();
    },
  };
}

interface RpcContext {
  method: string;
  path: string;
  requestHeaders?: Record<string, string>;
}

/** The part of Kysely's transaction that is used here. */
interface Executor {
  getExecutor(): { executeQuery(query: unknown): Promise<unknown> };
}

// Fault: lite serialises a jsonb argument that is JSON text already, so a JSON string inside jsonb arrives. Here text is
// passed unchanged, because `writeJsonValues` has made it JSON.
const json: postgres.PostgresType = {
  to: 3802,
  from: [114, 3802],
  serialize: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
  parse: (text: string) => JSON.parse(text) as unknown,
};

/**
 * Changes settings for the rest of the transaction. The values are literals, because for parameters postgres.js needs a
 * second round trip to look up their types.
 */
function run(db: Executor, settings: Record<string, string>): Promise<void> {
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config(${literal(name)}, ${literal(value)}, true)`,
  );
  const sql = `select ${calls.join(', ')}`;
  return db
    .getExecutor()
    .executeQuery({
      sql,
      parameters: [],
      query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
      queryId: {},
    })
    .then(() => {});
}

/** An escape string, so that `standard_conforming_strings` does not matter; NUL cannot be in a PostgreSQL text. */
function literal(text: string): string {
  return `E'${text.replaceAll('\0', '').replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

const insideLite = new AsyncLocalStorage<true>();
let hushed = false;

/**
 * lite prints every rejected request with console.error and a stack trace, so that a typo in a query looks like a fault of
 * the stack. The client receives the error anyway. LASTSEEN_DEBUG prints them.
 */
function hushConsole(): void {
  if (hushed || process.env.LASTSEEN_DEBUG) return;
  hushed = true;
  for (const method of ['error', 'warn', 'info', 'log'] as const) {
    const original = console[method].bind(console);
    console[method] = (...args: unknown[]) => {
      if (!insideLite.getStore()) original(...args);
    };
  }
}
