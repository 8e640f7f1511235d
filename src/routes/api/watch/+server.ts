import { answer } from '$lib/server/http/answer.ts';
import { keepWatching } from '$lib/server/database/fleet.ts';
import type { RequestHandler } from './$types';

/** "Somebody watches": asked once a minute by every open page. */
export const POST: RequestHandler = ({ locals }) => answer(() => keepWatching(locals.session));
