import { createClient, type RealtimeClientOptions, type SupabaseClient } from '@supabase/supabase-js';
import { inject } from 'vitest';
import { startStack, type Stack, type StackOptions } from '../../supabase/local/stack.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import type { PersonName } from './people.ts';

/** A stack with clients of the unmodified supabase-js, one per call; all end with the stack. */
export interface TestStack extends Stack {
  database: TestDatabase;
  /** With a key (the publishable one, unless another is given) and nobody signed in. */
  client(key?: string, realtime?: RealtimeClientOptions): SupabaseClient;
  /** With the secret key. */
  asService(): SupabaseClient;
  /** Signed in as one of the cast. */
  as(name: PersonName, realtime?: RealtimeClientOptions): Promise<SupabaseClient>;
  /** Signed in as alice, who owns. */
  asOwner(): Promise<SupabaseClient>;
}

export interface TestStackOptions extends Pick<
  StackOptions,
  'port' | 'tickEvery' | 'tokenLifetime' | 'log' | 'siteUrl'
> {
  /** A database that is there already; it is then not dropped. */
  database?: TestDatabase;
}

/** A stack of the test's own on a clone of the template database and a free port. Its owner is alice. */
export async function startTestStack({
  database: given,
  ...options
}: TestStackOptions = {}): Promise<TestStack> {
  const { keys, people } = inject('cluster');
  const database = given ?? (await createDatabase());
  const stack = await startStack({ port: 0, ...options, databaseUrl: database.url, prepared: keys });
  const clients: SupabaseClient[] = [];
  const client = (key = stack.publishableKey, realtime: RealtimeClientOptions = {}) => {
    const auth = { persistSession: false, autoRefreshToken: false };
    const made = createClient(stack.url, key, { auth, realtime });
    clients.push(made);
    return made;
  };
  const as = async (name: PersonName, realtime?: RealtimeClientOptions) => {
    const { email, password } = people[name];
    const made = client(undefined, realtime);
    const { error } = await made.auth.signInWithPassword({ email, password });
    if (error) throw error;
    await made.realtime.setAuth();
    return made;
  };
  return {
    ...stack,
    database,
    client,
    asService: () => client(stack.secretKey),
    as,
    asOwner: () => as('alice'),
    async stop() {
      // Each takes its time, whatever the server does.
      await Promise.all(clients.map((one) => one.removeAllChannels()));
      await stack.stop();
      if (!given) await database.drop();
    },
  };
}
