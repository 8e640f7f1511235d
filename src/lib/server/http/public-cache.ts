import type { RequestEvent } from '@sveltejs/kit';

/**
 * Lets caches before this server keep this response, because it is the same for everybody with this address. A page with a thousand
 * readers then costs the database one query now and then. Browsers request it again each time.
 *
 * @param seconds how long it is fresh; for the same time again, a cache may serve it while it fetches the next one
 */
export function cachePublicly(seconds: number, { setHeaders }: Pick<RequestEvent, 'setHeaders'>): void {
  setHeaders({
    'cache-control': `public, max-age=0, s-maxage=${seconds}, stale-while-revalidate=${seconds}`,
  });
}
