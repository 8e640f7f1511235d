import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../../tests/support/browser.ts';
import { startDashboard, type Dashboard } from '../../tests/support/dashboard.ts';
import type { BenchStack } from './stack.ts';

export async function openBrowser(scope: AsyncDisposableStack): Promise<Browser> {
  const browser = await launchBrowser({
    chromiumSandbox: process.getuid?.() !== 0, // it does not run as root
    // Playwright's own handlers end the process at once, and with it the order in which we end things.
    handleSIGINT: false,
    handleSIGTERM: false,
  });
  scope.defer(() => browser.close());
  return browser;
}

/** The dashboard as built for production. */
export async function serveDashboard(scope: AsyncDisposableStack, stack: BenchStack): Promise<Dashboard> {
  const dashboard = await startDashboard(stack);
  scope.defer(() => dashboard.stop());
  return dashboard;
}

/** The fleet page, the owner signed in, once it is live. */
export async function openFleet(browser: Browser, dashboard: Dashboard, stack: BenchStack): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(dashboard.url);
  await page.getByLabel('Email').fill(stack.owner.email);
  await page.getByLabel('Password').fill(stack.owner.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await untilLive(page);
  return page;
}

export async function untilLive(page: Page): Promise<void> {
  await page.locator('[data-connection="live"]').waitFor({ timeout: 20_000 });
}
