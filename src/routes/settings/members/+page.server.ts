import { ask } from '$lib/server/database/ask.ts';
import type { Database } from '$lib/server/database/database.types.ts';
import { authSettings } from '$lib/server/auth/settings.ts';
import { orAdvice } from '$lib/server/http/advice.ts';
import { readForm, refuseForm, sentence, text, trimmed, type DatabaseAnswer } from '$lib/server/http/form.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

type People = Database['public']['Functions']['hp_members']['Returns'];

export const load: PageServerLoad = async ({ locals: { session }, parent, url }) => {
  await parent(); // rejects people without access
  const [people, { confirmsByItself }] = await Promise.all([
    orAdvice(session, ask<People>(session.client.rpc('hp_members'))),
    authSettings(),
  ]);
  return {
    people: people.map((row) => ({
      // Null for an invitation that nobody has accepted yet. The types don't contain that.
      userId: row.user_id as string | null,
      email: row.email,
      role: row.role,
      pending: row.pending,
      isMe: row.is_me,
    })),
    confirmsByItself,
    address: `${url.origin}/login`,
  };
};

const invite = z.object({ email: trimmed, role: text });
const member = z.object({ user: text, email: text, role: text });

export const actions: Actions = {
  invite: async ({ request, locals }) => {
    const { email, role } = await readForm(request, invite);
    const answer = await locals.session.client.rpc('hp_invite_member', { email, role });
    return answer.error ? refuse(answer) : { done: `${email} is invited.`, invited: true };
  },
  role: async ({ request, locals }) => {
    const { user, email, role } = await readForm(request, member);
    const answer = await locals.session.client.rpc('hp_set_member_role', { user_id: user, role });
    return answer.error ? refuse(answer) : { done: `${email} now has the role ${role}.` };
  },
  remove: async ({ request, locals }) => {
    const { user, email } = await readForm(request, member);
    const answer = await locals.session.client.rpc('hp_remove_member', { user_id: user });
    return answer.error ? refuse(answer) : { done: `${email} is no longer a member.` };
  },
  withdraw: async ({ request, locals }) => {
    const { email } = await readForm(request, member);
    const answer = await locals.session.client.rpc('hp_withdraw_invite', { email });
    return answer.error ? refuse(answer) : { done: `The invitation of ${email} is withdrawn.` };
  },
};

/** The error with its hint. */
function refuse({ error, status }: DatabaseAnswer) {
  const { code, message, hint } = error!;
  const text = [message, hint ?? ''].filter(Boolean).map(sentence).join(' ');
  return refuseForm({ error: { code, message: text }, status });
}
