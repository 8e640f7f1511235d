import { loadFleet } from '$lib/fleet-page/load.server.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = (event) => loadFleet(event);
