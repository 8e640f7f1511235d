import { error, redirect, type ServerLoadEvent } from '@sveltejs/kit';
import { advice } from '../http/advice.ts';
import { ask } from '../database/ask.ts';
import { Refused } from '../database/refusal.ts';
import type { Session } from './session.ts';

export type Role = 'viewer' | 'operator' | 'owner';

/** The signed-in member. */
export interface Member {
  role: Role;
  /** For display only, because it comes from an unverified token. */
  email: string | null;
}

/** The member who requests a page. Others are redirected to sign in, or see that they are not members. */
export async function requireMember(event: ServerLoadEvent): Promise<Member> {
  const { session } = event.locals;
  // Untracked, because the load function needs the address only for the redirect.
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

/** Under `npm run dev`, every page opens without sign-in. */
async function isLocalOwner(event: ServerLoadEvent): Promise<boolean> {
  if (import.meta.env.DEV) {
    const { signInAsLocalOwner } = await import('./dev-sign-in.ts');
    return signInAsLocalOwner(event);
  }
  return false;
}

/**
 * The role of the signed-in person; null if not a member. An invited person with a confirmed address becomes a member here.
 *
 * @throws {Refused}
 */
export function claimInvite(session: Session): Promise<Role | null> {
  return ask(session.client.rpc('hp_claim_invite'));
}
