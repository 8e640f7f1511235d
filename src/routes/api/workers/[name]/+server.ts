import { answer } from '$lib/server/http/answer.ts';
import { readWorker } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/** The data of one worker page, for an open page. */
export const GET: RequestHandler = ({ locals, params }) =>
  answer(() => readWorker(locals.session, params.name));
