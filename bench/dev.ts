import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { freePort } from '../supabase/local/ports.ts';
import { until } from '../tests/support/until.ts';
import type { Figure, Measure } from './figure.ts';
import { openBrowser } from './parts/fleet-page.ts';
import { median } from './parts/statistics.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const START_LIMIT_MS = 60_000;

/** A newcomer's first command, until the page that it points to says that all is well. */
export const dev: Figure = {
  name: 'dev',
  about: 'npm run dev, from the command to 5/5 running in a browser',
  limit: ({ rounds }) => 60 + rounds * 60,
  async measure({ scope, rounds, say }) {
    const browser = await openBrowser(scope);
    const starts = { fresh: [] as Start[], kept: [] as Start[] };
    for (let round = 1; round <= rounds; round++) {
      say(`dev: round ${round} of ${rounds}`);
      const folder = mkdtempSync(join(tmpdir(), 'lastseen-bench-'));
      const remove = () => rmSync(folder, { recursive: true, force: true });
      scope.defer(remove);
      chmodSync(folder, 0o755); // PostgreSQL's user must get in where we are root
      starts.fresh.push(await start(scope, browser, folder));
      starts.kept.push(await start(scope, browser, folder));
      remove();
    }
    return (['fresh', 'kept'] as const).map((data): Measure => ({
      what: `npm run dev → 5/5 running in the browser, data ${data}`,
      value: median(starts[data].map(({ running }) => running)),
      unit: 's',
      beside: { what: 'its address printed', value: median(starts[data].map(({ printed }) => printed)) },
      aim: { atMost: 10 },
    }));
  },
};

/** Seconds since the command. */
interface Start {
  printed: number;
  running: number;
}

async function start(scope: AsyncDisposableStack, browser: Browser, folder: string): Promise<Start> {
  const [port, stackPort] = [await freePort(), await freePort()];
  const began = performance.now();
  const passed = () => (performance.now() - began) / 1000;
  const command = spawn('npm', ['run', 'dev'], {
    cwd: root,
    env: { ...process.env, PORT: String(port), STACK_PORT: String(stackPort), LASTSEEN_DIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
    detached: process.platform !== 'win32', // a group of its own, as a terminal gives it
  });
  const exited = once(command, 'exit');
  let ended = false;
  void exited.then(() => (ended = true));
  let output = '';
  for (const stream of [command.stdout, command.stderr])
    stream.on('data', (text: Buffer) => (output += text.toString()));
  // As Ctrl-C does it: the whole group hears.
  const end = async () => {
    if (!ended) process.kill(process.platform === 'win32' ? command.pid! : -command.pid!, 'SIGINT');
    await exited;
  };
  scope.defer(end);

  const address = `http://127.0.0.1:${port}`;
  await until(() => ended || output.includes(address), {
    timeout: START_LIMIT_MS,
    what: `the address in:\n${output}`,
  });
  if (ended) throw new Error(`npm run dev ended:\n${output}`);
  const printed = passed();
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(address);
  await page
    .getByRole('heading', { level: 1, name: '5/5 running' })
    .waitFor({ state: 'attached', timeout: START_LIMIT_MS });
  const running = passed();
  await context.close();
  await end();
  return { printed, running };
}
