import { error, fail, redirect } from '@sveltejs/kit';
import { authSettings } from '$lib/server/auth/settings.ts';
import { refuse } from '$lib/server/auth/wording.ts';
import { safePath } from '$lib/server/auth/safe-path.ts';
import type { Actions, PageServerLoad } from './$types';

/** Auth's own least, unless the project asks for more. */
const SHORTEST_PASSWORD = 8;

export const load: PageServerLoad = async () => {
  if (!(await authSettings()).signUp) error(404);
};

/** An account alone sees nothing: it is for those whom an owner has invited. */
export const actions: Actions = {
  default: async ({ request, locals, url }) => {
    if (!(await authSettings()).signUp) error(404);
    const form = await request.formData();
    const email = String(form.get('email') ?? '').trim();
    const password = String(form.get('password') ?? '');
    if (!email) return fail(400, { email, message: 'Enter your email address.' });
    if (password.length < SHORTEST_PASSWORD)
      return fail(400, {
        email,
        message: `The password must have at least ${SHORTEST_PASSWORD} characters.`,
      });
    const next = safePath(url.searchParams.get('next'));
    let signedIn: boolean;
    try {
      const confirm = `${url.origin}/login/confirm?next=${encodeURIComponent(next)}`;
      signedIn = await locals.session.signUp(email, password, confirm);
    } catch (trouble) {
      return refuse(trouble, email, 'This address and password were not accepted.');
    }
    if (signedIn) redirect(303, next);
    return { email, sent: true };
  },
};
