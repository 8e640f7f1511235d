import { answer } from '$lib/server/http/answer.ts';
import { keepWatchingWorker } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/** "Somebody watches this worker": asked once a minute by its open page. */
export const POST: RequestHandler = ({ locals, params }) =>
  answer(() => keepWatchingWorker(locals.session, params.name));
