import { readSparks } from '$lib/fleet-page/list/last-hour.server.ts';
import { answer, keptFor } from '$lib/server/http/answer.ts';
import { queryOf } from '$lib/server/http/query.ts';
import { z } from 'zod';
import type { RequestHandler } from './$types';

const MOST = 200;
const wanted = z.object({
  ids: z
    .string()
    .default('')
    .transform((ids) => (ids === '' ? [] : ids.split(',')))
    .refine((ids) => ids.length <= MOST && ids.every((id) => /^[1-9]\d{0,14}$/.test(id)), {
      error: `ids must be at most ${MOST} numbers with commas between them`,
    })
    .transform((ids) => ids.map(Number)),
});

/** Jobs a minute of up to 200 workers over the last hour: `ids=1,2,3`, by worker_id. */
export const GET: RequestHandler = async ({ locals, url }) =>
  keptFor(15, await answer(async () => readSparks(locals.session, queryOf(url, wanted).ids)));
