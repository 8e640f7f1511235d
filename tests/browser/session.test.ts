import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { startDashboard } from '../support/dashboard.ts';
import { startTestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { connection, rowSays, visitAs } from '../support/visitor.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

/** A live page of carol's, in a project whose access tokens last so many seconds. */
async function pageWithTokensOf(tokenLifetime: number) {
  const stack = await startTestStack({ tokenLifetime });
  const dashboard = await startDashboard(stack);
  const { page, close } = await visitAs('carol', browser, dashboard);
  const frames: string[] = [];
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => frames.push(String(payload)));
    socket.on('framesent', ({ payload }) => frames.push(String(payload)));
  });
  // The page's first socket was there before we listened.
  await page.reload();
  await connection(page, 'Live');
  const joined = Date.now();
  return {
    page,
    frames,
    /** Until so many seconds after the page was live. */
    pass: (seconds: number) =>
      until(() => Date.now() > joined + seconds * 1000, {
        timeout: seconds * 1000 + 5_000,
        every: 200,
        what: 'the time to pass',
      }),
    report: async (words: string) => {
      const service = stack.asService().from('hp_worker_status');
      await service
        .upsert({ worker_name: 'crawl-worker', status: 'processing', current_status: words })
        .throwOnError();
      await rowSays(page, 'crawl-worker', words);
    },
    async end() {
      await close();
      await dashboard.stop();
      await stack.stop();
    },
  };
}

describe.concurrent('an open page', () => {
  it('outlives its token: it gets a new one in time, and the channel is never closed', async () => {
    // realtime-js looks every 25 s whether there is a newer token.
    const { frames, pass, report, end } = await pageWithTokensOf(32);
    await pass(36);
    await report('still heard');
    expect(frames.filter((frame) => frame.includes('access_token')).length).toBeGreaterThan(1);
    expect(frames.filter((frame) => /phx_close|Token has expired/.test(frame))).toEqual([]);
    await end();
  });

  it('with a closed channel, because its token came too late, joins again by itself', async () => {
    const { page, frames, report, end } = await pageWithTokensOf(12);
    await until(() => frames.some((frame) => frame.includes('Token has expired')), {
      timeout: 30_000,
      what: 'the end of the token',
    });
    await connection(page, 'Live');
    await report('heard again');
    expect(await page.getByText('Your session has ended.').count()).toBe(0);
    await end();
  });
});
