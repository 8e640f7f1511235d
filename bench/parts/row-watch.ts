import type { Page } from 'playwright-core';
import { until } from '../../tests/support/until.ts';

/** When a row of the fleet page first had a value, in epoch milliseconds. */
export interface RowWatch {
  /** @throws when it does not come within so many milliseconds */
  seen(worker: string, attribute: string, value: string, within: number): Promise<number>;
}

/** Notes each change of these attributes of the rows, in the page: asking from here would be late by as much as it asks seldom. */
export async function watchAttributes(page: Page, attributes: string[]): Promise<RowWatch> {
  await page.evaluate((attributes) => {
    const seen: Record<string, number> = {};
    (globalThis as never as { seen: typeof seen }).seen = seen;
    new MutationObserver((changes) => {
      for (const { target, attributeName } of changes) {
        const row = target as HTMLElement;
        const worker = row.dataset.worker;
        if (worker) seen[`${worker} ${attributeName} ${row.getAttribute(attributeName!)}`] ??= Date.now();
      }
    }).observe(document.body, { subtree: true, attributes: true, attributeFilter: attributes });
  }, attributes);
  return {
    async seen(worker, attribute, value, within) {
      const key = `${worker} ${attribute} ${value}`;
      const look = () =>
        page.evaluate((key) => (globalThis as never as { seen: Record<string, number> }).seen[key], key);
      let at: number | undefined;
      await until(async () => (at = await look()) !== undefined, {
        timeout: within,
        every: 250,
        what: `${worker} with ${attribute} ${value}`,
      });
      return at!;
    },
  };
}
