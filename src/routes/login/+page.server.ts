import { fail, redirect } from '@sveltejs/kit';
import { authSettings } from '$lib/server/auth/settings.ts';
import { refuse, tooMany } from '$lib/server/auth/wording.ts';
import { readForm, text, trimmed } from '$lib/server/http/form.ts';
import { safePath } from '$lib/server/auth/safe-path.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, url }) => {
  const next = safePath(url.searchParams.get('next'));
  // If Supabase is down, nobody knows whether the session is valid. The form then appears, and shows the error when sent.
  if (await locals.session.token().catch(() => null)) {
    if (await locals.session.isAlive()) redirect(303, next);
    await locals.session.end(); // signed out elsewhere, so the next page would only redirect here again
  }
  const { signUp, magicLink } = await authSettings();
  return {
    signUp,
    magicLink,
    query: next === '/' ? '' : `?next=${encodeURIComponent(next)}`,
    trouble: troubleOf(url.searchParams),
  };
};

/** The error of a mailed link or of signing out. */
function troubleOf(query: URLSearchParams): string | null {
  const wait = Number(query.get('wait'));
  if (wait > 0 && wait <= 600) return tooMany(wait);
  if (query.has('here'))
    return 'You are signed out here, but Supabase could not be reached, so other devices are still signed in. Sign in, and choose “Sign out everywhere” again.';
  return query.has('stale')
    ? 'This link was already used, has expired, or was requested in another browser. Sign in here, or request a new link.'
    : null;
}

const credentials = z.object({ email: trimmed, password: text });

export const actions: Actions = {
  default: async ({ request, locals, url }) => {
    const { email, password } = await readForm(request, credentials);
    if (!email || !password)
      return fail(400, { email, message: 'Enter your email address and your password.' });
    try {
      await locals.session.begin(email, password);
    } catch (error) {
      return refuse(error, email, 'Wrong email address or password.');
    }
    redirect(303, safePath(url.searchParams.get('next')));
  },
};
