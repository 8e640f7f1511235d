import { answer, answerPublic } from '$lib/server/http/answer.ts';
import { cachePublicly } from '$lib/server/http/public-cache.ts';
import { BAR_LASTS_S, readBar } from '$lib/public/bar.server.ts';
import type { RequestHandler } from './$types';

/** The status line's data. */
export const GET: RequestHandler = async (event) => {
  const key = event.url.searchParams.get('key');
  const read = async () => (await readBar(event.locals.session, key)).bar;
  const response = await (key === null ? answer(read) : answerPublic(read));
  if (key !== null && response.ok) cachePublicly(BAR_LASTS_S, event);
  return response;
};
