import { fail, redirect } from '@sveltejs/kit';
import { isAuthApiError, isAuthRetryableFetchError } from '@supabase/supabase-js';
import { safePath } from '$lib/server/redirect.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, url }) => {
  // Where Supabase is away nobody can tell whether the session still holds: then the form is there, and says so when sent.
  if (await locals.session.token().catch(() => null)) redirect(303, safePath(url.searchParams.get('next')));
};

export const actions: Actions = {
  default: async ({ request, locals, url }) => {
    const form = await request.formData();
    const email = String(form.get('email') ?? '').trim();
    const password = String(form.get('password') ?? '');
    if (!email || !password)
      return fail(400, { email, message: 'Enter your email address and your password.' });
    try {
      await locals.session.begin(email, password);
    } catch (error) {
      return refuse(error, email);
    }
    redirect(303, safePath(url.searchParams.get('next')));
  },
};

function refuse(error: unknown, email: string) {
  if (isAuthApiError(error) && error.code === 'email_not_confirmed') {
    return fail(400, {
      email,
      message: 'This address is not confirmed yet. Look for the mail that asks you to.',
    });
  }
  if (isAuthApiError(error) && error.status === 429) {
    return fail(429, { email, message: 'Too many attempts. Wait a minute and try again.' });
  }
  if (isAuthApiError(error) && error.status < 500) {
    return fail(400, { email, message: 'Wrong email address or password.' });
  }
  if (isAuthRetryableFetchError(error) || isAuthApiError(error)) {
    return fail(503, { email, message: 'Supabase could not be reached. Try again in a moment.' });
  }
  throw error;
}
