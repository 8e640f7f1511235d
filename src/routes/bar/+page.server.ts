import { error, redirect } from '@sveltejs/kit';
import { advice } from '$lib/server/http/advice.ts';
import { knownSites, readBar } from '$lib/public/bar.server.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  const { locals, url } = event;
  const key = url.searchParams.get('key');
  // The address may contain a key.
  event.setHeaders({ 'referrer-policy': 'no-referrer' });
  try {
    const { bar, frameAncestors } = await readBar(locals.session, key);
    locals.frameAncestors = frameAncestors;
    return { bar, key };
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (key === null) {
      if (refused.kind === 'signed-out') redirect(303, '/login?next=%2Fbar');
      locals.frameAncestors = knownSites() ?? [];
      error(refused.status, await advice(refused, locals.session));
    }
    // While the allowed sites are not known, any site may frame this error, which has only two sentences and no buttons.
    locals.frameAncestors = knownSites() ?? ['*'];
    if (refused.kind !== 'signed-out')
      error(503, {
        message: 'The status is not available',
        advice: 'The page tries again every 30 seconds.',
      });
    error(401, {
      message: 'This embed key is not valid',
      advice: 'It may have been revoked. An owner can make a new one under Settings → Public page.',
    });
  }
};
