import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { mayReach, type Account } from './account.ts';

/**
 * A folder outside the project that another user may enter, for a clone under a folder of mode 0700, where root's PostgreSQL
 * has no access. Created by root, writable by root only.
 *
 * @throws if no folder is suitable; the message names the ones tried.
 */
export function sharedPlace(account: Account): string {
  // /var/lib first, because many machines delete old files in /var/tmp and /tmp, and so would damage a cluster.
  const candidates = ['/var/lib/lastseen', '/var/tmp/lastseen', '/tmp/lastseen'];
  for (const place of candidates) {
    try {
      ensureOwnFolder(place);
      if (mayReach(account, place, '-x')) return place;
    } catch {
      // Read-only, or another user's: try the next.
    }
  }
  throw new Error(
    `The user "${account.name}" can enter none of these folders: ${candidates.join(', ')}. Make one accessible, or start as another user.`,
  );
}

/** A folder for temporary data that `account` may enter: the system's, unless TMPDIR is a private folder. */
export function temporaryPlace(account: Account | undefined): string {
  const candidates = [tmpdir(), '/tmp', '/var/tmp'];
  const found = candidates.find((place) => mayReach(account, place, '-x'));
  if (!found)
    throw new Error(
      `PostgreSQL can use none of these folders for temporary files: ${candidates.join(', ')}. Make one accessible.`,
    );
  return found;
}

/**
 * Creates `path` as a folder that only this user may write to, or checks that it is one. Rejects a symbolic link or another
 * user's folder, because programs from here are run.
 */
export function ensureOwnFolder(path: string, mode = 0o755): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!isOurs(lstatSync(path)))
    throw new Error(`Other users can write to ${path}. Remove it and start again.`);
}

/** A real folder that belongs to this user, and that nobody else can write to. */
export function isOurs(stat: Stats): boolean {
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
}
