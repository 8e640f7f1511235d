import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Whether a process with this number exists; a zombie, which runs nothing any more, does not count. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists and is someone else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    // The state follows the command's name, which is in parentheses and may contain anything.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** The command line of a process, as the system tells it; undefined where it doesn't. */
export function commandOf(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    if (line) return line;
  } catch {
    // Not Linux, or gone.
  }
  return ps(pid, 'command');
}

/**
 * When a process started, in the system's own words: equal for the same process, different for another one that got the
 * same number later.
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
    const told = execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return told.toString().trim() || undefined;
  } catch {
    return undefined;
  }
}
