import { answer, answerAnyone } from '$lib/server/answer.ts';
import { anyonesFor } from '$lib/server/anyones.ts';
import { BAR_LASTS_S, readBar } from '$lib/server/bar.ts';
import type { RequestHandler } from './$types';

/** The status line, for a page that shows it. */
export const GET: RequestHandler = async (event) => {
  const key = event.url.searchParams.get('key');
  const read = async () => (await readBar(event.locals.session, key)).bar;
  const response = await (key === null ? answer(read) : answerAnyone(read));
  if (key !== null && response.ok) anyonesFor(BAR_LASTS_S, event);
  return response;
};
