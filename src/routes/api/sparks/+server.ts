import { answer, keptFor } from '$lib/server/http/answer.ts';
import { readSparks } from '$lib/worker-page/charts/history.server.ts';
import type { RequestHandler } from './$types';

/** Jobs a minute of up to 200 workers over the last hour: `ids=1,2,3`, by worker_id. */
export const GET: RequestHandler = async ({ locals, url }) =>
  keptFor(15, await answer(() => readSparks(locals.session, url.searchParams.get('ids') ?? '')));
