import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The operating system's user that PostgreSQL runs as. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to run as root, so root runs it as an existing user: `postgres`, or else `nobody`. No user is created,
 * because a development tool must not add users to a machine.
 *
 * @returns undefined without root: PostgreSQL then runs as the same user.
 * @throws as root, if the machine has neither user.
 */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const account = lookUp('postgres') ?? lookUp('nobody');
  if (!account) {
    throw new Error(
      'PostgreSQL does not run as root, and this machine has neither a user "postgres" nor "nobody". ' +
        'Start as another user, or use your own PostgreSQL with --database-url.',
    );
  }
  return account;
}

function lookUp(name: string): Account | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line) {
    const [, , uid, gid] = line.split(':');
    return { name, uid: Number(uid), gid: Number(gid) };
  }
  try {
    // Users of a directory service or of macOS are not in the file.
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
    return { name, uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

/** Whether `account` has access to `path`, by a flag of `test`: `-x` enter or run, `-r` read, `-w` write. */
export function mayReach(account: Account | undefined, path: string, flag: '-x' | '-r' | '-w'): boolean {
  // Tried as that user, so that parents' modes, ACLs and mount options count.
  const test = spawnSync('/bin/sh', ['-c', 'test "$1" "$2"', 'sh', flag, path], {
    uid: account?.uid,
    gid: account?.gid,
    cwd: '/',
    stdio: 'ignore',
  });
  return test.status === 0;
}
