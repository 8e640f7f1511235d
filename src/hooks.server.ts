import type { Handle, RequestEvent, ServerInit } from '@sveltejs/kit';
import { complaints, projectOrigins } from '$lib/server/database/configuration.ts';
import { secure } from '$lib/server/http/security-headers.ts';
import { Session } from '$lib/server/auth/session.ts';
import { withTheme } from '$lib/server/http/theme.ts';

/** A dashboard that is set up wrong says so where its logs are, and starts: its pages say it too. */
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
  // What passes here is one person's: pages, tokens, snapshots. Only what says of itself that it is public is not; and
  // what changes but once a minute may be kept by the browser of the one who asked.
  if (!/^(public|private, max-age)/.test(headers.get('cache-control') ?? ''))
    headers.set('cache-control', 'private, no-store');
  secure(headers, {
    // Under development Vite has a socket of its own.
    connect: import.meta.env.DEV ? [...projectOrigins(), 'ws:'] : projectOrigins(),
    frameAncestors: event.locals.frameAncestors,
    https: event.url.protocol === 'https:',
  });
  return response;
};

/**
 * Whether a page of another site asks for more than to read. SvelteKit looks at forms alone; a request without a content
 * type is none. Every browser says where such a request comes from; scripts and cron jobs need not.
 */
function isOfAnotherSite({ request, url }: RequestEvent): boolean {
  // As with SvelteKit's own: in development there may be anything between the browser and us.
  if (import.meta.env.DEV) return false;
  const origin = request.headers.get('origin');
  return !['GET', 'HEAD', 'OPTIONS'].includes(request.method) && origin !== null && origin !== url.origin;
}
