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

/** The Supabase Auth session in this request's cookies. One per request. */
export class Session {
  readonly #event: RequestEvent;
  #client: SupabaseClient<Database> | null = null;

  constructor(event: RequestEvent) {
    this.#event = event;
  }

  /** A client with the person's rights. */
  get client(): SupabaseClient<Database> {
    return (this.#client ??= this.#create());
  }

  /**
   * The access token, renewed if it would expire within 90 seconds; null if nobody is signed in. Not verified here: the database
   * verifies it with each use.
   *
   * @throws {Refused} if it has expired and Supabase cannot be reached to renew it, because an outage must not sign anybody out
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

  /** The signed-in person's address. For display only, because it comes from an unverified token. */
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
   * Whether Auth still has this session. A token is valid until it expires, even after its session was signed out elsewhere or
   * its account removed, so Auth must be queried. Also true if Auth gives no answer.
   */
  async isAlive(): Promise<boolean> {
    const { error } = await this.client.auth.getUser();
    return !(isAuthSessionMissingError(error) || (isAuthApiError(error) && error.status < 429));
  }

  /** Signs in; the response sets the cookies. @throws {AuthError}, such as {@link TooManyTries} */
  async begin(email: string, password: string): Promise<void> {
    await this.#admit('sign-in', email);
    const { error } = await this.client.auth.signInWithPassword({ email, password });
    if (error) throw error;
    await forgetSignIn(this.client, this.#event.getClientAddress());
  }

  /**
   * Creates an account. If the project confirms addresses, it sends a mail with a link first.
   *
   * @param redirectTo the target of that link
   * @returns whether the person is signed in now
   * @throws {AuthError}
   */
  async signUp(email: string, password: string, redirectTo: string): Promise<boolean> {
    await this.#admit('sign-up', email);
    const options = { emailRedirectTo: redirectTo };
    const { data, error } = await this.client.auth.signUp({ email, password, options });
    if (error) throw error;
    return data.session !== null;
  }

  /** Mails a sign-in link. Creates an account if needed and if the project allows sign-up. @throws {AuthError} */
  async mailLink(email: string, redirectTo: string): Promise<void> {
    await this.#admit('link', email);
    const { error } = await this.client.auth.signInWithOtp({
      email,
      options: { emailRedirectTo: redirectTo },
    });
    if (error) throw error;
  }

  /** Signs in with the code of a mailed link, in the browser that requested it. @throws {AuthError} */
  async redeemCode(code: string): Promise<void> {
    await this.#admit('confirm', code);
    const { error } = await this.client.auth.exchangeCodeForSession(code);
    if (error) throw error;
  }

  /** The same for a link with the hash of a one-time password. @throws {AuthError} */
  async redeemHash(hash: string, type: EmailOtpType): Promise<void> {
    await this.#admit('confirm', hash);
    const { error } = await this.client.auth.verifyOtp({ token_hash: hash, type });
    if (error) throw error;
  }

  /**
   * Signs out. The session ends in this browser even if Supabase is down.
   *
   * @param scope `local`: here only. `global`: on every device; the database rejects their tokens, and open pages there stop
   *   within a minute ({@link isAlive})
   * @returns whether Auth was notified; if not, other devices are still signed in
   */
  async end(scope: 'local' | 'global' = 'local'): Promise<boolean> {
    let notified = false;
    if (this.#hasCookie()) {
      const { auth } = this.client;
      // Without a usable session, auth-js sends no request, and reports success.
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

  /** The session's cookies, without the secret of a requested link, which exists before a session. */
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
            // Not readable by scripts: the page requests a token when it needs one.
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

/** Named by host, because cookies ignore ports, and two projects on one machine must not share a session. */
function cookieName(): string {
  return `lastseen-${new URL(configuration().url).host.replace(/[^a-z0-9]+/gi, '-')}`;
}
