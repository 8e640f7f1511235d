import { claimsLife, type Health } from '../../rules/health.ts';
import type { Worker } from '../../rules/worker.ts';
import { duration, every } from '../../time/wording.ts';
import { commandText, isOpen, type Command, type CommandName } from './commands.ts';
import { missingPart } from './parts.ts';

/** A command to a worker, with its button. */
export interface Action {
  readonly command: CommandName;
  readonly label: string;
  /** Why the command is not possible now; null if it is possible. */
  readonly disabled: string | null;
}

/** Why no process of the worker would receive a command; null if one would. The database checks this again. */
export function whyUnreachable(worker: Worker, now: number): string | null {
  if (!worker.lastHeartbeat) return 'The worker has never reported.';
  if (!worker.instanceId)
    return 'This worker writes to the table directly and can’t receive commands. Commands need the heartbeat module.';
  const vouched = worker.lastHeartbeat.getTime() + worker.lostAfter * worker.intervalSeconds * 1000;
  if (claimsLife(worker) && now < vouched) return null;
  if (worker.kind === 'scheduled')
    return 'The worker receives commands only during its runs, and none is running now.';
  return 'No process of this worker is alive.';
}

/** The commands that make sense for the worker now; a disabled one has its reason. */
export function actionsFor(worker: Worker, commands: readonly Command[], now: number): readonly Action[] {
  const none = whyUnreachable(worker, now);
  const open = commands.filter((one) => isOpen(one) && one.instanceId === worker.instanceId);
  const ending = open.find(({ command }) => command === 'restart' || command === 'stop');
  const action = (command: CommandName, label: string, why: string | null = null): Action => {
    const same = open.find((one) => one.command === command);
    const under = (one: Command) =>
      `${commandText(one)} was requested ${duration(now - one.requestedAt.getTime())} ago and is in progress.`;
    const disabled =
      none ??
      missingPart(worker, command) ??
      (same ? under(same) : ending && ENDED_BY_ENDING.has(command) ? under(ending) : why);
    return { command, label, disabled };
  };
  const leaving = worker.status === 'stopping' ? 'The worker is stopping already.' : null;
  const { breaker } = worker;
  return [
    action('restart', 'Restart…', leaving),
    action('stop', 'Stop…', leaving),
    worker.draining ? action('resume', 'Resume…', leaving) : action('drain', 'Drain…', leaving),
    ...(breaker.state === 'closed'
      ? [action('breaker_trip', 'Trip breaker…')]
      : [action('breaker_reset', 'Reset breaker…')]),
    action('beat', 'Report now…'),
    action('log_level', 'Log level…'),
  ];
}

/** Commands that have no effect on a process that is about to end. */
const ENDED_BY_ENDING = new Set<CommandName>([
  'restart',
  'stop',
  'drain',
  'resume',
  'breaker_reset',
  'breaker_trip',
]);

/** How long a stopping process may finish its work, unless its code sets another limit; seconds. */
const DRAIN_S = 25;
/** The exit code on which a supervisor starts a worker again (`workers-heartbeat/heartbeat.ts`). */
export const RESTART_CODE = 75;

/** The consequences of a command for this worker, sentence by sentence. */
export function consequences(
  command: CommandName,
  worker: Worker,
  health: Health,
  drainedMs: number | null,
  beside: readonly string[] = [],
): readonly string[] {
  const { breaker } = worker;
  const soon = `The worker receives this with its next heartbeat, within ${every(worker.intervalSeconds)}, or at once if it has its own Supabase client.`;
  const took = drainedMs === null ? '' : ` Last time this took ${inText(drainedMs)}.`;
  const busy =
    worker.jobsActive > 1
      ? `finishes its ${worker.jobsActive} jobs`
      : worker.jobsActive === 1 || worker.jobId || worker.activity
        ? 'finishes its current job'
        : 'finishes its work';
  const drain = `The worker takes no more work, ${busy} for up to ${DRAIN_S} s (or as long as its code allows), and reports its stop.${took}`;
  const trouble =
    worker.expected && health.rule !== 'paused'
      ? 'The worker is expected to run, so one minute after its end it counts as trouble. If this is intended, pause it first.'
      : null;
  switch (command) {
    case 'restart':
      return [
        ...(beside.length > 0 ? [`This also ends ${names(beside)}, in the same process.`] : []),
        drain,
        `Then the process exits with code ${RESTART_CODE}. systemd, PM2, Docker or Kubernetes starts it again if it is set to (Restart=on-failure or always). Without a supervisor, it stays down.`,
        soon,
        'This page shows when the old process has ended and the new one reports, or that none does.',
      ];
    case 'stop':
      return [
        drain,
        beside.length > 0
          ? `The process goes on for ${names(beside)}. This worker returns when the process is started again.`
          : 'Then the process exits with code 0. A supervisor that restarts only after failures leaves it down; one that always restarts starts it again.',
        ...(trouble ? [trouble] : []),
        soon,
      ];
    case 'drain':
      return [
        `The worker ${busy} and takes no more work until somebody resumes it. The process goes on, and keeps reporting.`,
        'Work outside of job(), run() and leases goes on, unless its code checks for the drain.',
        soon,
      ];
    case 'resume':
      return ['The worker takes work again.', soon];
    case 'breaker_reset':
      return [
        `The circuit breaker closes, and jobs run again${
          breaker.failures > 0 ? `; ${breaker.failures} failures in a row are forgotten` : ''
        }. If jobs still fail, it opens again${
          breaker.threshold ? ` after ${breaker.threshold} failures` : ''
        }.`,
        soon,
      ];
    case 'breaker_trip':
      return [
        'The circuit breaker opens: new jobs are refused, running jobs go on. After its cooldown it tries one job, and closes if the job succeeds.',
        'Meanwhile the worker counts as critical.',
        soon,
      ];
    case 'beat':
      return ['The worker reports at once, with all its values. Nothing else changes.', soon];
    case 'log_level':
      return ['From then on the log receives lines of this level and worse, until the process ends.', soon];
  }
}

/** "a", "a and b", "a, b and c"; of many names the first, and the number of others. */
function names(all: readonly string[]): string {
  const named = all.length > NAMED ? [...all.slice(0, NAMED - 1), `${all.length - NAMED + 1} others`] : all;
  return named.length === 1 ? named[0]! : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}
const NAMED = 5;

function inText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms);
}
