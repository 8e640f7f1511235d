import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));
const endWithParent = new URL('./end-with-parent.ts', import.meta.url).href;

export interface Child {
  process: ChildProcess;
  /** Resolves with the reason for its end: "exit code 1", "SIGKILL". */
  ended: Promise<string>;
  /** Sends SIGTERM, and SIGKILL if the process still runs after `within` milliseconds. */
  end(within: number): Promise<void>;
}

/**
 * Starts a script of the project as a child that ends with this process. A terminal's Ctrl-C does not reach it, so that
 * this process can end its children in order.
 *
 * @param say receives its output line by line, without empty lines.
 */
export function startChild(script: string, env: Record<string, string>, say: (line: string) => void): Child {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', 'ipc'];
  const child = spawn(process.execPath, ['--import', endWithParent, script], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio,
    detached: process.platform !== 'win32', // its own process group; on Windows this would open a console window
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', (line) => line.trim() && say(line));
  }
  let over = false;
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message)); // also when a message is sent to an ended process
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  }).finally(() => (over = true));
  return {
    process: child,
    ended,
    async end(within) {
      if (!over) child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), within);
      await ended;
      clearTimeout(late);
    },
  };
}
