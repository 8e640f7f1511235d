import { answer, jsonAnswer } from '$lib/server/http/answer.ts';
import { ofKnown, readCommands } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/** `?before=<id>`: a page of what was asked of the worker earlier. */
export const GET: RequestHandler = ({ locals, params, url }) => {
  const before = url.searchParams.get('before') || null;
  if (before && !/^\d{1,15}$/.test(before))
    return jsonAnswer({ kind: 'invalid', message: 'before must be the id of a command' }, 400);
  return answer(() =>
    ofKnown(
      locals.session,
      params.name,
      async () => readCommands(locals.session, params.name, before ? Number(before) : undefined),
      ({ list }) => list.length > 0,
    ),
  );
};
