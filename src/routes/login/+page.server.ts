import { fail, redirect } from '@sveltejs/kit';
import { authSettings } from '$lib/server/auth/settings.ts';
import { refuse, tooMany } from '$lib/server/auth/wording.ts';
import { readForm, text, trimmed } from '$lib/server/http/form.ts';
import { safePath } from '$lib/server/auth/safe-path.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, url }) => {
  const next = safePath(url.searchParams.get('next'));
  // Where Supabase is away nobody can tell whether the session still holds: then the form is there, and says so when sent.
  if (await locals.session.token().catch(() => null)) {
    if (await locals.session.isAlive()) redirect(303, next);
    await locals.session.end(); // signed out elsewhere: what lies behind would only send them here again
  }
  const { signUp, magicLink } = await authSettings();
  return {
    signUp,
    magicLink,
    query: next === '/' ? '' : `?next=${encodeURIComponent(next)}`,
    trouble: troubleOf(url.searchParams),
  };
};

/** What became of a mailed link, or of signing out. */
function troubleOf(query: URLSearchParams): string | null {
  const wait = Number(query.get('wait'));
  if (wait > 0 && wait <= 600) return tooMany(wait);
  if (query.has('here'))
    return 'You are signed out here, but Supabase could not be told: other devices are still signed in. Sign in and choose “Sign out everywhere” again.';
  return query.has('stale')
    ? 'That link is used up, too old, or was asked for in another browser. Sign in here, or ask for a new one.'
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
