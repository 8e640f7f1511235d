import { readFileSync, realpathSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandOf, isAlive } from '../processes.ts';

/**
 * Prepares a cluster's folder for a start: stops a PostgreSQL that a killed run left there, and removes the pid file of an
 * ended one, because PostgreSQL would not start if another process had that PID now.
 *
 * Call it only with the lock of the data directory; then no running stack uses that PostgreSQL.
 *
 * @throws if the old server does not end within ten seconds.
 */
export async function endOrphan(folder: string): Promise<void> {
  const file = join(folder, 'postmaster.pid');
  let pid: number;
  try {
    pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  } catch {
    return;
  }
  if (!(pid > 1)) return;
  if (!isAlive(pid) || !servesFrom(pid, folder)) {
    rmSync(file, { force: true });
    return;
  }
  process.kill(pid, 'SIGINT');
  const deadline = Date.now() + 10_000;
  while (isAlive(pid)) {
    if (Date.now() > deadline) {
      throw new Error(
        `A PostgreSQL of an earlier run (PID ${pid}) still uses ${folder} and does not stop. Run: kill -9 ${pid}`,
      );
    }
    await sleep(50);
  }
}

function servesFrom(pid: number, folder: string): boolean {
  try {
    // PostgreSQL's working directory is its cluster.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch {
    return commandOf(pid)?.includes(folder) ?? false;
  }
}
