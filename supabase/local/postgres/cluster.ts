import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../ports.ts';
import { postgresAccount, type Account } from './account.ts';
import { binaries, type Binaries } from './binaries.ts';
import { endOrphan } from './orphan.ts';
import { watchdog } from './watchdog.ts';

export interface ClusterOptions {
  /** The cluster's folder, created if missing. PostgreSQL's user must have access. */
  folder: string;
  /** The superuser's password; used for a new cluster only. */
  password: string;
  /** Temporary data: no fsync, and this folder, which contains the cluster's, is removed at the stop. */
  throwAway?: string;
  /** @default 100 */
  maxConnections?: number;
  /** PostgreSQL 15 or newer, which its user may run. @default the npm package's */
  programs?: Binaries;
  /** Aborting stops a start, and leaves nothing running. */
  signal?: AbortSignal;
}

export interface Cluster {
  /** `postgres://…` of the database `postgres`, as the superuser `postgres`. */
  url: string;
  port: number;
  pid: number;
  /** Resolves when the server has ended for any reason. */
  ended: Promise<void>;
  /** Fast shutdown: rolls back open transactions, disconnects clients. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a real PostgreSQL on a free loopback port, with password (SCRAM) authentication. It always ends with this process:
 * see watchdog.ts.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const account = postgresAccount();
  const programs = options.programs ?? binaries(account);
  await endOrphan(options.folder);
  options.signal?.throwIfAborted();
  if (!existsSync(join(options.folder, 'PG_VERSION'))) await initialise(programs, account, options);
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    const port = await freePort();
    try {
      return await launch(programs, account, options, port);
    } catch (error) {
      // Another process took the port after the check.
      if (attempt < 5 && /address already in use/i.test(String(error))) continue;
      throw error;
    }
  }
}

async function initialise(
  programs: Binaries,
  account: Account | undefined,
  options: ClusterOptions,
): Promise<void> {
  // Created under another name and renamed when complete. A killed start leaves only a draft, which the next start
  // removes.
  const beside = dirname(options.folder);
  mkdirSync(beside, { recursive: true });
  for (const name of readdirSync(beside)) {
    if (name.startsWith(`${basename(options.folder)}.new-`))
      rmSync(join(beside, name), { recursive: true, force: true });
  }
  const draft = `${options.folder}.new-${randomBytes(4).toString('hex')}`;
  const passwordFile = join(draft, 'password');
  const data = join(draft, 'data');
  mkdirSync(draft, { mode: 0o700, recursive: true });
  try {
    writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
    if (account) for (const path of [draft, passwordFile]) chownSync(path, account.uid, account.gid);
    const args = [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      // PostgreSQL's own C.UTF-8 (since 17) sorts the same on every machine, whatever locales are installed.
      ...(majorVersion(programs) < 17 ? [] : ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']),
      '--no-sync',
      '--no-instructions',
    ];
    const { code, output } = await run(programs.initdb, args, account, options.signal);
    options.signal?.throwIfAborted();
    if (code !== 0) throw new Error(`initdb failed (exit code ${code}):\n${output.trim()}`);
    rmSync(options.folder, { recursive: true, force: true });
    renameSync(data, options.folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function majorVersion({ initdb }: Binaries): number {
  const version = execFileSync(initdb, ['--version'], { encoding: 'utf8' }); // initdb (PostgreSQL) 15.14 (Debian …)
  return Number(/ (\d+)/.exec(version)?.[1]);
}

function run(file: string, args: string[], account: Account | undefined, signal?: AbortSignal) {
  return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(file, args, {
      uid: account?.uid,
      gid: account?.gid,
      cwd: '/',
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that Ctrl-C reaches this process only, which stops PostgreSQL in order.
      detached: true,
    });
    const abort = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', abort);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (output += String(chunk)));
    child.once('error', reject);
    child.once('close', (code) => {
      signal?.removeEventListener('abort', abort);
      resolve({ code, output });
    });
  });
}

async function launch(
  programs: Binaries,
  account: Account | undefined,
  options: ClusterOptions,
  port: number,
): Promise<Cluster> {
  const log = `${options.folder}.log`;
  // Opened here and passed as a descriptor, so PostgreSQL's user needs no access to the folder.
  const logFile = openSync(log, 'w', 0o600);
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: options.maxConnections ?? 100,
    shared_buffers: '64MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    jit: 'off',
    // On a development machine, a crash may lose the last commits, but not the cluster.
    synchronous_commit: 'off',
    // No replica reads the log, so nothing is written for one.
    wal_level: 'minimal',
    max_wal_senders: 0,
    ...(options.throwAway && { fsync: 'off', full_page_writes: 'off', autovacuum_naptime: '10min' }),
  };
  const child = spawn(
    programs.postgres,
    [
      '-D',
      options.folder,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    {
      uid: account?.uid,
      gid: account?.gid,
      cwd: '/',
      env: quietEnvironment(),
      stdio: ['ignore', logFile, logFile],
      detached: true,
    },
  );
  closeSync(logFile);
  let over = false;
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => ((over = true), resolve()));
    child.once('exit', () => ((over = true), resolve()));
  });
  const logEnd = () => readFileSync(log, 'utf8').trim().split('\n').slice(-20).join('\n');
  if (child.pid === undefined) {
    await ended;
    throw new Error(`PostgreSQL (${programs.postgres}) cannot be started. Run npm install again.`);
  }
  const guard = watchdog(child.pid, account, options.throwAway);
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      if (!over) child.kill('SIGINT');
      await ended;
      await guard.release();
      if (options.throwAway) rmSync(options.throwAway, { recursive: true, force: true });
    })());
  const abort = () => void stop();
  options.signal?.addEventListener('abort', abort);
  try {
    const deadline = Date.now() + 60_000;
    while (!isReady(options.folder)) {
      if (over) {
        options.signal?.throwIfAborted();
        throw new Error(`PostgreSQL did not start:\n${logEnd()}`);
      }
      if (Date.now() > deadline) throw new Error(`PostgreSQL was not ready within a minute:\n${logEnd()}`);
      await sleep(15);
    }
    options.signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
  const url = `postgres://postgres:${encodeURIComponent(options.password)}@127.0.0.1:${port}/postgres`;
  return { url, port, pid: child.pid, ended, stop };
}

/** The eighth line of postmaster.pid is the server's state. */
function isReady(folder: string): boolean {
  try {
    return readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[7]?.trim() === 'ready';
  } catch {
    return false;
  }
}

/** Without the PG… variables of the person's own PostgreSQL, and with English messages, which this file parses. */
function quietEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(own), LC_ALL: 'C', LANG: 'C' };
}
