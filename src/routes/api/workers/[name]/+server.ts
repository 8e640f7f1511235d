import { answer } from '$lib/server/answer.ts';
import { readWorker } from '$lib/server/worker.ts';
import type { RequestHandler } from './$types';

/** All that the page of one worker shows, for one that is open. */
export const GET: RequestHandler = ({ locals, params }) =>
  answer(() => readWorker(locals.session, params.name));
