import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { until } from './until.ts';

export interface ProcessOptions {
  /** For Node itself, before the script. */
  nodeOptions?: string[];
  args?: string[];
  /** All that it gets beside PATH: a developer's own SUPABASE_URL must not hear of a test. */
  env?: Record<string, string>;
  cwd?: string;
  /** With a channel for messages, as `fork` has. @default false */
  channel?: boolean;
  /** Which Node. @default TEST_NODE, else the one that runs the tests */
  node?: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Starts a script in a Node process of its own and collects what it writes. End it with `end`, or let it end. */
export function startProcess(script: string, options: ProcessOptions = {}) {
  const { nodeOptions = [], args = [], env, cwd, channel, node } = options;
  const stdio: StdioOptions = channel ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'];
  const child = spawn(node ?? process.env.TEST_NODE ?? process.execPath, [...nodeOptions, script, ...args], {
    stdio,
    cwd,
    env: { PATH: process.env.PATH, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  }
  // 'exit' and not 'close': a descendant may hold the pipes open for longer.
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal })) as Promise<Exit>;
  let gone = false;
  void exited.then(() => (gone = true));
  return {
    child,
    pid: child.pid as number,
    exited,
    /** Everything that it wrote, to stdout and stderr. */
    output: () => output,
    /** Resolves when it has written this. */
    wrote: (text: string | RegExp, timeout?: number) =>
      until(() => (typeof text === 'string' ? output.includes(text) : text.test(output)), {
        timeout,
        what: `${text} in the output of ${script}, which is:\n${output}`,
      }),
    /** Signals it and waits until it has gone; `took` is how many ms that was. Does nothing to one that has gone. */
    async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit & { took: number }> {
      const began = performance.now();
      if (!gone) child.kill(signal);
      return { ...(await exited), took: performance.now() - began };
    },
  };
}

export type TestProcess = ReturnType<typeof startProcess>;
