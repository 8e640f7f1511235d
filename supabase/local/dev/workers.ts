import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { StackAddress } from '../stack.ts';
import { root, startChild, type Child } from './child.ts';

const names = ['roundtable-worker', 'x-autopost', 'analyze-worker', 'content-worker', 'crawl-worker'];

export interface SampleWorker {
  name: string;
  child: Child;
  /** Starts it again, from the project's folder, whatever version the person's own Node is. */
  command: string;
}

export interface SampleOptions {
  stack: StackAddress;
  dashboardUrl: string;
  /** The one folder that the samples write to. */
  folder: string;
  /** A file, for the environment of a worker that a person starts again. */
  kept: string;
  say(name: string, line: string): void;
}

/** Starts the five sample workers, each a process of its own. Nothing here ever starts one again: that is for a person. */
export function startWorkers({ stack, dashboardUrl, folder, kept, say }: SampleOptions): SampleWorker[] {
  const env = {
    SUPABASE_URL: stack.url,
    SUPABASE_SECRET_KEY: stack.secretKey,
    DASHBOARD_URL: dashboardUrl,
    WORKER_HEARTBEAT_INTERVAL: '2',
    SAMPLES_DIR: folder,
    // Whatever the person has exported for workers of their own is not for these.
    SUPABASE_PUBLISHABLE_KEY: '',
    HEARTBEAT_TOKEN: '',
    WORKER_HEARTBEAT: '',
  };
  keep(kept, env);
  return names.map((name) => ({
    name,
    child: startChild(script(name), env, (line) => say(name, line)),
    command: restartCommand(name, kept),
  }));
}

/** @param name of a sample, or `{worker_name}` for a template */
export function restartCommand(name: string, kept: string): string {
  const environment = relative(root, kept).replaceAll('\\', '/');
  return `${join('node_modules', '.bin', 'node')} --import ./${environment} ${script(name)}`;
}

function script(name: string): string {
  return join('workers-heartbeat', 'examples', `${name}.ts`);
}

/**
 * A module and no env file: Node lets exported variables win over those, and in the shell of somebody who has a
 * SUPABASE_URL of their own the sample would report to that project.
 */
function keep(file: string, env: Record<string, string>): void {
  const text = `// The environment of the sample workers of \`npm run dev\`, whatever the shell has exported. It holds a key.
Object.assign(process.env, ${JSON.stringify(env, null, 2)});
`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
}
