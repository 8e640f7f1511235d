import { error, redirect, type ServerLoadEvent } from '@sveltejs/kit';
import { advice } from './advice.ts';
import { refusal, Refused } from './fleet.ts';

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
  const token = await session.token().catch((away: unknown) => {
    if (!(away instanceof Refused)) throw away;
    error(away.status, advice(away));
  });
  if (!token) signIn(event);
  // Row level security shows everybody their own row at most.
  const {
    data,
    error: trouble,
    status,
  } = await session.client.from('hp_member').select('role').maybeSingle();
  const refused = trouble
    ? refusal(status, trouble.code, trouble.message)
    : data
      ? null
      : new Refused('not-a-member', 'not a member');
  if (refused?.kind === 'signed-out') signIn(event);
  if (refused) error(refused.status, advice(refused));
  return { role: data!.role as Role, email: await session.email() };
}

function signIn(event: ServerLoadEvent): never {
  // Untracked: a load function that merely knows where to come back need not run again for each address.
  const address = event.untrack(() => event.url.pathname);
  redirect(303, `/login?next=${encodeURIComponent(address)}`);
}
