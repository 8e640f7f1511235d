import { fail } from '@sveltejs/kit';
import { z } from 'zod';

/** A text field of a form; empty if it is missing or a file. */
export const text = z.string().catch('');

/** The same, trimmed. */
export const trimmed = text.transform((value) => value.trim());

/** A field that may occur several times. */
export const several = z.preprocess((value) => (value === undefined ? [] : [value].flat()), z.array(text));

/** The fields of a form; a field that occurs several times is a list. */
export async function fieldsOf(request: Request): Promise<Record<string, unknown>> {
  const form = await request.formData();
  const fields = [...new Set(form.keys())].map((name) => {
    const all = form.getAll(name);
    return [name, all.length > 1 ? all : all[0]];
  });
  return Object.fromEntries(fields);
}

/** Reads a form with a schema that accepts any input, such as one of {@link text} fields only. */
export async function readForm<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(await fieldsOf(request));
}

/** The database's answer to a form. */
export interface DatabaseAnswer {
  error: { code: string; message: string; hint?: string | null } | null;
  status: number;
}

/**
 * The error to show when the database refused a form. Lastseen's own errors (`PT…`) are written for people; others are not.
 *
 * @param extra other data for the form
 */
export function refuseForm<E extends object>({ error, status }: DatabaseAnswer, extra: E = {} as E) {
  const { code, message, hint } = error!;
  const back = { ...extra, hint: null as string | null };
  if (status === 401) return fail(401, { ...back, message: 'Your session has ended. Sign in again.' });
  if (!code.startsWith('PT'))
    return fail(502, { ...back, message: 'The database did not save this. Try again.' });
  return fail(status, { ...back, message: sentence(message), hint: hint || null });
}

/** "the reason is too long" as "The reason is too long." */
export function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1).replace(/\.$/, '')}.`;
}
