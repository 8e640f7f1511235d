import { env } from '$env/dynamic/public';
import { z } from 'zod';
import { configuration } from '../database/configuration.ts';

/** The project's Auth settings. */
export interface AuthSettings {
  /** Everybody may create an account. It sees nothing until an owner adds it. */
  signUp: boolean;
  /** The project can mail sign-in links. */
  magicLink: boolean;
  /** Addresses count as confirmed without a mail, so an account does not prove who owns the address. */
  confirmsByItself: boolean;
}

const answered = z.object({
  external: z.object({ email: z.boolean().optional() }).optional(),
  disable_signup: z.boolean().optional(),
  mailer_autoconfirm: z.boolean().optional(),
});

const TIME_LIMIT_MS = 3_000;
const KEPT_MS = 60_000;
let kept: { at: number; settings: Promise<AuthSettings> } | null = null;

/**
 * Reads the project's settings, at most once a minute. Auth does not report whether it sends mails; it does if it confirms
 * addresses. `PUBLIC_MAGIC_LINK` (`on` or `off`) overrides this. Without an answer, everything is off.
 */
export function authSettings(): Promise<AuthSettings> {
  if (!kept || Date.now() - kept.at > KEPT_MS) kept = { at: Date.now(), settings: ask() };
  return kept.settings;
}

async function ask(): Promise<AuthSettings> {
  const { url, publishableKey } = configuration();
  const answer = await fetch(`${url}/auth/v1/settings`, {
    headers: { apikey: publishableKey },
    signal: AbortSignal.timeout(TIME_LIMIT_MS),
  })
    .then(async (response) => (response.ok ? answered.parse(await response.json()) : null))
    .catch(() => null);
  if (!answer) {
    kept = null;
    return { signUp: false, magicLink: false, confirmsByItself: false };
  }
  const email = answer.external?.email !== false;
  const confirmsByItself = answer.mailer_autoconfirm === true;
  const wished = env.PUBLIC_MAGIC_LINK;
  return {
    signUp: email && answer.disable_signup === false,
    magicLink: wished === 'on' || (wished !== 'off' && email && !confirmsByItself),
    confirmsByItself,
  };
}
