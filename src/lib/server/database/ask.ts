import type { SupabaseClient } from '@supabase/supabase-js';
import type { Session } from '../auth/session.ts';
import type { Database } from './database.types.ts';
import { Refused, refusal } from './refusal.ts';

/** What supabase-js gives for a query or a call. */
export type Question<T> = PromiseLike<{
  data: T | null;
  error: { code: string; message: string } | null;
  status: number;
}>;

/** The answer to a question, typed as the caller knows it: PostgreSQL's `json` has no type. @throws {Refused} */
export async function ask<T>(question: Question<unknown>): Promise<T> {
  const { data, error, status } = await question;
  if (error) throw refusal(status, error.code, error.message);
  return data as T;
}

/**
 * The same in the name of whoever is signed in. Without a session the database would be asked as anon, and answer that there
 * is no such function.
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
