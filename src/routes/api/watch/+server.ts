import { answer } from '$lib/server/http/answer.ts';
import { keepWatching } from '$lib/server/database/fleet.ts';
import type { RequestHandler } from './$types';

/** Reports a viewer. Every open page calls this about once a minute. */
export const POST: RequestHandler = ({ locals }) => answer(() => keepWatching(locals.session));
