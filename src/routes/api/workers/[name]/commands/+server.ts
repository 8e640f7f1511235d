import { answer } from '$lib/server/answer.ts';
import { readCommands } from '$lib/server/worker.ts';
import type { RequestHandler } from './$types';

/** `?before=<id>`: a page of what was asked of the worker earlier. */
export const GET: RequestHandler = ({ locals, params, url }) =>
  answer(() =>
    readCommands(locals.session, params.name, Number(url.searchParams.get('before')) || undefined),
  );
