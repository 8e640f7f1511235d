import { createServerClient } from '@supabase/ssr';
import {
  isAuthApiError,
  isAuthRetryableFetchError,
  isAuthSessionMissingError,
  type EmailOtpType,
  type SupabaseClient,
} from '@supabase/supabase-js';
import type { RequestEvent } from '@sveltejs/kit';
import { configuration } from '../database/configuration.ts';
import type { Database } from '../database/database.types.ts';
import { fetchSupabase } from '../database/fetch-supabase.ts';
import { Refused } from '../database/refusal.ts';
import { admitSignIn, forgetSignIn, type Attempt } from './sign-in-limit.ts';

/** Who asks: the Supabase Auth session in this request's cookies. One per request. */
export class Session {
  readonly #event: RequestEvent;
  #client: SupabaseClient<Database> | null = null;

  constructor(event: RequestEvent) {
    this.#event = event;
  }

  /** A client that acts as the one who asks. */
  get client(): SupabaseClient<Database> {
    return (this.#client ??= this.#create());
  }

  /**
   * The access token, renewed when it would end within 90 seconds; null when nobody is signed in.
   * It has not been verified: the database does that with whatever is done with it.
   *
   * @throws {Refused} when it has ended and Supabase cannot be reached to renew it: nobody is signed out by an outage
   */
  async token(): Promise<{ accessToken: string; expiresAt: number } | null> {
    if (!this.#hasCookie()) return null;
    const { data, error } = await this.client.auth.getSession();
    if (isAuthRetryableFetchError(error)) throw new Refused('unreachable', configuration().url);
    return (
      data.session && {
        accessToken: data.session.access_token,
        expiresAt: data.session.expires_at ?? 0,
      }
    );
  }

  /** The address of the one who is signed in, to be shown and for nothing else: it comes from an unverified token. */
  async email(): Promise<string | null> {
    const token = await this.token();
    if (!token) return null;
    try {
      const claims: unknown = JSON.parse(
        Buffer.from(token.accessToken.split('.')[1] ?? '', 'base64url').toString(),
      );
      const email = claims && typeof claims === 'object' && 'email' in claims ? claims.email : null;
      return typeof email === 'string' ? email : null;
    } catch {
      return null;
    }
  }

  /**
   * Whether Auth still knows this session. A token is good until it ends, whatever becomes of its session: one that was
   * signed out elsewhere, or whose account is gone, is found out by asking. True also where Auth gives no answer.
   */
  async isAlive(): Promise<boolean> {
    const { error } = await this.client.auth.getUser();
    return !(isAuthSessionMissingError(error) || (isAuthApiError(error) && error.status < 429));
  }

  /** Signs in; the cookies go out with the response. @throws {AuthError} of which one is {@link TooManyTries} */
  async begin(email: string, password: string): Promise<void> {
    await this.#admit('sign-in', email);
    const { error } = await this.client.auth.signInWithPassword({ email, password });
    if (error) throw error;
    await forgetSignIn(this.client, this.#event.getClientAddress());
  }

  /**
   * Makes an account. Where the project confirms addresses, a mail with a link goes out first.
   *
   * @param redirectTo where that link leads in the end
   * @returns whether they are signed in now
   * @throws {AuthError}
   */
  async signUp(email: string, password: string, redirectTo: string): Promise<boolean> {
    await this.#admit('sign-up', email);
    const options = { emailRedirectTo: redirectTo };
    const { data, error } = await this.client.auth.signUp({ email, password, options });
    if (error) throw error;
    return data.session !== null;
  }

  /** Has a link mailed that signs in. Somebody without an account gets one, if the project lets people sign up. @throws {AuthError} */
  async mailLink(email: string, redirectTo: string): Promise<void> {
    await this.#admit('link', email);
    const { error } = await this.client.auth.signInWithOtp({
      email,
      options: { emailRedirectTo: redirectTo },
    });
    if (error) throw error;
  }

  /** Signs in with what a mailed link brings back to the browser that asked for it. @throws {AuthError} */
  async redeemCode(code: string): Promise<void> {
    await this.#admit('confirm', code);
    const { error } = await this.client.auth.exchangeCodeForSession(code);
    if (error) throw error;
  }

  /** The same for a link that carries the hash of a one-time password itself. @throws {AuthError} */
  async redeemHash(hash: string, type: EmailOtpType): Promise<void> {
    await this.#admit('confirm', hash);
    const { error } = await this.client.auth.verifyOtp({ token_hash: hash, type });
    if (error) throw error;
  }

  /**
   * Signs out. The session ends in this browser even when Supabase is away.
   *
   * @param scope `local`: here, other devices stay signed in. `global`: on every device; the database lets their tokens
   *   do nothing more, and an open page there notices within a minute ({@link isAlive})
   * @returns whether Auth was notified: else other devices are still signed in
   */
  async end(scope: 'local' | 'global' = 'local'): Promise<boolean> {
    let notified = false;
    if (this.#hasCookie()) {
      const { auth } = this.client;
      // Without a session that can still be used auth-js asks nobody, and calls that a success.
      const { data } = await auth.getSession().catch(() => ({ data: { session: null } }));
      notified =
        data.session !== null &&
        !(await auth.signOut({ scope }).catch((error: unknown) => ({ error }))).error;
    }
    for (const name of this.#cookies()) this.#event.cookies.delete(name, { path: '/' });
    this.#client = null;
    return notified;
  }

  #admit(kind: Attempt, account: string): Promise<void> {
    return admitSignIn(this.client, this.#event.getClientAddress(), account, kind);
  }

  #hasCookie(): boolean {
    return this.#cookies().length > 0;
  }

  /** Those of the session. The secret of a link that was asked for is not among them: it is there before any session is. */
  #cookies(): string[] {
    return this.#event.cookies
      .getAll()
      .map(({ name }) => name)
      .filter((name) => name.startsWith(cookieName()) && !name.endsWith('-code-verifier'));
  }

  #create(): SupabaseClient<Database> {
    const { url, publishableKey } = configuration();
    const { cookies, url: address } = this.#event;
    return createServerClient<Database>(url, publishableKey, {
      cookieOptions: { name: cookieName() },
      cookies: {
        getAll: () => cookies.getAll(),
        setAll: (changed) => {
          for (const { name, value, options } of changed) {
            // No script reads them: the page asks for a token when it needs one.
            cookies.set(name, value, {
              ...options,
              path: '/',
              httpOnly: true,
              sameSite: 'lax',
              secure: address.protocol === 'https:',
            });
          }
        },
      },
      global: { fetch: fetchSupabase },
    });
  }
}

/** Cookies know no ports: two projects on one machine must not take each other's session for their own. */
function cookieName(): string {
  return `lastseen-${new URL(configuration().url).host.replace(/[^a-z0-9]+/gi, '-')}`;
}
