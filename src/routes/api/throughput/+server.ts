import { answer, keptFor } from '$lib/server/http/answer.ts';
import { readThroughput } from '$lib/fleet-page/list/last-hour.server.ts';
import type { RequestHandler } from './$types';

/** Jobs a minute of the whole fleet over the last hour. */
export const GET: RequestHandler = async ({ locals }) =>
  keptFor(15, await answer(() => readThroughput(locals.session)));
