import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import type { Stack } from '../../supabase/local/stack.ts';
import { until } from '../../tests/support/until.ts';
import { startChild } from './child.ts';

export interface BenchStack extends Pick<
  Stack,
  'url' | 'publishableKey' | 'secretKey' | 'databaseUrl' | 'owner'
> {
  /** As the superuser. */
  sql: Sql;
  /** Calls a function with the secret key. */
  rpc(name: string, body: unknown): Promise<unknown>;
}

export interface BenchStackOptions {
  /**
   * With the pace, the message budgets and the vacuum of a new hosted project, and with commits on disk if requested.
   *
   * @default false: the faster stack of a demonstration, without message budgets
   */
  hosted?: boolean;
  /** Milliseconds between two ticks; 0 for none. @default 5000 if hosted, as with pg_cron, else 1000 */
  tickEvery?: number;
}

/**
 * A fresh stack with the five declared workers and, for comparison, two functions that are not Lastseen's:
 * `bench_nothing` does nothing with beats, `bench_say` broadcasts a text and does nothing else.
 */
export async function startBenchStack(
  scope: AsyncDisposableStack,
  { hosted = false, tickEvery = hosted ? 5000 : 1000 }: BenchStackOptions = {},
): Promise<BenchStack> {
  const child = startChild(scope, 'parts/stack-host.ts', {
    TICK_EVERY: String(tickEvery),
    ...(hosted && { DATA_DIR: temporaryFolder(scope) }),
  });
  const stack = await child.hear<Omit<BenchStack, 'sql' | 'rpc'>>();
  const sql = postgres(stack.databaseUrl, { max: 2, onnotice: () => {} });
  scope.defer(() => sql.end({ timeout: 2 }));
  if (hosted) await setAsMigrated(sql);
  await sql.unsafe(`
    create function public.bench_nothing(beats jsonb) returns jsonb language sql as $$ select '[]'::jsonb $$;
    create function public.bench_say(said text) returns void language sql as $$
      select realtime.send(jsonb_build_object('text', said), 'say', 'bench', false) $$;
    grant execute on function public.bench_nothing(jsonb), public.bench_say(text) to service_role;
    notify pgrst, 'reload schema';`);
  const rpc = async (name: string, body: unknown) => {
    const response = await fetch(`${stack.url}/rest/v1/rpc/${name}`, {
      method: 'POST',
      headers: { apikey: stack.secretKey, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${name}: HTTP ${response.status} ${text}`);
    return text ? (JSON.parse(text) as unknown) : undefined;
  };
  await until(() => rpc('bench_nothing', { beats: [] }), { what: 'the functions of the bench' });
  return { ...stack, sql, rpc };
}

/** In the order of the scope it goes after whoever writes to it has ended. */
function temporaryFolder(scope: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastseen-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755); // PostgreSQL's user must get in where we are root
  return folder;
}

/** The local stack has settings of its own; the migrations add what is missing, at its defaults. */
async function setAsMigrated(sql: Sql): Promise<void> {
  const folder = new URL('../../supabase/migrations/', import.meta.url);
  await sql`delete from public.hp_setting`;
  for (const file of await readdir(folder)) {
    const text = await readFile(new URL(file, folder), 'utf8');
    for (const [insert] of text.matchAll(
      /^insert into public\.hp_setting [^]*?^on conflict \(key\) do nothing;/gm,
    ))
      await sql.unsafe(insert);
  }
}
