import { error, redirect } from '@sveltejs/kit';
import { advice } from '$lib/server/advice.ts';
import { anyonesFor } from '$lib/server/anyones.ts';
import { BAR_LASTS_S, readBar } from '$lib/server/bar.ts';
import { Refused } from '$lib/server/fleet.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  const key = event.url.searchParams.get('key');
  try {
    const { bar, frameAncestors } = await readBar(event.locals.session, key);
    event.locals.frameAncestors = frameAncestors;
    // The address may hold a key.
    event.setHeaders({ 'referrer-policy': 'no-referrer' });
    if (key !== null) anyonesFor(BAR_LASTS_S, event);
    return { bar, key };
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.kind !== 'signed-out') error(refused.status, advice(refused));
    if (key === null) redirect(303, '/login?next=%2Fbar');
    error(401, {
      message: 'This embed key is not valid',
      advice: 'It may have been revoked. An owner makes another one, under Settings, Public page.',
    });
  }
};
