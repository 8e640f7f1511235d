import { error, fail } from '@sveltejs/kit';
import { isAuthApiError } from '@supabase/supabase-js';
import { authSettings } from '$lib/server/auth/settings.ts';
import { refuse } from '$lib/server/auth/wording.ts';
import { readForm, trimmed } from '$lib/server/http/form.ts';
import { safePath } from '$lib/server/auth/safe-path.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async () => {
  if (!(await authSettings()).magicLink) error(404);
};

const address = z.object({ email: trimmed });

export const actions: Actions = {
  default: async ({ request, locals, url }) => {
    if (!(await authSettings()).magicLink) error(404);
    const { email } = await readForm(request, address);
    if (!email) return fail(400, { email, message: 'Enter your email address.' });
    const next = safePath(url.searchParams.get('next'));
    try {
      await locals.session.mailLink(email, `${url.origin}/login/confirm?next=${encodeURIComponent(next)}`);
    } catch (trouble) {
      // Don't show whether an address has an account.
      const unknown =
        isAuthApiError(trouble) && ['otp_disabled', 'signup_disabled'].includes(trouble.code ?? '');
      if (!unknown) return refuse(trouble, email, 'No mail could be sent to this address.');
    }
    return { email, sent: true };
  },
};
