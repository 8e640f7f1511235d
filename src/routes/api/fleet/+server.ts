import { answer } from '$lib/server/http/answer.ts';
import { readFleet } from '$lib/server/database/fleet.ts';
import type { RequestHandler } from './$types';

/** The snapshot, for a page that follows the fleet. */
export const GET: RequestHandler = ({ locals }) => answer(() => readFleet(locals.session));
