import { spawn } from 'node:child_process';
import type { Account } from './account.ts';

/**
 * Runs beside PostgreSQL, with a pipe to this process. After a SIGKILL this process can run no code, but the pipe closes. The
 * watchdog then stops PostgreSQL, and removes `throwAway` if given.
 */
export function watchdog(
  pid: number,
  account: Account | undefined,
  throwAway?: string,
): { release(): Promise<void> } {
  // `read` fails when the pipe closes. A line on the pipe means that this process has stopped PostgreSQL itself.
  const script = `
    read -r word && exit 0
    kill -INT "$1" 2>/dev/null
    tries=0
    while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
    kill -QUIT "$1" 2>/dev/null
    [ -z "$2" ] || rm -rf "$2"
  `;
  const child = spawn('/bin/sh', ['-c', script, 'lastseen-watchdog', String(pid), throwAway ?? ''], {
    uid: account?.uid,
    gid: account?.gid,
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  child.stdin.on('error', () => {}); // the watchdog ended first
  child.unref();
  return {
    async release() {
      child.ref();
      child.stdin.end('done\n');
      await gone;
    },
  };
}
