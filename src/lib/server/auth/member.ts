import { error, redirect, type ServerLoadEvent } from '@sveltejs/kit';
import { advice } from '../http/advice.ts';
import { ask } from '../database/ask.ts';
import { Refused } from '../database/refusal.ts';
import type { Session } from './session.ts';

export type Role = 'viewer' | 'operator' | 'owner';

/** Who is signed in, as this Lastseen knows them. */
export interface Member {
  role: Role;
  /** To be shown and for nothing else; it comes from an unverified token. */
  email: string | null;
}

/** The member who asks for a page. Others are sent to sign in, or told that they are no members. */
export async function requireMember(event: ServerLoadEvent): Promise<Member> {
  const { session } = event.locals;
  // Untracked: a load function that merely knows where to come back need not run again for each address.
  const address = event.untrack(() => event.url.pathname);
  const signIn = () => redirect(303, `/login?next=${encodeURIComponent(address)}`);
  try {
    if (!(await session.token()) && !(await isLocalOwner(event)))
      throw new Refused('signed-out', 'no session');
    const role = await claimInvite(session);
    if (!role) throw new Refused('not-a-member', 'no member');
    return { role, email: await session.email() };
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.kind === 'signed-out') signIn();
    error(refused.status, await advice(refused, session));
  }
}

/** Under `npm run dev` every address opens at once, as the fleet does. */
async function isLocalOwner(event: ServerLoadEvent): Promise<boolean> {
  if (import.meta.env.DEV) {
    const { signInAsLocalOwner } = await import('./dev-sign-in.ts');
    return signInAsLocalOwner(event);
  }
  return false;
}

/**
 * The role of whoever is signed in; null when they are no member. Somebody who was invited becomes one here, if their
 * address is confirmed.
 *
 * @throws {Refused}
 */
export function claimInvite(session: Session): Promise<Role | null> {
  return ask(session.client.rpc('hp_claim_invite'));
}
