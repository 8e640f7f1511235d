import { execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, globSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Stack } from '../../supabase/local/stack.ts';
import { until } from './until.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Builds of tests stand apart: somebody who builds or develops meanwhile must not pull one from under a test. */
const builds = join(root, '.svelte-kit/test-builds');
const SOURCES = [
  'src/**/*.*',
  'workers-heartbeat/*.*',
  'static/**/*.*',
  '{svelte,vite}.config.*',
  'package.json',
  'tsconfig.json',
];

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
  const folder = mode === 'production' ? await buildDashboard() : root;
  const child = fork(join(root, 'tests/support/preview.ts'), [mode], {
    cwd: folder,
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

/**
 * Builds the dashboard, unless it has been built from the same sources.
 *
 * @returns the folder that holds `.svelte-kit/output` and `.vercel/output`
 */
export async function buildDashboard(): Promise<string> {
  // A folder may look like a file, as routes do: api/fleet.json.
  const sources = globSync(SOURCES, { cwd: root })
    .filter((path) => statSync(join(root, path)).isFile())
    .sort();
  const folder = join(builds, await fingerprint(sources));
  const done = join(folder, 'done');
  const lock = `${folder}.lock`;
  await mkdir(builds, { recursive: true });
  if (existsSync(done)) return folder;

  await until(() => takeLock(lock), { timeout: 90_000, every: 200, what: 'the build of another test file' });
  try {
    if (existsSync(done)) return folder;
    await rm(folder, { recursive: true, force: true });
    for (const file of sources) await cp(join(root, file), join(folder, file));
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    await promisify(execFile)(process.execPath, [vite, 'build', '--logLevel', 'error'], {
      cwd: folder,
      env: { ...clean(process.env), NODE_ENV: 'production' },
    });
    await writeFile(done, '');
    await forgetOthers(folder);
    return folder;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** Builds of sources that are no more go after an hour: a test may still be using one. */
async function forgetOthers(current: string): Promise<void> {
  for (const name of await readdir(builds)) {
    const folder = join(builds, name);
    const old = Date.now() - (await stat(folder)).mtimeMs > 3_600_000;
    if (folder !== current && old) await rm(folder, { recursive: true, force: true });
  }
}

/** The test runner's own variables would make Vite and Svelte believe that they are under test. */
function clean(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !/^(VITEST|TEST|NODE_ENV|NODE_OPTIONS|DEV|PROD|SSR|MODE|BASE_URL)/.test(name),
  );
  return Object.fromEntries(kept);
}

async function fingerprint(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  for (const file of [...files, 'package-lock.json'])
    hash.update(file).update(await readFile(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

async function takeLock(lock: string): Promise<boolean> {
  const holder = join(lock, 'pid');
  try {
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
