import { cachePublicly } from '$lib/server/http/public-cache.ts';
import { badge } from '$lib/public/badge.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import { PUBLIC_STATUS_LASTS_S, publicStatus } from '$lib/public/status.server.ts';
import type { RequestHandler } from './$types';

/**
 * How a public worker is, as a picture. Whether there is no such worker, it is not public or the page is off makes no
 * difference: the answer is the same to the letter, and does not repeat the name.
 */
export const GET: RequestHandler = async (event) => {
  let away = false;
  const status = await publicStatus().catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    away = true;
    return null;
  });
  // A badge is grey while Supabase is away, and must not stay so when it is back.
  if (!away) cachePublicly(PUBLIC_STATUS_LASTS_S, event);
  const worker = status?.workers.find(({ name }) => name === event.params.name);
  const svg = worker ? badge(worker.name, worker.words, worker.level) : badge('worker', 'unknown', 'unknown');
  return new Response(svg, { headers: { 'content-type': 'image/svg+xml; charset=utf-8' } });
};
