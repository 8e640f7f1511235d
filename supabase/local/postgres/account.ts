import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The operating system's user that PostgreSQL runs as. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to run as root, so root hands it to another, existing user: `postgres` where there is one, else
 * `nobody`. Nobody is created: a development tool has no business adding users to a machine.
 *
 * @returns undefined when we are not root: PostgreSQL then simply runs as we do.
 * @throws when we are root and the machine has neither user.
 */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const account = lookUp('postgres') ?? lookUp('nobody');
  if (!account) {
    throw new Error(
      'PostgreSQL does not run as root, and this machine has neither a user "postgres" nor "nobody". ' +
        'Start as another user, or bring your own PostgreSQL: --database-url.',
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
    // Users of a directory service (and macOS's) are not in the file.
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
    return { name, uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

/** Whether `account` may reach `path` in the way of `test`'s flag: `-x` enter or run, `-r` read, `-w` write. */
export function mayReach(account: Account | undefined, path: string, flag: '-x' | '-r' | '-w'): boolean {
  // Asked by trying it as that user: modes of all parents, ACLs and mount options then count by themselves.
  const asked = spawnSync('/bin/sh', ['-c', 'test "$1" "$2"', 'sh', flag, path], {
    uid: account?.uid,
    gid: account?.gid,
    cwd: '/',
    stdio: 'ignore',
  });
  return asked.status === 0;
}
