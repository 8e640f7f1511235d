import { execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Stack } from '../../supabase/local/stack.ts';
import { until } from './until.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const lock = join(root, '.svelte-kit/test-build.lock');
/** Inside what a build empties first: whoever else builds makes the stamp go. */
const stamp = join(root, '.svelte-kit/output/test-build.txt');

export interface Dashboard {
  /** `http://127.0.0.1:…` */
  url: string;
  stop(): Promise<void>;
}

export interface DashboardOptions {
  /** As built for production, or as `npm run dev` serves it. @default 'production' */
  mode?: 'production' | 'development';
  env?: Record<string, string>;
}

/** Serves the dashboard for a stack, on a free port of 127.0.0.1. */
export async function startDashboard(
  stack: Pick<Stack, 'url' | 'publishableKey'>,
  { mode = 'production', env = {} }: DashboardOptions = {},
): Promise<Dashboard> {
  if (mode === 'production') await buildDashboard();
  const child = fork(join(root, 'tests/support/preview.ts'), [mode], {
    cwd: root,
    env: {
      ...clean(process.env),
      NODE_ENV: mode,
      PUBLIC_SUPABASE_URL: stack.url,
      PUBLIC_SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
      ...env,
    },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr!.on('data', (text: Buffer) => (complaints += text.toString()));
  const ended = once(child, 'exit');
  const url = await Promise.race([
    once(child, 'message').then(([message]) => String(message)),
    ended.then(() => {
      throw new Error(`The dashboard did not start: ${complaints}`);
    }),
  ]);
  return {
    url,
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** Builds the dashboard, unless it is built as its sources are now. One build for all test files of a run. */
export async function buildDashboard(): Promise<void> {
  const sources = await fingerprint();
  const built = async () => existsSync(stamp) && (await readFile(stamp, 'utf8')) === sources;
  if (await built()) return;
  await until(takeLock, { timeout: 60_000, every: 200, what: 'the build of another test file' });
  try {
    if (await built()) return;
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    await promisify(execFile)(process.execPath, [vite, 'build', '--logLevel', 'error'], {
      cwd: root,
      env: { ...clean(process.env), NODE_ENV: 'production' },
    });
    await writeFile(stamp, sources);
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** The test runner's own variables would make Vite and Svelte believe that they are under test. */
function clean(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !/^(VITEST|TEST|NODE_ENV|NODE_OPTIONS|DEV|PROD|SSR|MODE|BASE_URL)/.test(name),
  );
  return Object.fromEntries(kept);
}

async function fingerprint(): Promise<string> {
  const files = globSync(['src/**/*.*', 'static/**/*.*', '{svelte,vite}.config.*', 'package-lock.json'], {
    cwd: root,
  });
  const hash = createHash('sha256').update(process.version);
  for (const file of files.sort()) hash.update(file).update(await readFile(join(root, file)));
  return hash.digest('hex');
}

async function takeLock(): Promise<boolean> {
  const holder = join(lock, 'pid');
  try {
    await mkdir(join(root, '.svelte-kit'), { recursive: true });
    await mkdir(lock);
    await writeFile(holder, String(process.pid));
    return true;
  } catch {
    // A run that was killed leaves its lock behind.
    const pid = Number(await readFile(holder, 'utf8').catch(() => '')) || null;
    if (pid && !isRunning(pid)) await rm(lock, { recursive: true, force: true });
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
