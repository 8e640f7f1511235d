import { fail } from '@sveltejs/kit';
import { isAuthApiError, isAuthRetryableFetchError } from '@supabase/supabase-js';
import { TooManyTries } from './sign-in-limit.ts';

/**
 * The error message of a form when Auth refuses; `email` goes back into its field.
 *
 * @throws other errors
 */
export function refuse(error: unknown, email: string, otherwise: string) {
  if (error instanceof TooManyTries) return fail(429, { email, message: tooMany(error.seconds) });
  if (isAuthRetryableFetchError(error) || (isAuthApiError(error) && error.status >= 500))
    return fail(503, { email, message: 'Supabase could not be reached. Try again in a moment.' });
  if (!isAuthApiError(error)) throw error;
  if (error.status === 429)
    return fail(429, { email, message: 'Too many attempts. Wait a minute and try again.' });
  return fail(400, { email, message: TEXT[error.code ?? ''] ?? otherwise });
}

/** @param seconds to wait */
export function tooMany(seconds: number): string {
  const minutes = Math.ceil(seconds / 60);
  return `Too many attempts. Wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`} and try again.`;
}

const TEXT: Record<string, string> = {
  email_not_confirmed: 'This address is not confirmed yet. Open the link in the confirmation mail.',
  signup_disabled: 'Sign-up is off in this project. An owner can create an account for you.',
  user_already_exists: 'There is an account with this address. Sign in instead.',
  weak_password: 'This password is too easy to guess. Choose a longer one.',
};
