import { ask } from '$lib/server/database/ask.ts';
import { configuration } from '$lib/server/database/configuration.ts';
import { orAdvice } from '$lib/server/http/advice.ts';
import { readForm, refuseForm, text, trimmed, type DatabaseAnswer } from '$lib/server/http/form.ts';
import { ago, absolute, until } from '$lib/time/wording.ts';
import { z } from 'zod';
import { visiblePattern, type Listed, type Made, type Token } from './wire.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals: { session }, parent }) => {
  await parent(); // rejects people without access
  const { tokens, unknown } = await orAdvice(
    session,
    ask<Listed>(session.client.rpc('hp_list_worker_tokens')),
  );
  return { tokens: tokens.map(inText), unknown: { count: unknown.count, at: when(unknown.at) } };
};

/** Formatted here, because a clock in the page would add to the fleet page's code, and these times need no updates. */
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

const newToken = z.object({ label: trimmed, pattern: trimmed, lasts: text });
const oldToken = z.object({ id: z.coerce.number().catch(0) });

export const actions: Actions = {
  make: async ({ request, locals }) => {
    const { label, pattern, lasts } = await readForm(request, newToken);
    const answer = await locals.session.client.rpc('hp_create_worker_token', {
      label,
      name_pattern: pattern,
      expires_in: lasts || undefined,
    });
    if (answer.error) return refuse(answer, { asked: { label, pattern } });
    const made = answer.data as unknown as Made;
    const { url, publishableKey } = configuration();
    const lines = [
      `SUPABASE_URL=${url}`,
      `SUPABASE_PUBLISHABLE_KEY=${publishableKey}`,
      `HEARTBEAT_TOKEN=${made.token}`,
      // A pattern is for several workers, and each has its own name.
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
    const { id } = await readForm(request, oldToken);
    const answer = await locals.session.client.rpc('hp_revoke_worker_token', { token_id: id });
    if (answer.error) return refuse(answer);
    return { done: `The token for ${(answer.data as { label: string }).label} is revoked.` };
  },
};

function refuse(
  { error, status }: DatabaseAnswer,
  back: { asked?: { label: string; pattern: string } } = {},
) {
  const { code, message } = error!;
  const field = message.split(' ', 1)[0]!;
  return refuseForm({ error: { code, message: TEXT[field] ?? message }, status }, back);
}

/** The error message for each field that the database names. */
const TEXT: Record<string, string> = {
  label: 'Describe in 1 to 100 characters what the token is for.',
  name_pattern: 'Worker names can have letters, digits and @ : . _ / -. Use * for any characters.',
  expires_in: 'A token can last up to 10 years.',
};
