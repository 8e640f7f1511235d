import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { commandOf } from './processes.ts';

/** Which process listens on a TCP port of this machine, as far as the system tells us. */
export function portHolder(port: number): { pid: number; command?: string } | undefined {
  const pid = fromProc(port) ?? fromLsof(port);
  return pid === undefined ? undefined : { pid, command: commandOf(pid) };
}

/** Linux: the socket's inode from the kernel's table, then the process that holds it. */
function fromProc(port: number): number | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of linesOf(table)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const listens = state === '0A';
      if (listens && inode && local?.endsWith(`:${hex}`)) inodes.add(`socket:[${inode}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const entry of namesIn('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    for (const fd of namesIn(`/proc/${entry}/fd`)) {
      try {
        if (inodes.has(readlinkSync(`/proc/${entry}/fd/${fd}`))) return Number(entry);
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return undefined;
}

function fromLsof(port: number): number | undefined {
  try {
    const told = execFileSync('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2000,
    });
    return Number(told.toString().split('\n')[0]) || undefined;
  } catch {
    return undefined;
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(1);
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // another user's
  }
}
