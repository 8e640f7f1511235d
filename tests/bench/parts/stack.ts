import postgres, { type Sql } from 'postgres';
import type { Stack } from '../../../supabase/local/stack.ts';
import { until } from '../../support/until.ts';
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

/**
 * A fresh stack with the five declared workers and, for comparison, two functions that are not Lastseen's:
 * `bench_nothing` does nothing with beats, `bench_say` broadcasts a text and does nothing else.
 */
export async function startBenchStack(scope: AsyncDisposableStack): Promise<BenchStack> {
  const child = startChild(scope, 'parts/stack-host.ts');
  const stack = await child.hear<Omit<BenchStack, 'sql' | 'rpc'>>();
  const sql = postgres(stack.databaseUrl, { max: 2, onnotice: () => {} });
  scope.defer(() => sql.end({ timeout: 2 }));
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
