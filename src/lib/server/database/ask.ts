import type { SupabaseClient } from '@supabase/supabase-js';
import type { Session } from '../auth/session.ts';
import type { Database } from './database.types.ts';
import { Refused, refusal } from './refusal.ts';

/** A query or call of supabase-js. */
export type Question<T> = PromiseLike<{
  data: T | null;
  error: { code: string; message: string } | null;
  status: number;
}>;

/** Runs a query. The caller gives the type, because PostgreSQL's `json` has none. @throws {Refused} */
export async function ask<T>(question: Question<unknown>): Promise<T> {
  const { data, error, status } = await question;
  if (error) throw refusal(status, error.code, error.message);
  return data as T;
}

/**
 * The same as the signed-in person. Without a session, the database would run the query as anon, and report a missing
 * function.
 *
 * @throws {Refused}
 */
export async function askAs<T>(
  session: Session,
  question: (client: SupabaseClient<Database>) => Question<unknown>,
): Promise<T> {
  if (!(await session.token())) throw new Refused('signed-out', 'no session');
  return ask(question(session.client));
}
