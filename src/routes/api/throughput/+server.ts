import { answer, keptFor } from '$lib/server/answer.ts';
import { readThroughput } from '$lib/server/history.ts';
import type { RequestHandler } from './$types';

/** Jobs a minute of the whole fleet over the last hour. */
export const GET: RequestHandler = async ({ locals }) =>
  keptFor(15, await answer(() => readThroughput(locals.session)));
