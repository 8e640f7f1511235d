import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDashboard, type Dashboard } from '../support/dashboard.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const CRON_SECRET = 'a-secret-of-enough-length';
let stack: TestStack;
let dashboard: Dashboard;
beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
  dashboard = await startDashboard(stack, { env: { CRON_SECRET, SUPABASE_SECRET_KEY: stack.secretKey } });
});
afterAll(async () => {
  await dashboard?.stop();
  await stack?.stop();
});

async function ask(url: string, authorization?: string) {
  const response = await fetch(`${url}/api/tick`, { headers: authorization ? { authorization } : {} });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    caching: response.headers.get('cache-control'),
  };
}

describe('GET /api/tick', () => {
  it('runs the tick for a cron that presents the secret', async () => {
    const answer = await ask(dashboard.url, `Bearer ${CRON_SECRET}`);
    expect(answer).toMatchObject({
      status: 200,
      body: { ran: true, silent: 0 },
      caching: 'private, no-store',
    });
    const [monitor] = await stack.database
      .sql`select now() - tick_at < interval '10 seconds' as fresh from hp_private.monitor`;
    expect(monitor!.fresh).toBe(true);
  });

  it.each([undefined, 'Bearer wrong', `Basic ${CRON_SECRET}`, CRON_SECRET, `Bearer ${CRON_SECRET}x`])(
    'refuses the authorization %s, and says what it wants',
    async (authorization) => {
      expect(await ask(dashboard.url, authorization)).toMatchObject({
        status: 401,
        body: { message: 'the header Authorization must be: Bearer <CRON_SECRET>' },
      });
    },
  );

  it('rejects every call without a secret', async () => {
    const its = await startDashboard(stack, { env: { SUPABASE_SECRET_KEY: stack.secretKey } });
    try {
      expect(await ask(its.url, 'Bearer ')).toMatchObject({
        status: 503,
        body: { message: expect.stringMatching('CRON_SECRET is not set') as string },
      });
    } finally {
      await its.stop();
    }
  });
});
