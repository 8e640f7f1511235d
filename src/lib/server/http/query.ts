import type { z } from 'zod';
import { Refused } from '../database/refusal.ts';

/** Reads the query of an address with a schema; each name counts once. @throws {Refused} 'invalid' */
export function queryOf<T>(url: URL, schema: z.ZodType<T>): T {
  const { data, error } = schema.safeParse(Object.fromEntries(url.searchParams));
  if (error) throw new Refused('invalid', error.issues[0]!.message);
  return data as T;
}
