import { answerAnyone, jsonAnswer } from '$lib/server/answer.ts';
import { anyonesFor } from '$lib/server/anyones.ts';
import { PUBLIC_STATUS_LASTS_S, publicStatus } from '$lib/server/public-status.ts';
import type { RequestHandler } from './$types';

/** The public page as data, for anyone while it is on: docs/api.md. */
export const GET: RequestHandler = async (event) => {
  let off = false;
  const response = await answerAnyone(async () => {
    const status = await publicStatus();
    off = status === null;
    return status;
  });
  if (!response.ok) return response;
  anyonesFor(PUBLIC_STATUS_LASTS_S, event);
  // Pages of anyone may read it, as anyone may.
  event.setHeaders({ 'access-control-allow-origin': '*' });
  return off ? jsonAnswer({ kind: 'off', message: 'There is no public page here' }, 404) : response;
};
