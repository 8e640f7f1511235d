import { gzipSync } from 'node:zlib';
import type { Figure, Measure } from './figure.ts';
import { openBrowser, openFleet, serveDashboard, untilLive } from './parts/fleet-page.ts';
import { startBenchStack } from './parts/stack.ts';

/** The peer that the page is compared with: the figure is taken over, not measured here. */
const PEER_KB = 650;

/** What a browser loads, from the production build, before the fleet page is live. */
export const weight: Figure = {
  name: 'weight',
  about: 'JavaScript and CSS of the fleet page, gzipped',
  limit: () => 120,
  async measure({ scope, say }) {
    say('weight: the fleet page, as a browser loads it');
    const stack = await startBenchStack(scope);
    const dashboard = await serveDashboard(scope, stack);
    const browser = await openBrowser(scope);
    const first = await openFleet(browser, dashboard, stack);

    // Signed in, with nothing in its cache.
    const context = await browser.newContext({ storageState: await first.context().storageState() });
    const page = await context.newPage();
    const bodies = new Map<string, Promise<{ url: string; type: string; body: Buffer }>>();
    page.on('response', (response) => {
      const type = response.headers()['content-type'] ?? '';
      if (!/javascript|css|html/.test(type) || response.status() !== 200) return;
      bodies.set(
        response.url(),
        response.body().then((body) => ({ url: response.url(), type, body })),
      );
    });
    const answer = (await page.goto(dashboard.url))!;
    await untilLive(page);
    await page.getByRole('button', { name: 'View' }).waitFor(); // what comes after the list
    const all = await Promise.all(bodies.values());
    // The document and its headers name all that it begins with; what it doesn't name is loaded once it is live.
    const document = (await answer.text()) + answer.headers().link;
    const begins = ({ url, type }: { url: string; type: string }) =>
      type.includes('html') || document.includes(new URL(url).pathname.split('/').at(-1)!);
    const loaded = all.filter(begins);
    const later = all.filter((one) => !begins(one));

    const kilobytes = (pattern: RegExp) =>
      loaded
        .filter(({ type }) => pattern.test(type))
        .reduce((sum, { body }) => sum + gzipSync(body).length, 0) / 1024;
    const measure = (what: string, pattern: RegExp): Measure => ({
      what: `${what}, gzipped`,
      value: kilobytes(pattern),
      unit: 'KB',
    });
    return [
      {
        ...measure('JavaScript and CSS of the fleet page', /javascript|css/),
        beside: { what: 'the best-known push monitor', value: PEER_KB },
        aim: { atMost: 100 },
      },
      measure('of it JavaScript', /javascript/),
      measure('of it CSS', /css/),
      {
        what: 'what comes once it is live, gzipped',
        value: later.reduce((sum, { body }) => sum + gzipSync(body).length, 0) / 1024,
        unit: 'KB',
      },
      measure('beside them the document, with five workers', /html/),
    ];
  },
};
