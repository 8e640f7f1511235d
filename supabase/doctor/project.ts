import { keyKind, type KeyKind } from '../../src/lib/server/database/key-kind.ts';

/** A request that takes longer has failed. */
const TIME_LIMIT_MS = 15_000;

/** The response of the database or of the gateway before it. Status 0: no response. */
export interface Answer {
  status: number;
  body: unknown;
  /** The error message of the response. */
  message: string;
  /** Milliseconds by which the server's clock is ahead of this machine's; exact to a second, like the header. */
  aheadMs?: number;
}

export interface Key extends KeyKind {
  value: string;
}

export const key = (value: string): Key => ({ ...keyKind(value), value });

/** Calls a function of the database over the Data API. */
export function rpc(
  url: string,
  key: string,
  name: string,
  body: object = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  return post(`${url}/rest/v1/rpc/${name}`, key, body, headers);
}

/** Signs in with a password. */
export function signIn(url: string, key: string, email: string, password: string): Promise<Answer> {
  return post(`${url}/auth/v1/token?grant_type=password`, key, { email, password });
}

async function post(
  address: string,
  key: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const began = Date.now();
  try {
    const response = await fetch(address, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        apikey: key,
        // Old keys (JWTs) also go into authorization; new keys must not.
        ...(key.startsWith('sb_') ? {} : { authorization: `Bearer ${key}` }),
        ...headers,
      },
      body: JSON.stringify(body),
      redirect: 'error', // another host must not get the key
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    const date = Date.parse(response.headers.get('date') ?? '');
    const answer: unknown = await response.json().catch(() => null);
    return {
      status: response.status,
      body: answer,
      message: messageOf(answer) ?? `HTTP ${response.status}`,
      aheadMs: Number.isNaN(date) ? undefined : date + 500 - (began + Date.now()) / 2,
    };
  } catch (error) {
    const { message, cause } = error as Error;
    return { status: 0, body: null, message: cause instanceof Error ? cause.message || message : message };
  }
}

function messageOf(body: unknown): string | undefined {
  if (!body || typeof body !== 'object') return undefined;
  const { message, msg, error_description: description, error } = body as Record<string, unknown>;
  const found = [message, msg, description, error].find((text) => typeof text === 'string');
  return found as string | undefined;
}
