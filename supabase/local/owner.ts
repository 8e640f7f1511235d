import type { Sql } from 'postgres';
import type { Keys } from './keys.ts';

/**
 * Signs the local owner up through the stack's own Auth and makes them a member. Where the account is there already but
 * the keys are new (another data directory on the same database), it gets the new password.
 *
 * @param ask how Auth is asked; the stack's HTTP face need not be up yet.
 */
export async function ensureOwner(
  sql: Sql,
  keys: Keys,
  isNew: boolean,
  ask: (request: Request) => Promise<Response>,
): Promise<void> {
  const { email, password } = keys.owner;
  const [known] = await sql`select id from auth.users where lower(email) = lower(${email})`;
  if (!known) {
    const response = await ask(
      new Request('http://127.0.0.1/auth/v1/signup', {
        method: 'POST',
        headers: { apikey: keys.publishableKey, 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
      }),
    );
    if (!response.ok)
      throw new Error(`The owner cannot be signed up: ${response.status} ${await response.text()}`);
  } else if (isNew) {
    await sql`
      update auth.users set encrypted_password = extensions.crypt(${password}, extensions.gen_salt('bf', 10))
      where id = ${known.id as string}`;
  } else {
    return;
  }
  const [can] = await sql`select to_regprocedure('public.hp_add_member(text, text)') is not null as add`;
  if (can?.add) await sql`select public.hp_add_member(${email}, 'owner')`;
}
