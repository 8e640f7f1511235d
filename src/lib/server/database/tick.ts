import { createHash, timingSafeEqual } from 'node:crypto';

/** The configuration for running the tick from outside. */
export interface TickConfiguration {
  /** `CRON_SECRET`, which the caller presents as a bearer token. Vercel's own crons do. */
  cronSecret?: string;
  /** `PUBLIC_SUPABASE_URL` */
  url?: string;
  /** `SUPABASE_SECRET_KEY`: stays on this server, and never reaches a browser. */
  secretKey?: string;
}

/** A shorter secret could be guessed. */
const SHORTEST_SECRET = 16;
/** A cron calls again soon; its own time limit is 10 s on free Vercel plans. */
const TIME_LIMIT_MS = 8_000;

/**
 * Runs `hp_tick()` for a caller that presents the secret.
 *
 * @param authorization the request's `Authorization` header
 * @returns an HTTP status and a body: the tick's own result, or one message
 */
export async function tickFor(
  authorization: string | null,
  { cronSecret, url, secretKey }: TickConfiguration,
): Promise<{ status: number; body: unknown }> {
  if (!cronSecret) return say(503, 'CRON_SECRET is not set, so /api/tick accepts no calls');
  if (cronSecret.length < SHORTEST_SECRET) {
    return say(503, `CRON_SECRET is shorter than ${SHORTEST_SECRET} characters`);
  }
  if (!same(authorization ?? '', `Bearer ${cronSecret}`)) {
    return say(401, 'the header Authorization must be: Bearer <CRON_SECRET>');
  }
  if (!url || !secretKey) {
    return say(503, `${url ? 'SUPABASE_SECRET_KEY' : 'PUBLIC_SUPABASE_URL'} is not set`);
  }

  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/+$/, '')}/rest/v1/rpc/hp_tick`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        apikey: secretKey,
        // Old keys (JWTs) also go into authorization; new keys must not.
        ...(secretKey.startsWith('sb_') ? {} : { authorization: `Bearer ${secretKey}` }),
      },
      body: '{}',
      redirect: 'error', // another host must not get the key
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
  } catch {
    return say(503, `${url} cannot be reached`);
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return { status: 200, body: answer };
  if (response.status === 401 || response.status === 403) {
    return say(503, 'SUPABASE_SECRET_KEY is not a secret key of this project');
  }
  if (response.status === 404) return say(503, 'hp_tick() is missing: apply the migrations');
  return say(502, `hp_tick() failed with HTTP ${response.status}`);
}

function say(status: number, message: string): { status: number; body: unknown } {
  return { status, body: { message } };
}

/** Compares in constant time, whatever the lengths. */
function same(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
