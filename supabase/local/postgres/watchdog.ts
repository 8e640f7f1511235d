import { spawn } from 'node:child_process';
import type { Account } from './account.ts';

/**
 * Stays beside PostgreSQL and holds the other end of a pipe to us. We may be killed with SIGKILL and run no code any
 * more; the pipe closes all the same, and the watchdog then ends PostgreSQL, and removes `throwAway` when it is given.
 */
export function watchdog(
  pid: number,
  account: Account | undefined,
  throwAway?: string,
): { release(): Promise<void> } {
  // `read` fails at the end of the pipe; a word through it means that we ended PostgreSQL ourselves.
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
  child.stdin.on('error', () => {}); // it ended first
  child.unref();
  return {
    async release() {
      child.ref();
      child.stdin.end('done\n');
      await gone;
    },
  };
}
