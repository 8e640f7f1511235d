import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Whether a process with this PID exists. A zombie does not count, because it runs no code. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists, and belongs to another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    // The state follows the command's name, which is in parentheses and may contain anything.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** The command line of a process; undefined if the system does not show it. */
export function commandOf(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    if (line) return line;
  } catch {
    // Not Linux, or the process has ended.
  }
  return ps(pid, 'command');
}

/**
 * The start time of a process in the system's own format: equal for the same process, different for a later process with the
 * same PID.
 */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22, counted after the command's closing parenthesis, which ends field 2.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return ps(pid, 'lstart');
  }
}

function ps(pid: number, field: string): string | undefined {
  try {
    const output = execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return output.toString().trim() || undefined;
  } catch {
    return undefined;
  }
}
