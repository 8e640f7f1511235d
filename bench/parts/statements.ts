import postgres, { type Sql } from 'postgres';

/** Connections straight to PostgreSQL as who has the secret key, each a client of its own that keeps what it has prepared. */
export function connect(scope: AsyncDisposableStack, databaseUrl: string, connections: number): Sql[] {
  const clients = Array.from({ length: connections }, () =>
    postgres(databaseUrl, { max: 1, onnotice: () => {}, connection: { role: 'service_role' } }),
  );
  scope.defer(async () => {
    await Promise.all(clients.map((client) => client.end({ timeout: 2 })));
  });
  return clients;
}

/** A call of hp_heartbeat as the Data API makes it: beats as text in, answers out. */
export async function beat(client: Sql, beats: unknown[]): Promise<unknown> {
  // As text: postgres.js would make JSON of a parameter that PostgreSQL says is JSON.
  const [row] = await client.unsafe(
    'select public.hp_heartbeat($1::text::jsonb) as answers',
    [JSON.stringify(beats)],
    { prepare: true },
  );
  return row!.answers;
}

/**
 * Lets each connection do its work over and over for a while, the next as soon as the last was answered.
 *
 * @returns how often a second it was done, over all connections
 */
export async function repeat(
  clients: readonly Sql[],
  milliseconds: number,
  signal: AbortSignal,
  work: (client: Sql, which: number) => Promise<unknown>,
): Promise<number> {
  let done = 0;
  const began = performance.now();
  const end = began + milliseconds;
  await Promise.all(
    clients.map(async (client, which) => {
      while (performance.now() < end && !signal.aborted) {
        await work(client, which);
        done++;
      }
    }),
  );
  return done / ((performance.now() - began) / 1000);
}
