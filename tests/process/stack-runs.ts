import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../../supabase/local/processes.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';

const bin = fileURLToPath(new URL('../../supabase/local/bin/stack.ts', import.meta.url));

/** What the first line of `npm run stack -- --json` says. */
export interface StackLine {
  url: string;
  publishableKey: string;
  secretKey: string;
  databaseUrl: string;
  owner: { email: string; password: string };
}

export type StackRun = TestProcess & {
  stdout(): string;
  /** The JSON line, once it has been written. */
  line(): Promise<StackLine>;
};

/** Starts `npm run stack` (without npm) on a free port. */
export function runStack(args: string[], { port = 0, env = {} } = {}): StackRun {
  const started = startProcess(bin, { args: ['--json', '--port', String(port), ...args], env });
  let stdout = '';
  started.child.stdout?.on('data', (chunk: string) => (stdout += chunk));
  return {
    ...started,
    stdout: () => stdout,
    async line() {
      const text = await Promise.race([
        until(() => stdout.includes('\n') && stdout.split('\n')[0], {
          timeout: 30_000,
          what: 'the JSON line',
        }),
        started.exited.then(() => stdout.split('\n')[0]),
      ]);
      if (!text) throw new Error(`The stack ended instead:\n${started.output()}`);
      return JSON.parse(text) as StackLine;
    },
  };
}

// Run as root, PostgreSQL is another user, who must be able to enter the data directories of these tests. A stricter umask
// is no fault (its data then goes where that user may go), but not where these tests look for it.
process.umask(0o022);

/** A folder for one test, which PostgreSQL's user may enter when the test runs as root. */
export function scratchFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'lastseen-test-'));
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** The process number of the PostgreSQL in a data directory, while there is one. */
export function postgresIn(dataDir: string): number | undefined {
  const file = join(dataDir, 'postgres', 'postmaster.pid');
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) || undefined : undefined;
}

export function untilGone(pid: number, timeout = 10_000): Promise<true> {
  return until(() => !isAlive(pid), { timeout, what: `the end of process ${pid}` });
}

/** Whether somebody listens there. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
