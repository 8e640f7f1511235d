import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { commandOf } from './processes.ts';

/** The process that listens on a TCP port of this machine, if the system shows it. */
export function portHolder(port: number): { pid: number; command?: string } | undefined {
  const pid = fromProc(port) ?? fromLsof(port);
  return pid === undefined ? undefined : { pid, command: commandOf(pid) };
}

/** Linux: looks up the socket's inode in the kernel's table, then the process with that socket. */
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
    const output = execFileSync('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2000,
    });
    return Number(output.toString().split('\n')[0]) || undefined;
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
    return []; // belongs to another user
  }
}
