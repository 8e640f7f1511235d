import { answer } from '$lib/server/http/answer.ts';
import { readWorker } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/** All that the page of one worker shows, for one that is open. */
export const GET: RequestHandler = ({ locals, params }) =>
  answer(() => readWorker(locals.session, params.name));
