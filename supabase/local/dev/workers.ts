import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { StackAddress } from '../stack.ts';
import { root, startChild, type Child } from './child.ts';

const names = ['roundtable-worker', 'x-autopost', 'analyze-worker', 'content-worker', 'crawl-worker'];

/** The heartbeat module's, when an operator asks for a restart. */
const RESTART = 'exit code 75';

export interface SampleWorker {
  name: string;
  /** The process that it is now. */
  readonly child: Child;
  /** Resolves with why, when a process of it has ended that nobody asked to start again. */
  ended: Promise<string>;
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

/**
 * Starts the five sample workers, each a process of its own. One that exits to be restarted is, as by a supervisor;
 * any other is left to a person, who may have killed it to see what the page says.
 *
 * @param signal no process is started after it was aborted
 */
export function startWorkers(options: SampleOptions, signal: AbortSignal): SampleWorker[] {
  const { stack, dashboardUrl, folder, kept, say } = options;
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
  return names.map((name) => {
    const start = () => startChild(script(name), env, (line) => say(name, line));
    let child = start();
    async function untilEnded(): Promise<string> {
      for (;;) {
        const why = await child.ended;
        if (why !== RESTART || signal.aborted) return why;
        child = start();
        say(name, `restarted, as an operator asked (PID ${child.process.pid})`);
      }
    }
    return {
      name,
      get child() {
        return child;
      },
      ended: untilEnded(),
      command: restartCommand(name, kept),
    };
  });
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
