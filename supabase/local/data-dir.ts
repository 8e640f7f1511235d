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

/** Everything that the project keeps on this machine is under here, out of git's sight. LASTSEEN_DIR moves it. */
export const lastseenFolder = resolve(
  process.env.LASTSEEN_DIR || fileURLToPath(new URL('../../.lastseen', import.meta.url)),
);

/**
 * The data directory where none is asked for. One per port, so that a second stack beside a running one needs nothing
 * but a port of its own.
 */
export function dataDirFor(port: number): string {
  const isUsual = port === 0 || port === defaultPort;
  return join(lastseenFolder, isUsual ? 'stack' : `stack-${port}`);
}

/** Where the keys for somebody else's database are kept: a stack on it keeps nothing else. */
export function keysDirFor(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl);
  return join(lastseenFolder, `database-${shortHash(host + pathname)}`);
}

/** A folder with the stack's keys, and the cluster that belongs to them. */
export interface DataDir {
  keys: Keys;
  /** The keys were made just now: the cluster, if there is one, is of an earlier life and knows other ones. */
  made: boolean;
  /** PostgreSQL's folder: in the data directory, or where PostgreSQL's user may go. */
  cluster: string;
  /** The folder to be removed in the end, of a directory that is to be thrown away. */
  throwAway?: string;
  /** Removes the cluster, so that the next start makes a new one. */
  empty(): void;
  /** Gives the lock back, and removes what is to be thrown away. Idempotent. */
  close(): void;
}

/**
 * Opens (and makes) a data directory and locks it for this process.
 *
 * @throws DataDirTaken when a running stack has it.
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

/** Throw-away keys and a folder under the system's temporary one. */
export function freshDataDir(keys: Keys = createKeys()): DataDir {
  const account = postgresAccount();
  const folder = mkdtempSync(join(temporaryPlace(account), 'lastseen-'));
  // Also the watchdog, which runs as PostgreSQL's user, removes it.
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

/** In the data directory where PostgreSQL's user may enter it, else in a place keyed by it: two clones, two clusters. */
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
