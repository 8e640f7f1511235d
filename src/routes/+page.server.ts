import { loadFleet } from '$lib/server/fleet-page.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = (event) => loadFleet(event);
