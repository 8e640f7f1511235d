import { error, redirect } from '@sveltejs/kit';
import { opening } from './opening.ts';
import { advice } from '../server/http/advice.ts';
import { configuration } from '../server/database/configuration.ts';
import { readFleet } from '../server/database/fleet.ts';
import { Refused } from '../server/database/refusal.ts';
import { claimInvite } from '../server/auth/member.ts';
import type { RequestEvent, ServerLoadEvent } from '@sveltejs/kit';

/** What a page of the whole fleet begins with; whoever may not see it is led to where they may. */
export async function loadFleet(event: ServerLoadEvent) {
  // Untracked: a search or a filter changes the address, and needs nothing from here.
  const address = event.untrack(() => event.url.pathname + event.url.search);
  // A mailed link whose way back is not on the project's list of addresses leads here, to its "Site URL". First of all:
  // the end of a session of another time would take the link's secret with it.
  if (/[?&]code=/.test(address)) redirect(303, `/login/confirm${address.slice(1)}`);
  try {
    // A copy: what SvelteKit gives would track each look at it, and load all anew with every letter that is searched for.
    const params = new URLSearchParams(event.untrack(() => event.url.search));
    return {
      ...opening(await asMember(event), params),
      realtime: configuration(),
      email: await event.locals.session.email(),
    };
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.kind === 'signed-out') redirect(303, signInAt(address));
    error(refused.status, await advice(refused, event.locals.session));
  }
}

async function asMember(event: RequestEvent) {
  const { session } = event.locals;
  try {
    return await readFleet(session);
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.kind === 'not-a-member') {
      // Invited, and here for the first time?
      if (await claimInvite(session)) return readFleet(session);
      throw refused;
    }
    if (refused.kind !== 'signed-out') throw refused;
    // A session of another time or another database is of no use to anybody.
    await session.end();
    if (import.meta.env.DEV) {
      const { signInAsLocalOwner } = await import('../server/auth/dev-sign-in.ts');
      if (await signInAsLocalOwner(event)) return readFleet(session);
    }
    throw refused;
  }
}

function signInAt(address: string): string {
  return address === '/' ? '/login' : `/login?next=${encodeURIComponent(address)}`;
}
