import { redirect } from '@sveltejs/kit';
import { isAuthError } from '@supabase/supabase-js';
import { safePath } from '$lib/server/auth/safe-path.ts';
import { TooManyTries } from '$lib/server/auth/sign-in-limit.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

const link = z.object({
  token_hash: z.string().min(1),
  type: z.enum(['signup', 'invite', 'magiclink', 'recovery', 'email', 'email_change']),
});

/**
 * Where mailed links lead. One made by Supabase's own mail brings a code, of use only in the browser that asked for it.
 * A mail template of one's own may bring the hash itself: that waits for a click, for mail filters open every link they
 * see, and a link that signed in by itself could sign somebody in to an account of another's choice.
 */
export const load: PageServerLoad = async ({ url, locals }) => {
  const code = url.searchParams.get('code');
  if (code) {
    await redeem(() => locals.session.redeemCode(code));
    redirect(303, safePath(url.searchParams.get('next')));
  }
  if (!hashIn(url)) redirect(303, '/login?stale');
};

export const actions: Actions = {
  default: async ({ url, locals }) => {
    const found = hashIn(url);
    if (!found) redirect(303, '/login?stale');
    await redeem(() => locals.session.redeemHash(found.token_hash, found.type));
    redirect(303, safePath(url.searchParams.get('next')));
  },
};

function hashIn(url: URL): z.infer<typeof link> | null {
  return link.safeParse(Object.fromEntries(url.searchParams)).data ?? null;
}

async function redeem(attempt: () => Promise<void>): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    // The link itself is still good.
    if (error instanceof TooManyTries) redirect(303, `/login?wait=${error.seconds}`);
    if (!isAuthError(error)) throw error;
    redirect(303, '/login?stale');
  }
}
