import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { StackAddress } from '../stack.ts';
import { root, startChild, type Child } from './child.ts';

const names = ['roundtable-worker', 'x-autopost', 'analyze-worker', 'content-worker', 'crawl-worker'];

/** The heartbeat module's exit code after an operator's restart. */
const RESTART = 'exit code 75';

export interface SampleWorker {
  name: string;
  /** The current process. */
  readonly child: Child;
  /** Resolves with the reason when the worker has ended other than by a restart. */
  ended: Promise<string>;
  /** The command that starts it again from the project's folder, with any Node installed. */
  command: string;
}

export interface SampleOptions {
  stack: StackAddress;
  dashboardUrl: string;
  /** The only folder that the samples write to. */
  folder: string;
  /** The file with the environment for a worker that a person starts again. */
  kept: string;
  say(name: string, line: string): void;
}

/**
 * Starts the five sample workers, each in its own process. A worker that exits for a restart is started again, as a
 * supervisor would. After any other end, a person starts it again.
 *
 * @param signal after its abort, no process is started
 */
export function startWorkers(options: SampleOptions, signal: AbortSignal): SampleWorker[] {
  const { stack, dashboardUrl, folder, kept, say } = options;
  const env = {
    SUPABASE_URL: stack.url,
    SUPABASE_SECRET_KEY: stack.secretKey,
    DASHBOARD_URL: dashboardUrl,
    WORKER_HEARTBEAT_INTERVAL: '2',
    SAMPLES_DIR: folder,
    // Variables for the person's own workers must not reach the samples.
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
        say(name, `restarted by an operator (PID ${child.process.pid})`);
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
 * A module, not an env file: exported variables override an env file, and with a SUPABASE_URL in the shell, the sample would
 * report to that project.
 */
function keep(file: string, env: Record<string, string>): void {
  const text = `// The environment of the sample workers of \`npm run dev\`, which override the shell's variables. Contains a key.
Object.assign(process.env, ${JSON.stringify(env, null, 2)});
`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
}
