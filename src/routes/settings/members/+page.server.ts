import { error, fail } from '@sveltejs/kit';
import { advice } from '$lib/server/http/advice.ts';
import { authSettings } from '$lib/server/auth/settings.ts';
import { refusal } from '$lib/server/database/refusal.ts';
import type { PostgrestError } from '@supabase/supabase-js';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, parent, url }) => {
  await parent(); // says who may be here, in words
  const [{ data, error: trouble, status }, { confirmsByItself }] = await Promise.all([
    locals.session.client.rpc('hp_members'),
    authSettings(),
  ]);
  if (trouble) {
    const refused = refusal(status, trouble.code, trouble.message);
    error(refused.status, await advice(refused, locals.session));
  }
  return {
    people: data.map((row) => ({
      // Null for an invite: nobody has come yet. The types don't know that.
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

export const actions: Actions = {
  invite: async ({ request, locals }) => {
    const form = await request.formData();
    const email = text(form, 'email').trim();
    const role = text(form, 'role');
    const { error: trouble, status } = await locals.session.client.rpc('hp_invite_member', { email, role });
    return trouble ? refuse(trouble, status) : { done: `${email} is invited.`, invited: true };
  },
  role: async ({ request, locals }) => {
    const form = await request.formData();
    const role = text(form, 'role');
    const { error: trouble, status } = await locals.session.client.rpc('hp_set_member_role', {
      user_id: text(form, 'user'),
      role,
    });
    return trouble ? refuse(trouble, status) : { done: `${text(form, 'email')} now has the role ${role}.` };
  },
  remove: async ({ request, locals }) => {
    const form = await request.formData();
    const { error: trouble, status } = await locals.session.client.rpc('hp_remove_member', {
      user_id: text(form, 'user'),
    });
    return trouble ? refuse(trouble, status) : { done: `${text(form, 'email')} is no longer a member.` };
  },
  withdraw: async ({ request, locals }) => {
    const email = text(await request.formData(), 'email');
    const { error: trouble, status } = await locals.session.client.rpc('hp_withdraw_invite', { email });
    return trouble ? refuse(trouble, status) : { done: `The invitation of ${email} is withdrawn.` };
  },
};

function text(form: FormData, field: string): string {
  const value = form.get(field);
  return typeof value === 'string' ? value : '';
}

function refuse({ code, message, hint }: PostgrestError, status: number) {
  if (status === 401) return fail(401, { message: 'Your session has ended. Sign in again.' });
  // Ours name what is wrong in words; others are not for people.
  if (!code.startsWith('PT')) return fail(502, { message: 'The database did not save this. Try again.' });
  const text = [message, hint]
    .filter(Boolean)
    .map((one) => one[0]!.toUpperCase() + one.slice(1).replace(/\.$/, ''))
    .join('. ');
  return fail(status, { message: `${text}.` });
}
