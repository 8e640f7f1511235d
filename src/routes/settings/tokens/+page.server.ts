import { error, fail } from '@sveltejs/kit';
import { advice } from '$lib/server/http/advice.ts';
import { configuration } from '$lib/server/database/configuration.ts';
import { refusal } from '$lib/server/database/refusal.ts';
import type { PostgrestError } from '@supabase/supabase-js';
import { ago, absolute, until } from '$lib/time/wording.ts';
import { visiblePattern, type Listed, type Made, type Token } from './wire.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, parent }) => {
  await parent(); // says who may be here, in words
  const { data, error: trouble, status } = await locals.session.client.rpc('hp_list_worker_tokens');
  if (trouble) {
    const refused = refusal(status, trouble.code, trouble.message);
    error(refused.status, await advice(refused, locals.session));
  }
  const { tokens, unknown } = data as unknown as Listed;
  return { tokens: tokens.map(inText), unknown: { count: unknown.count, at: when(unknown.at) } };
};

/** The words are made here: a clock in the page would add to what the fleet page loads, and nobody waits for these. */
function when(instant: string | null) {
  if (!instant) return null;
  const date = new Date(instant);
  const left = date.getTime() - Date.now();
  return { at: instant, title: absolute(date), words: left > 0 ? until(left) : ago(-left) };
}

const inText = (token: Token) => ({
  ...token,
  name_pattern: visiblePattern(token.name_pattern),
  created_at: when(token.created_at)!,
  last_used_at: when(token.last_used_at),
  expires_at: when(token.expires_at),
  revoked_at: when(token.revoked_at),
  refused_at: when(token.refused_at),
});

export const actions: Actions = {
  make: async ({ request, locals }) => {
    const form = await request.formData();
    const asked = { label: text(form, 'label').trim(), pattern: text(form, 'pattern').trim() };
    const {
      data,
      error: trouble,
      status,
    } = await locals.session.client.rpc('hp_create_worker_token', {
      label: asked.label,
      name_pattern: asked.pattern,
      expires_in: text(form, 'lasts') || undefined,
    });
    if (trouble) return refuse(trouble, status, asked);
    const made = data as unknown as Made;
    const { url, publishableKey } = configuration();
    const lines = [
      `SUPABASE_URL=${url}`,
      `SUPABASE_PUBLISHABLE_KEY=${publishableKey}`,
      `HEARTBEAT_TOKEN=${made.token}`,
      // With a pattern there are several workers, and each has its own name.
      ...(made.name_pattern.includes('%') ? [] : [`WORKER_NAME=${made.name_pattern}`]),
    ];
    return {
      made: {
        id: made.token_id,
        label: made.label,
        pattern: visiblePattern(made.name_pattern),
        lines: lines.join('\n'),
      },
    };
  },
  revoke: async ({ request, locals }) => {
    const id = Number(text(await request.formData(), 'id'));
    const {
      data,
      error: trouble,
      status,
    } = await locals.session.client.rpc('hp_revoke_worker_token', { token_id: id });
    if (trouble) return refuse(trouble, status);
    return { done: `The token for ${(data as { label: string }).label} is revoked.` };
  },
};

function text(form: FormData, field: string): string {
  const value = form.get(field);
  return typeof value === 'string' ? value : '';
}

function refuse(
  { code, message }: PostgrestError,
  status: number,
  asked?: { label: string; pattern: string },
) {
  if (status === 401) return fail(401, { message: 'Your session has ended. Sign in again.', asked });
  // Ours name what is wrong in words; others are not for people.
  if (!code.startsWith('PT'))
    return fail(502, { message: 'The database did not save this. Try again.', asked });
  const field = message.split(' ', 1)[0]!;
  const text = TEXT[field] ?? `${message[0]!.toUpperCase()}${message.slice(1)}.`;
  return fail(status, { message: text, asked });
}

/** What is wrong, by the field that the database names. */
const TEXT: Record<string, string> = {
  label: 'Describe in 1 to 100 characters what the token is for.',
  name_pattern: 'Worker names can have letters, digits and @ : . _ / -. Use * for any characters.',
  expires_in: 'A token can last up to 10 years.',
};
