import type { Handle, RequestEvent, ServerInit } from '@sveltejs/kit';
import { complaints, projectOrigins } from '$lib/server/database/configuration.ts';
import { secure } from '$lib/server/http/security-headers.ts';
import { Session } from '$lib/server/auth/session.ts';
import { withTheme } from '$lib/server/http/theme.ts';

/** A wrong configuration is logged, and the dashboard starts all the same, because its pages show the problem, too. */
export const init: ServerInit = () => {
  for (const line of complaints()) console.error(line);
};

export const handle: Handle = async ({ event, resolve }) => {
  event.locals.session = new Session(event);
  event.locals.frameAncestors = [];
  const response = isOfAnotherSite(event)
    ? new Response('Requests from other sites are rejected.\n', { status: 403 })
    : await resolve(event, { transformPageChunk: withTheme(event) });
  const { headers } = response;
  // Pages, tokens and snapshots belong to one person, so caches must not keep them. Exceptions set their own header: public
  // responses, and data that changes once a minute, which the reader's own browser may keep.
  if (!/^(public|private, max-age)/.test(headers.get('cache-control') ?? ''))
    headers.set('cache-control', 'private, no-store');
  secure(headers, {
    // In development, Vite has its own socket.
    connect: import.meta.env.DEV ? [...projectOrigins(), 'ws:'] : projectOrigins(),
    frameAncestors: event.locals.frameAncestors,
    https: event.url.protocol === 'https:',
  });
  return response;
};

/**
 * Whether a page of another site sends a request that changes something. SvelteKit checks form content types only. Browsers
 * send the origin with such requests; scripts and cron jobs need not.
 */
function isOfAnotherSite({ request, url }: RequestEvent): boolean {
  // Like SvelteKit's own check: in development, there may be a proxy before this server.
  if (import.meta.env.DEV) return false;
  const origin = request.headers.get('origin');
  return !['GET', 'HEAD', 'OPTIONS'].includes(request.method) && origin !== null && origin !== url.origin;
}
