import type { Sql } from 'postgres';

/**
 * What a beat cannot get under: a table of the same columns without checks, triggers and rules, and a prepared upsert of
 * one row that writes the columns that a beat writes.
 *
 * @returns writes the row of a worker: what its row holds in hp_worker_status, with what moves at each beat moved
 */
export async function createBareTable(
  sql: Sql,
): Promise<(client: Sql, name: string, turn: number) => Promise<unknown>> {
  const columns = await writtenColumns(sql);
  const [shape] = await sql`
    select string_agg(format('%I %s', a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null)), ', ') as columns
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = 'public.hp_worker_status'::regclass and a.attnum > 0 and not a.attisdropped`;
  await sql.unsafe(`
    create table public.bench_bare (${shape!.columns as string}) with (fillfactor = 50);
    insert into public.bench_bare select * from public.hp_worker_status;
    alter table public.bench_bare add primary key (worker_name);
    grant select, insert, update on public.bench_bare to service_role;`);
  await sql`vacuum analyze public.bench_bare`;

  const statement = `
    insert into public.bench_bare (worker_name, ${columns.join(', ')})
    values ($1, ${columns.map((_, index) => `$${index + 2}`).join(', ')})
    on conflict (worker_name) do update set ${columns.map((name) => `${name} = excluded.${name}`).join(', ')}`;
  const rows = await sql`select * from public.hp_worker_status`;
  const stored = new Map(rows.map((row) => [row.worker_name as string, columns.map((name) => row[name])]));
  const place = (name: string) => columns.indexOf(name);
  const [sequence, heard, lease, skew, jobs, counted, memory] = [
    'sequence',
    'last_heartbeat',
    'lease_expires_at',
    'clock_skew_ms',
    'jobs_processed',
    'counted_jobs',
    'memory_rss_bytes',
  ].map(place) as [number, number, number, number, number, number, number];
  return (client, name, turn) => {
    const values = stored.get(name)!;
    const now = Date.now();
    values[heard] = new Date(now);
    values[lease] = new Date(now + 150_000);
    values[sequence] = values[jobs] = values[counted] = turn;
    values[skew] = turn % 10;
    values[memory] = 60_000_000 + (turn % 100) * 4096;
    return client.unsafe(statement, [name, ...values] as never[], { prepare: true });
  };
}

/** Those that the update of apply_beats sets: asked of the function itself, so that no list falls behind it. */
async function writtenColumns(sql: Sql): Promise<string[]> {
  const [row] = await sql`select prosrc from pg_proc where oid = 'hp_private.apply_beats'::regproc`;
  const [update] = /update public\.hp_worker_status[^]*?\n {2}from /.exec(row!.prosrc as string) ?? [''];
  const names = [...update.matchAll(/^ {4}(\w+) = /gm)].map(([, name]) => name!);
  if (names.length < 50) throw new Error('What apply_beats writes cannot be read from it.');
  return names;
}
