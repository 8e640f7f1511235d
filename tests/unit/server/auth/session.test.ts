import type { RequestEvent } from '@sveltejs/kit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const url = 'http://127.0.0.1:9'; // the discard port: nobody is there
vi.mock('../../../../src/lib/server/database/configuration.ts', () => ({
  configuration: () => ({ url, publishableKey: 'sb_publishable_test' }),
}));
const { Session } = await import('../../../../src/lib/server/auth/session.ts');

/** Requests are made through the global fetch, tried again for half a minute. */
let answer: () => Promise<Response>;
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('fetch', () => answer());
  // auth-js prints what it throws.
  for (const print of ['warn', 'error'] as const) vi.spyOn(console, print).mockImplementation(() => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** The cookies of somebody who signed in so long ago that the token has ended. */
function signedInLongAgo() {
  const session = {
    access_token: 'a.b.c',
    refresh_token: 'r',
    token_type: 'bearer',
    expires_in: 3600,
    expires_at: Math.floor(Date.now() / 1000) - 60,
    user: { id: 'u' },
  };
  const value = `base64-${Buffer.from(JSON.stringify(session)).toString('base64url')}`;
  const jar = new Map([['lastseen-127-0-0-1-9', value]]);
  const cookies = {
    getAll: () => [...jar].map(([name, value]) => ({ name, value })),
    set: (name: string, value: string) => void (value ? jar.set(name, value) : jar.delete(name)),
  };
  const event = { cookies, url: new URL('http://localhost/') } as unknown as RequestEvent;
  return { jar, session: new Session(event) };
}

async function tokenOf(session: InstanceType<typeof Session>) {
  const token = session.token().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(60_000);
  return token;
}

describe('a session whose token has ended', () => {
  it.each([
    ['refuses connections', () => Promise.reject(new TypeError('fetch failed'))],
    ['answers 503', () => Promise.resolve(new Response('away', { status: 503 }))],
  ])('is not over because Supabase %s', async (_how, away) => {
    answer = away;
    const { jar, session } = signedInLongAgo();
    expect(await tokenOf(session)).toMatchObject({ name: 'Refused', kind: 'unreachable', status: 503 });
    expect(jar.size).toBe(1);
  });

  it('is over when Supabase refuses to renew it', async () => {
    const body = JSON.stringify({ code: 'refresh_token_not_found', message: 'Invalid Refresh Token' });
    answer = () => Promise.resolve(new Response(body, { status: 400 }));
    expect(await tokenOf(signedInLongAgo().session)).toBeNull();
  });
});
