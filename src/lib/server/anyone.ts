import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { configuration } from './configuration.ts';
import type { Database } from './database.types.ts';

const TIME_LIMIT_MS = 10_000;

let client: SupabaseClient<Database> | null = null;

/** A client that acts for somebody without a session, whoever asks. */
export function anyone(): SupabaseClient<Database> {
  if (client) return client;
  const { url, publishableKey } = configuration();
  client = createClient<Database>(url, publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: {
      fetch: (input, init) =>
        fetch(input, { ...init, signal: init?.signal ?? AbortSignal.timeout(TIME_LIMIT_MS) }),
    },
  });
  return client;
}
