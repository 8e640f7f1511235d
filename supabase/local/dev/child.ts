import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));
const endWithParent = new URL('./end-with-parent.ts', import.meta.url).href;

export interface Child {
  process: ChildProcess;
  /** Why it is no more, in words: "exit code 1", "SIGKILL". */
  ended: Promise<string>;
  /** SIGTERM, and SIGKILL for one that is still there after `within` milliseconds. */
  end(within: number): Promise<void>;
}

/**
 * Starts a script of the project as a process that ends when we end, and that a terminal's Ctrl-C does not reach: we
 * end it when its turn comes.
 *
 * @param say gets its output, a line at a time; empty ones are left out.
 */
export function startChild(script: string, env: Record<string, string>, say: (line: string) => void): Child {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', 'ipc'];
  const child = spawn(process.execPath, ['--import', endWithParent, script], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio,
    detached: process.platform !== 'win32', // a process group of its own; on Windows it would be a console window
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', (line) => line.trim() && say(line));
  }
  let over = false;
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message)); // also a message to one that is gone
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
