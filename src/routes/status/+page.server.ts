import { error } from '@sveltejs/kit';
import { claimInvite } from '$lib/server/auth/member.ts';
import type { Session } from '$lib/server/auth/session.ts';
import { cachePublicly } from '$lib/server/http/public-cache.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import { PUBLIC_STATUS_LASTS_S, publicStatus } from '$lib/public/status.server.ts';
import { favicon } from '$lib/signs/favicon.ts';
import { LEVEL_TEXT } from '$lib/rules/wording.ts';
import { verdict, type PublicStatus, type PublicWorker } from '$lib/public/status.ts';
import { LEVELS } from '$lib/rules/tally.ts';
import { uptimeText } from '$lib/public/uptime.ts';
import { absolute, ago } from '$lib/time/wording.ts';
import type { PageServerLoad } from './$types';

/** Without JavaScript, because there is nothing to click, and any device must show it. */
export const csr = false;

const REFRESH_S = 30;

/** For a signed-in owner; for others, the page does not exist while it is off. */
const OFF = { message: 'The public page is off', advice: 'Turn it on under Settings → Public page.' };

export const load: PageServerLoad = async (event) => {
  // Also for an error, which may be over by then.
  event.setHeaders({ refresh: String(REFRESH_S) });
  const status = await publicStatus().catch((refused: unknown) => {
    if (!(refused instanceof Refused)) throw refused;
    // The public page does not show the cause; the members' page does.
    error(503, { message: 'The status is not available', advice: 'Try again in a moment.' });
  });
  // Caches must not keep this response, because it depends on the session, and may renew its cookies.
  if (!status && event.cookies.getAll().length > 0)
    error(404, (await isOwner(event.locals.session)) ? OFF : 'Page not found');
  cachePublicly(PUBLIC_STATUS_LASTS_S, event);
  if (!status) error(404, 'Page not found');
  return visible(status);
};

/** Whether an owner is signed in. A failure counts as no, because the page must not depend on it. */
async function isOwner(session: Session): Promise<boolean> {
  try {
    return (await session.token()) !== null && (await claimInvite(session)) === 'owner';
  } catch {
    return false;
  }
}

/**
 * The page's texts and icons. Made here, because shared code would split the fleet page's chunks, and no script runs on this
 * page.
 */
function visible({ now, workers }: PublicStatus) {
  const { level, words } = verdict(workers);
  const worst = (one: PublicWorker) => LEVELS.indexOf(one.level);
  return {
    level,
    words,
    icon: favicon(level),
    at: absolute(new Date(now)),
    workers: workers
      .toSorted((one, other) => worst(one) - worst(other))
      .map(({ uptime, uptime_days, ...worker }) => ({
        ...worker,
        uptime: uptime === null ? null : uptimeText(uptime, uptime_days, now),
        icon: favicon(worker.level),
        sign: LEVEL_TEXT[worker.level],
        seen: worker.last_seen && {
          title: absolute(new Date(worker.last_seen)),
          words: ago(Date.parse(now) - Date.parse(worker.last_seen)),
        },
      })),
  };
}
