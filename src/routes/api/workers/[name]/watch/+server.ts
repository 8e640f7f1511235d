import { answer } from '$lib/server/http/answer.ts';
import { keepWatchingWorker } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/** Reports a viewer of this worker. Its open page calls this about once a minute. */
export const POST: RequestHandler = ({ locals, params }) =>
  answer(() => keepWatchingWorker(locals.session, params.name));
