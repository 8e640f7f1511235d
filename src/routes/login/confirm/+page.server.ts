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
 * The target of mailed links. A link of Supabase's own mail has a code, which works only in the browser that requested it. A
 * link of a custom mail template may have the hash itself. That one waits for a click, because mail filters open every link,
 * and a link that signs in by itself could sign a person in to somebody else's account.
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
    // The link itself is still valid.
    if (error instanceof TooManyTries) redirect(303, `/login?wait=${error.seconds}`);
    if (!isAuthError(error)) throw error;
    redirect(303, '/login?stale');
  }
}
