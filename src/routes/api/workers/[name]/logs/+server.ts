import { answer } from '$lib/server/http/answer.ts';
import { queryOf } from '$lib/server/http/query.ts';
import { fileNameOf, logsWanted, logText, readLogs } from '$lib/worker-page/log/log.server.ts';
import { ofKnown } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/**
 * `?limit=100&level=warn&search=timeout&before=4711`: lines of a worker's log, oldest first. `&format=txt`: all stored
 * lines that match the level and the search, as a file.
 */
export const GET: RequestHandler = async ({ locals: { session }, params: { name }, url }) => {
  if (url.searchParams.get('format') !== 'txt')
    return answer(async () => {
      const wanted = queryOf(url, logsWanted);
      return ofKnown(
        session,
        name,
        () => readLogs(session, name, wanted),
        ({ lines }) => lines.length > 0,
      );
    });
  let text = '';
  const answered = await answer(async () => {
    const wanted = queryOf(url, logsWanted);
    text = await ofKnown(
      session,
      name,
      () => logText(session, name, wanted),
      (found) => found !== '',
    );
    return null;
  });
  if (!answered.ok) return answered;
  return new Response(text, {
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `attachment; filename="${fileNameOf(name, '.log.txt')}"`,
    },
  });
};
