import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { mayReach, type Account } from './account.ts';

/**
 * A folder of ours, outside the project, that another user may enter: for what root's PostgreSQL cannot reach in a
 * clone under a folder of mode 0700. Made by root, writable by root alone.
 *
 * @throws when no place on this machine will do; the message names those tried.
 */
export function sharedPlace(account: Account): string {
  // /var/lib first: /var/tmp and /tmp are swept by age on many machines, which would eat a cluster file by file.
  const candidates = ['/var/lib/lastseen', '/var/tmp/lastseen', '/tmp/lastseen'];
  for (const place of candidates) {
    try {
      ensureOwnFolder(place);
      if (mayReach(account, place, '-x')) return place;
    } catch {
      // Read-only, or somebody else's: try the next.
    }
  }
  throw new Error(`No folder that the user "${account.name}" may enter; tried ${candidates.join(', ')}.`);
}

/** A folder for throw-away data that `account` may enter: the system's own, unless TMPDIR points somewhere private. */
export function temporaryPlace(account: Account | undefined): string {
  const candidates = [tmpdir(), '/tmp', '/var/tmp'];
  const found = candidates.find((place) => mayReach(account, place, '-x'));
  if (!found)
    throw new Error(
      `No folder for temporary files that PostgreSQL may enter; tried ${candidates.join(', ')}.`,
    );
  return found;
}

/**
 * Makes `path` a folder that only we may write to, or checks that it is one. A symbolic link or a folder planted by
 * someone else is refused: what lies in here is run, and read, on trust.
 */
export function ensureOwnFolder(path: string, mode = 0o755): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!isOurs(lstatSync(path))) throw new Error(`${path} is not a folder of ours alone.`);
}

/** Owned by us, a real folder, writable by nobody else. */
export function isOurs(stat: Stats): boolean {
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
}
