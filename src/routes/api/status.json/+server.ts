import { answerPublic, jsonAnswer } from '$lib/server/http/answer.ts';
import { cachePublicly } from '$lib/server/http/public-cache.ts';
import { PUBLIC_STATUS_LASTS_S, publicStatus } from '$lib/public/status.server.ts';
import type { RequestHandler } from './$types';

/** The public page as data, for everybody while it is on: docs/api.md. */
export const GET: RequestHandler = async (event) => {
  let off = false;
  const response = await answerPublic(async () => {
    const status = await publicStatus();
    off = status === null;
    return status;
  });
  if (!response.ok) return response;
  cachePublicly(PUBLIC_STATUS_LASTS_S, event);
  // Public data, so pages of any site may read it.
  event.setHeaders({ 'access-control-allow-origin': '*' });
  return off ? jsonAnswer({ kind: 'off', message: 'There is no public page here' }, 404) : response;
};
