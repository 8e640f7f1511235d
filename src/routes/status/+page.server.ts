import { error } from '@sveltejs/kit';
import { anyonesFor } from '$lib/server/anyones.ts';
import { Refused } from '$lib/server/fleet.ts';
import { PUBLIC_STATUS_LASTS_S, publicStatus } from '$lib/server/public-status.ts';
import type { PageServerLoad } from './$types';

/** Without scripts: there is nothing to click, and anyone gets it, on any device. */
export const csr = false;

const REFRESH_S = 30;

export const load: PageServerLoad = async (event) => {
  // Also where there is an error: it may be gone by then.
  event.setHeaders({ refresh: String(REFRESH_S) });
  const status = await publicStatus().catch((refused: unknown) => {
    if (!(refused instanceof Refused)) throw refused;
    // Anyone may read this: what stands in the way is for the members' own page.
    error(503, { message: 'The status is not available', advice: 'Try again in a moment.' });
  });
  anyonesFor(PUBLIC_STATUS_LASTS_S, event);
  if (!status) error(404, 'There is no such page');
  return { status };
};
