import { error, fail, redirect } from '@sveltejs/kit';
import { authSettings } from '$lib/server/auth/settings.ts';
import { refuse } from '$lib/server/auth/wording.ts';
import { fieldsOf, text, trimmed } from '$lib/server/http/form.ts';
import { safePath } from '$lib/server/auth/safe-path.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

/** Auth's own minimum, unless the project requires more. */
const SHORTEST_PASSWORD = 8;

export const load: PageServerLoad = async () => {
  if (!(await authSettings()).signUp) error(404);
};

const credentials = z.object({
  email: trimmed.refine((email) => email !== '', { error: 'Enter your email address.' }),
  password: text.refine((password) => password.length >= SHORTEST_PASSWORD, {
    error: `The password must have at least ${SHORTEST_PASSWORD} characters.`,
  }),
});

/** An account alone sees nothing. Only invited people become members. */
export const actions: Actions = {
  default: async ({ request, locals, url }) => {
    if (!(await authSettings()).signUp) error(404);
    const fields = await fieldsOf(request);
    const { data, error: wrong } = credentials.safeParse(fields);
    if (wrong) return fail(400, { email: String(fields.email ?? ''), message: wrong.issues[0]!.message });
    const { email, password } = data;
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
