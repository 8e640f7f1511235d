import { answer, jsonAnswer } from '$lib/server/http/answer.ts';
import { fileNameOf, logText, logsWanted, readLogs } from '$lib/worker-page/log/log.server.ts';
import { ofKnown } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/**
 * `?limit=100&level=warn&search=timeout&before=4711`: lines of a worker's log, the oldest first. `&format=txt`: all that
 * is kept and fits the level and the search, as a file.
 */
export const GET: RequestHandler = async ({ locals, params, url }) => {
  const wanted = logsWanted(url.searchParams);
  if (!wanted)
    return jsonAnswer({ kind: 'broken', message: 'level must be debug, info, warn or error' }, 400);
  if (url.searchParams.get('format') !== 'txt')
    return answer(() =>
      ofKnown(
        locals.session,
        params.name,
        () => readLogs(locals.session, params.name, wanted),
        (log) => (log as { lines: unknown[] }).lines.length > 0,
      ),
    );
  let text = '';
  const answered = await answer(async () => {
    text = await ofKnown(
      locals.session,
      params.name,
      () => logText(locals.session, params.name, wanted),
      (found) => found !== '',
    );
    return null;
  });
  if (!answered.ok) return answered;
  return new Response(text, {
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `attachment; filename="${fileNameOf(params.name, '.log.txt')}"`,
    },
  });
};
