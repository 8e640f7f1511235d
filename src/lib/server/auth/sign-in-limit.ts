import { AuthApiError, type SupabaseClient } from '@supabase/supabase-js';
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Database } from '../database/database.types.ts';

/** Too many attempts. An AuthApiError, because it is handled like Auth's own limit. */
export class TooManyTries extends AuthApiError {
  override readonly name = 'TooManyTries';
  readonly seconds: number;

  constructor(seconds: number) {
    super('too many tries to sign in', 429, 'over_request_rate_limit');
    this.seconds = seconds;
  }
}

/** Kinds of attempts, each with its own limits. */
export type Attempt = 'sign-in' | 'sign-up' | 'link' | 'confirm';

/**
 * Counts a sign-in attempt in the database, which all instances of a serverless dashboard share. If counting fails, the attempt
 * goes on, because Supabase Auth has its own limits. A network may also have to wait for attempts that it never made, because
 * anybody with the publishable key can count them (docs/decisions/0008-rejected-tokens-are-counted-not-locked.md).
 *
 * @param account the given address, or the code of a mailed link
 * @throws {TooManyTries}
 */
export async function admitSignIn(
  client: SupabaseClient<Database>,
  address: string,
  account: string,
  kind: Attempt,
): Promise<void> {
  const { data: seconds } = await client.rpc('hp_admit_sign_in', {
    network: network(address),
    email: account.slice(0, 320),
    kind,
  });
  if (seconds) throw new TooManyTries(seconds);
}

/** Resets the count after the right password. */
export async function forgetSignIn(client: SupabaseClient<Database>, address: string): Promise<void> {
  await client.rpc('hp_forget_sign_in', { network: network(address) });
}

/**
 * The network of an address. In IPv6, a household or a server has 2^64 addresses. Hashed, so that no address is sent or
 * logged.
 */
export function network(address: string): string {
  const first = address
    .split(',')[0]!
    .trim()
    .replace(/^::ffff:(?=\d+\.)/i, '');
  return createHash('sha256')
    .update(isIPv6(first) ? prefix(first) : first)
    .digest('base64url');
}

/** The first 64 bits. */
function prefix(address: string): string {
  const [head = '', tail] = address.toLowerCase().split('%')[0]!.split('::');
  const groups = head ? head.split(':') : [];
  if (tail !== undefined) {
    const rest = tail ? tail.split(':') : [];
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
