import { cp, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stack } from '../../supabase/local/stack.ts';
import { buildDashboard, type Dashboard } from './dashboard.ts';
import { startProcess } from './processes.ts';
import { until } from './until.ts';

const platform = fileURLToPath(new URL('./vercel-platform.ts', import.meta.url));

export interface Deployment extends Dashboard {
  /** Where `.vercel/output` was put: away from this repository, whose packages must not be there to help. */
  folder: string;
  /** What the function wrote: Vercel's log. */
  log(): string;
}

/** Deploys the production build to a stand-in for Vercel. The environment is the function's whole one. */
export async function deploy(
  stack: Pick<Stack, 'url' | 'publishableKey'>,
  env: Record<string, string> = {},
): Promise<Deployment> {
  const built = await buildDashboard();
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'lastseen-vercel-')));
  await cp(join(built, '.vercel/output'), folder, { recursive: true, verbatimSymlinks: true });
  const child = startProcess(platform, {
    args: [folder],
    channel: true,
    env: {
      NODE_ENV: 'production',
      VERCEL: '1',
      PUBLIC_SUPABASE_URL: stack.url,
      PUBLIC_SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
      ...env,
    },
  });
  let url = '';
  child.child.once('message', (message) => (url = String(message)));
  const remove = () => rm(folder, { recursive: true, force: true });
  await until(() => url, { what: 'the address of the deployment' }).catch(async (error: Error) => {
    await child.end();
    await remove();
    throw new Error(`${error.message}\n${child.output()}`);
  });
  return {
    url,
    folder,
    log: child.output,
    async stop() {
      await child.end('SIGTERM');
      await remove();
    },
  };
}
