import { answer } from '$lib/server/http/answer.ts';
import { queryOf } from '$lib/server/http/query.ts';
import { ofKnown, readCommands } from '$lib/worker-page/worker.server.ts';
import { z } from 'zod';
import type { RequestHandler } from './$types';

const wanted = z.object({
  before: z
    .string()
    .regex(/^(\d{1,15})?$/, { error: 'before must be the id of a command' })
    .optional(),
});

/** `?before=<id>`: a page of the worker's earlier commands. */
export const GET: RequestHandler = ({ locals, params, url }) =>
  answer(async () => {
    const { before } = queryOf(url, wanted);
    return ofKnown(
      locals.session,
      params.name,
      () => readCommands(locals.session, params.name, before ? Number(before) : undefined),
      ({ list }) => list.length > 0,
    );
  });
