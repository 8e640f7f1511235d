import type { Handle } from '@sveltejs/kit';
import { Session } from '$lib/server/session.ts';

export const handle: Handle = async ({ event, resolve }) => {
  event.locals.session = new Session(event);
  const response = await resolve(event);
  // All that passes here is one person's: pages, tokens, snapshots. Scripts and styles do not pass here.
  response.headers.set('cache-control', 'private, no-store');
  response.headers.set('x-content-type-options', 'nosniff');
  response.headers.set('referrer-policy', 'same-origin');
  response.headers.set('x-frame-options', 'DENY');
  return response;
};
