import type { RequestEvent } from '@sveltejs/kit';

/**
 * Lets this answer be kept by whatever stands before this server, for it is the same for anyone who asks with this
 * address: a page that a thousand people watch costs the database one question every so often. A browser asks anew each time.
 *
 * @param seconds for which it is fresh; one that is out of date by as much again may be shown while the next is fetched
 */
export function cachePublicly(seconds: number, { setHeaders }: Pick<RequestEvent, 'setHeaders'>): void {
  setHeaders({
    'cache-control': `public, max-age=0, s-maxage=${seconds}, stale-while-revalidate=${seconds}`,
  });
}
