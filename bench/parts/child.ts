import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A script of the bench in a process of its own. */
export interface Child {
  process: ChildProcess;
  /** Sends a message, and resolves with the next one that comes back. */
  ask<T>(message: unknown): Promise<T>;
  /** Resolves with the next message. */
  hear<T>(): Promise<T>;
  /** Settles when it has ended, whoever ended it. */
  exited: Promise<unknown>;
  end(): Promise<void>;
}

/**
 * Starts it; its end belongs to `scope`. The scripts end by themselves when the channel closes, so nothing is left of
 * a bench that was killed.
 *
 * @param script relative to this folder's parent
 */
export function startChild(
  scope: AsyncDisposableStack,
  script: string,
  env: Record<string, string> = {},
): Child {
  const child = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), [], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, ...env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  let over = false;
  void exited.then(() => (over = true));
  const hear = async <T>(): Promise<T> => {
    const [message] = await Promise.race([
      once(child, 'message'),
      exited.then(([code, signal]) => {
        throw new Error(`${script} ended (${signal ?? code})`);
      }),
    ]);
    return message as T;
  };
  const end = async () => {
    if (!over) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(late);
  };
  scope.defer(end);
  return {
    process: child,
    hear,
    ask(message) {
      const answer = hear();
      child.send(message as object);
      return answer as never;
    },
    exited,
    end,
  };
}
