import { createHash, timingSafeEqual } from 'node:crypto';

/** What a cron needs to run the tick from outside: who may ask, whom it asks, and with what. */
export interface TickConfiguration {
  /** `CRON_SECRET`, which the caller presents as a bearer token. Vercel's own crons do. */
  cronSecret?: string;
  /** `PUBLIC_SUPABASE_URL` */
  url?: string;
  /** `SUPABASE_SECRET_KEY`: of this server alone, it never reaches a browser. */
  secretKey?: string;
}

/** A secret shorter than that could be guessed. */
const SHORTEST_SECRET = 16;
/** A cron calls again soon; its own time limit is 10 s on free Vercel plans. */
const TIME_LIMIT_MS = 8_000;

/**
 * Runs `hp_tick()` for a caller that presents the secret.
 *
 * @param authorization the request's `Authorization` header
 * @returns an HTTP status, and what to say with it: the tick's own answer, or one line
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
        // The older keys are tokens themselves; the newer ones may stand in apikey alone.
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

/** Takes as long for a near miss as for a far one, whatever the lengths. */
function same(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
