import { shareRefresh } from '../auth/shared-refresh.ts';

/** A Supabase request that takes longer counts as unreachable. */
const TIME_LIMIT_MS = 10_000;

/** A key that is dangerous in an object. Within a JSON text value, the quotes would be escaped. */
const PROTO_KEY = /"__proto__"(?=\s*:)/g;

/**
 * `fetch` for the dashboard's Supabase clients, with a time limit. A worker's data may have a key `__proto__`, and SvelteKit
 * refuses to send such an object to the browser, so one worker could break the fleet page for everybody. The key is renamed to
 * `__proto__ ` here.
 */
export const fetchSupabase: typeof fetch = (input, init) => {
  const isRefresh = String(input).includes('/auth/v1/token?grant_type=refresh_token');
  return isRefresh && typeof init?.body === 'string'
    ? shareRefresh(init.body, () => ask(input, init))
    : ask(input, init);
};

const ask: typeof fetch = async (input, init) => {
  const answer = await fetch(input, { ...init, signal: init?.signal ?? AbortSignal.timeout(TIME_LIMIT_MS) });
  const { body: stream } = answer;
  if (!stream || !answer.headers.get('content-type')?.includes('json')) return answer;
  const body = await answer.text();
  const { status, statusText, headers } = answer;
  return new Response(body.includes('"__proto__"') ? body.replace(PROTO_KEY, '"__proto__ "') : body, {
    status,
    statusText,
    headers,
  });
};
