import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { configuration } from './configuration.ts';
import type { Database } from './database.types.ts';
import { fetchSupabase } from './fetch-supabase.ts';

let client: SupabaseClient<Database> | null = null;

/** A client without a session, for everybody. */
export function publicClient(): SupabaseClient<Database> {
  return (client ??= create());
}

/** A client with the rights of a Supabase Auth access token. */
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
