import { fail } from '@sveltejs/kit';
import { isAuthApiError, isAuthRetryableFetchError } from '@supabase/supabase-js';
import { TooManyTries } from './sign-in-limit.ts';

/**
 * What a form says when Auth refuses; `email` goes back into its field.
 *
 * @throws what is no refusal
 */
export function refuse(error: unknown, email: string, otherwise: string) {
  if (error instanceof TooManyTries) {
    const minutes = Math.ceil(error.seconds / 60);
    const wait = minutes === 1 ? 'a minute' : `${minutes} minutes`;
    return fail(429, { email, message: `Too many attempts. Wait ${wait} and try again.` });
  }
  if (isAuthRetryableFetchError(error) || (isAuthApiError(error) && error.status >= 500))
    return fail(503, { email, message: 'Supabase could not be reached. Try again in a moment.' });
  if (!isAuthApiError(error)) throw error;
  if (error.status === 429)
    return fail(429, { email, message: 'Too many attempts. Wait a minute and try again.' });
  return fail(400, { email, message: WORDS[error.code ?? ''] ?? otherwise });
}

const WORDS: Record<string, string> = {
  email_not_confirmed: 'This address is not confirmed yet. Look for the mail that asks you to.',
  signup_disabled: 'This project lets nobody sign up. An owner can make you an account.',
  user_already_exists: 'There is an account with this address. Sign in instead.',
  weak_password: 'This password is too easy to guess. Take a longer one.',
};
