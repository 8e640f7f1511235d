import { fail } from '@sveltejs/kit';
import { z } from 'zod';

/** A field of a form; what is missing, or a file, is empty. */
export const text = z.string().catch('');

/** The same without spaces around it. */
export const trimmed = text.transform((value) => value.trim());

/** A field that may stand several times. */
export const several = z.preprocess((value) => (value === undefined ? [] : [value].flat()), z.array(text));

/** The fields of a form; one that stands several times is a list. */
export async function fieldsOf(request: Request): Promise<Record<string, unknown>> {
  const form = await request.formData();
  const fields = [...new Set(form.keys())].map((name) => {
    const all = form.getAll(name);
    return [name, all.length > 1 ? all : all[0]];
  });
  return Object.fromEntries(fields);
}

/** Reads a form by a schema that takes anything, such as one of {@link text} alone. */
export async function readForm<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(await fieldsOf(request));
}

/** What the database answers to a form. */
export interface DatabaseAnswer {
  error: { code: string; message: string; hint?: string | null } | null;
  status: number;
}

/**
 * What a form shows where the database refused it. Lastseen's own refusals (`PT…`) are written for people; others are not.
 *
 * @param extra what else goes back to the form
 */
export function refuseForm<E extends object>({ error, status }: DatabaseAnswer, extra: E = {} as E) {
  const { code, message, hint } = error!;
  const back = { ...extra, hint: null as string | null };
  if (status === 401) return fail(401, { ...back, message: 'Your session has ended. Sign in again.' });
  if (!code.startsWith('PT')) return fail(502, { ...back, message: 'That did not work. Try again.' });
  return fail(status, { ...back, message: sentence(message), hint: hint || null });
}

/** "the reason is too long" as "The reason is too long." */
export function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1).replace(/\.$/, '')}.`;
}
