import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandOf, isAlive, startOf } from './processes.ts';

interface Holder {
  pid: number;
  /** Distinguishes the process from a later one with the same PID. */
  start?: string;
}

/** A running stack uses the data directory. */
export class DataDirTaken extends Error {
  override name = 'DataDirTaken';
}

/**
 * Locks a data directory for this process. Takes over the lock of a killed process.
 *
 * @returns releases the lock; idempotent.
 * @throws DataDirTaken, with the process that holds the lock.
 */
export function lockFolder(folder: string): () => void {
  const file = join(folder, 'lock');
  const draft = `${file}.${process.pid}`;
  const mine: Holder = { pid: process.pid, start: startOf(process.pid) };
  writeFileSync(draft, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        linkSync(draft, file); // atomic, or EEXIST; creating and then writing a file is not atomic
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === 10) throw error;
      }
      const holder = read(file);
      if (holder && isHeld(holder)) throw taken(folder, holder.pid);
      takeAway(file, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  const release = () => {
    process.off('exit', release);
    if (same(read(file), mine)) rmSync(file, { force: true });
  };
  // A forced exit does not run the release.
  process.on('exit', release);
  return release;
}

function isHeld({ pid, start }: Holder): boolean {
  return isAlive(pid) && (start === undefined || startOf(pid) === start);
}

/** Renames the stale lock first: if another start has taken it over meanwhile, its lock is put back. */
function takeAway(file: string, stale: Holder | undefined): void {
  const aside = `${file}.stale-${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // removed already
  }
  if (!same(read(aside), stale)) renameSync(aside, file);
  else rmSync(aside, { force: true });
}

function taken(folder: string, pid: number): DataDirTaken {
  const command = commandOf(pid);
  return new DataDirTaken(
    `The data directory ${folder} is in use by process ${pid}${command ? ` (${command})` : ''}.`,
  );
}

function read(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

const same = (a: Holder | undefined, b: Holder | undefined): boolean =>
  a?.pid === b?.pid && a?.start === b?.start;
