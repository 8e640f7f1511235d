import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { configuration } from './configuration.ts';
import type { Database } from './database.types.ts';
import { fetchSupabase } from './fetch-supabase.ts';

let client: SupabaseClient<Database> | null = null;

/** A client that acts for somebody without a session, whoever asks. */
export function publicClient(): SupabaseClient<Database> {
  return (client ??= create());
}

/** A client that acts for whom an access token of Supabase Auth names. */
export function bearer(accessToken: string): SupabaseClient<Database> {
  return create({ authorization: `Bearer ${accessToken}` });
}

function create(headers: Record<string, string> = {}): SupabaseClient<Database> {
  const { url, publishableKey } = configuration();
  return createClient<Database>(url, publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { headers, fetch: fetchSupabase },
  });
}
