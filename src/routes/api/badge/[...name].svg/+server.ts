import { cachePublicly } from '$lib/server/http/public-cache.ts';
import { badge } from '$lib/public/badge.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import { PUBLIC_STATUS_LASTS_S, publicStatus } from '$lib/public/status.server.ts';
import type { RequestHandler } from './$types';

/**
 * The health of a public worker as an image. The response is exactly the same for an unknown worker, a private worker and a
 * public page that is off, and does not repeat the name.
 */
export const GET: RequestHandler = async (event) => {
  let away = false;
  const status = await publicStatus().catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    away = true;
    return null;
  });
  // A badge is grey while Supabase is down. Don't cache it, so that it recovers at once.
  if (!away) cachePublicly(PUBLIC_STATUS_LASTS_S, event);
  const worker = status?.workers.find(({ name }) => name === event.params.name);
  const svg = worker ? badge(worker.name, worker.words, worker.level) : badge('worker', 'unknown', 'unknown');
  return new Response(svg, { headers: { 'content-type': 'image/svg+xml; charset=utf-8' } });
};
