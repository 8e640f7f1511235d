import type { Sql } from 'postgres';
import type { Keys } from './keys.ts';

export interface OwnerOptions {
  /** The account may have been created with other keys, by another data directory on the same database. */
  doubtful: boolean;
  /** Sends a request to Auth. The stack's HTTP server need not listen yet. */
  ask(request: Request): Promise<Response>;
}

/**
 * Creates the local owner's account through the stack's own Auth, if it is missing, and makes it a member. An account with
 * another password gets the password that the stack prints.
 */
export async function ensureOwner(sql: Sql, keys: Keys, { doubtful, ask }: OwnerOptions): Promise<void> {
  const { email, password } = keys.owner;
  const auth = (path: string) =>
    ask(
      new Request(`http://127.0.0.1/auth/v1/${path}`, {
        method: 'POST',
        headers: { apikey: keys.publishableKey, 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
      }),
    );

  const [known] = await sql`select id from auth.users where lower(email) = lower(${email})`;
  if (!known) {
    const response = await auth('signup');
    if (!response.ok)
      throw new Error(
        `The owner's account cannot be created: HTTP ${response.status} ${await response.text()}`,
      );
  } else if (doubtful && !(await auth('token?grant_type=password')).ok) {
    await sql`
      update auth.users set encrypted_password = extensions.crypt(${password}, extensions.gen_salt('bf', 10))
      where id = ${known.id as string}`;
  }
  await makeMember(sql, email);
}

/** Checked separately, because a killed run may have created the account but not the member. */
async function makeMember(sql: Sql, email: string): Promise<void> {
  const [can] = await sql`select to_regprocedure('public.hp_add_member(text, text)') is not null as add`;
  if (!can?.add) return;
  await sql`
    select public.hp_add_member(${email}, 'owner')
    where not exists (
      select from public.hp_member m join auth.users u on u.id = m.user_id where lower(u.email) = lower(${email})
    )`;
}
