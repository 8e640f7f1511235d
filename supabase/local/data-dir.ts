import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createKeys, keptKeys, type Keys } from './keys.ts';
import { lockFolder } from './lock.ts';
import { defaultPort } from './ports.ts';
import { mayReach, postgresAccount } from './postgres/account.ts';
import { endOrphan } from './postgres/orphan.ts';
import { ensureOwnFolder, sharedPlace, temporaryPlace } from './postgres/places.ts';

/** The folder for all local files of the project, ignored by git. LASTSEEN_DIR moves it. */
export const lastseenFolder = resolve(
  process.env.LASTSEEN_DIR || fileURLToPath(new URL('../../.lastseen', import.meta.url)),
);

/**
 * The default data directory. One per port, so that a second stack needs only another port.
 */
export function dataDirFor(port: number): string {
  const isUsual = port === 0 || port === defaultPort;
  return join(lastseenFolder, isUsual ? 'stack' : `stack-${port}`);
}

/** The folder for the keys of a stack on `--database-url`. Such a stack keeps nothing else. */
export function keysDirFor(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl);
  return join(lastseenFolder, `database-${shortHash(host + pathname)}`);
}

/** A folder with the stack's keys, and the cluster that belongs to them. */
export interface DataDir {
  keys: Keys;
  /** The keys are new, so an existing cluster belongs to older keys. */
  made: boolean;
  /** PostgreSQL's folder: in the data directory, or where PostgreSQL's user has access. */
  cluster: string;
  /** The folder to remove at the end, for `--fresh`. */
  throwAway?: string;
  /** Removes the cluster, so that the next start creates a new one. */
  empty(): void;
  /** Releases the lock, and removes `throwAway`. Idempotent. */
  close(): void;
}

/**
 * Opens (or creates) a data directory and locks it for this process.
 *
 * @throws DataDirTaken if a running stack uses it.
 */
export async function openDataDir(path: string): Promise<DataDir> {
  mkdirSync(path, { recursive: true });
  const folder = realpathSync(path);
  const unlock = lockFolder(folder);
  try {
    const { keys, made } = keptKeys(folder);
    const cluster = clusterFolder(folder);
    const owner = `${cluster}.owner`;
    if (!existsSync(owner) || readFileSync(owner, 'utf8') !== keys.clusterId) {
      await endOrphan(cluster);
      rmSync(cluster, { recursive: true, force: true });
      writeFileSync(owner, keys.clusterId, { mode: 0o600 });
    }
    const empty = () => rmSync(cluster, { recursive: true, force: true });
    return { keys, made, cluster, empty, close: unlock };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** New keys, and a temporary folder that is removed at the end. */
export function freshDataDir(keys: Keys = createKeys()): DataDir {
  const account = postgresAccount();
  const folder = mkdtempSync(join(temporaryPlace(account), 'lastseen-'));
  // The watchdog, which runs as PostgreSQL's user, also removes it.
  if (account) chownSync(folder, account.uid, account.gid);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return {
    keys,
    made: true,
    cluster: join(folder, 'postgres'),
    throwAway: folder,
    empty: remove,
    close: remove,
  };
}

/** In the data directory if PostgreSQL's user has access, else in a shared folder under a name of its own. */
function clusterFolder(folder: string): string {
  const account = postgresAccount();
  if (!account || mayReach(account, folder, '-x')) return join(folder, 'postgres');
  const clusters = join(sharedPlace(account), 'clusters');
  ensureOwnFolder(clusters);
  return join(clusters, shortHash(folder));
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
