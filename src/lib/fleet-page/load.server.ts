import { error, redirect } from '@sveltejs/kit';
import { opening } from './opening.ts';
import { advice } from '../server/http/advice.ts';
import { configuration } from '../server/database/configuration.ts';
import { readFleet } from '../server/database/fleet.ts';
import { Refused } from '../server/database/refusal.ts';
import { claimInvite } from '../server/auth/member.ts';
import type { RequestEvent, ServerLoadEvent } from '@sveltejs/kit';

/** Loads a page of the whole fleet. Redirects people without access. */
export async function loadFleet(event: ServerLoadEvent) {
  // Untracked: a search or a filter changes the address, and needs nothing from here.
  const address = event.untrack(() => event.url.pathname + event.url.search);
  // A mailed link leads here, to the project's "Site URL", if its own address is not on the project's list. This check comes
  // first, because ending an old session would remove the link's secret.
  if (/[?&]code=/.test(address)) redirect(303, `/login/confirm${address.slice(1)}`);
  try {
    // A copy, because SvelteKit tracks reads of its own object, and would load everything again with every typed letter.
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
      // The person may be invited, and here for the first time.
      if (await claimInvite(session)) return readFleet(session);
      throw refused;
    }
    if (refused.kind !== 'signed-out') throw refused;
    // A session of another database or an old one is useless.
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
