import { claimsLife, type Health } from '../../rules/health.ts';
import type { Worker } from '../../rules/worker.ts';
import { duration, every } from '../../time/wording.ts';
import { commandText, isOpen, type Command, type CommandName } from './commands.ts';

/** Something that can be asked of a worker, as a button says it. */
export interface Action {
  readonly command: CommandName;
  readonly label: string;
  /** Why it cannot be asked now; null: it can. */
  readonly disabled: string | null;
}

/** Of which process the page speaks; null: none, and why not is said by {@link deaf}. */
export function processOf(worker: Worker): string | null {
  return worker.instanceId;
}

/** Why no process of it would hear a command; null: one would. The database asks itself, once more. */
export function whyUnreachable(worker: Worker, now: number): string | null {
  if (!worker.lastHeartbeat) return 'It has never reported.';
  if (!worker.instanceId)
    return 'It reports by plain writes, and takes no commands: these need the heartbeat module.';
  const vouched = worker.lastHeartbeat.getTime() + worker.lostAfter * worker.intervalSeconds * 1000;
  if (claimsLife(worker) && now < vouched) return null;
  if (worker.kind === 'scheduled') return 'No process of it is running now: it lives only during its runs.';
  return 'No process of it is alive.';
}

/** What can be asked of it now, and of what cannot, why. Only what makes sense is told of at all. */
export function actionsFor(worker: Worker, commands: readonly Command[], now: number): readonly Action[] {
  const none = whyUnreachable(worker, now);
  const open = commands.filter((one) => isOpen(one) && one.instanceId === worker.instanceId);
  const ending = open.find(({ command }) => command === 'restart' || command === 'stop');
  const action = (command: CommandName, label: string, why: string | null = null): Action => {
    const same = open.find((one) => one.command === command);
    const under = (one: Command) =>
      `${commandText(one)} was asked for ${duration(now - one.requestedAt.getTime())} ago, and is under way.`;
    const disabled =
      none ?? (same ? under(same) : ending && ENDED_BY_ENDING.has(command) ? under(ending) : why);
    return { command, label, disabled };
  };
  const leaving = worker.status === 'stopping' ? 'It is stopping already.' : null;
  const { breaker } = worker;
  return [
    action('restart', 'Restart…', leaving),
    action('stop', 'Stop…', leaving),
    worker.draining ? action('resume', 'Resume…', leaving) : action('drain', 'Drain…', leaving),
    ...(breaker.state === 'closed'
      ? [action('breaker_trip', 'Trip breaker…')]
      : [action('breaker_reset', 'Reset breaker…')]),
    action('beat', 'Beat now…'),
    action('log_level', 'Log level…'),
  ];
}

/** Asked of a process that is about to end, these come to nothing. */
const ENDED_BY_ENDING = new Set<CommandName>([
  'restart',
  'stop',
  'drain',
  'resume',
  'breaker_reset',
  'breaker_trip',
]);

/** How long a process that was asked to end finishes its work at most, unless its code says otherwise. */
const DRAIN_S = 25;
/** The exit code on which a supervisor starts a worker again (`workers-heartbeat/heartbeat.ts`). */
export const RESTART_CODE = 75;

/** What will happen, sentence by sentence, with what is known of this worker. Quoted texts are the worker's own. */
export function consequences(
  command: CommandName,
  worker: Worker,
  health: Health,
  drainedMs: number | null,
  beside: readonly string[] = [],
): readonly string[] {
  const { breaker } = worker;
  const soon = `It hears of this with its next heartbeat, within ${every(worker.intervalSeconds)}; at once where it listens.`;
  const took = drainedMs === null ? '' : ` Last time that took ${inText(drainedMs)}.`;
  const busy =
    worker.jobsActive > 1
      ? `finishes its ${worker.jobsActive} jobs`
      : worker.jobsActive === 1 || worker.jobId || worker.activity
        ? 'finishes its current job'
        : 'finishes what it is doing';
  const drain = `It takes no more work, ${busy} for up to ${DRAIN_S} s (or as long as its code allows), and says goodbye.${took}`;
  const trouble =
    worker.expected && health.rule !== 'paused'
      ? 'It is expected to run: a minute after its end it counts as trouble. Pause it first if that is intended.'
      : null;
  switch (command) {
    case 'restart':
      return [
        ...(beside.length > 0 ? [`This also ends ${names(beside)}, in the same process.`] : []),
        drain,
        `Then it exits with code ${RESTART_CODE}, on which systemd, PM2, Docker or Kubernetes starts it again where it is set to (Restart=on-failure or always). Where nothing supervises it, it stays down.`,
        soon,
        'This page follows the old process out and the new one in, and says so if none comes.',
      ];
    case 'stop':
      return [
        drain,
        beside.length > 0
          ? `The process stays, for ${names(beside)}. This worker comes back when the process is started again.`
          : 'Then it exits with code 0. What restarts it only after a failure leaves it down; what restarts it always brings it back.',
        ...(trouble ? [trouble] : []),
        soon,
      ];
    case 'drain':
      return [
        `It ${busy} and takes no more, until somebody resumes it. The process stays and goes on beating.`,
        'Work that is claimed elsewhere, without job(), run() or lease(), cannot be held; then it says so.',
        soon,
      ];
    case 'resume':
      return ['It takes work again.', soon];
    case 'breaker_reset':
      return [
        `Its circuit breaker closes, and jobs are let through again${
          breaker.failures > 0 ? `; ${breaker.failures} failures in a row are forgotten` : ''
        }. If what failed still fails, it will open again${
          breaker.threshold ? ` after ${breaker.threshold} failures` : ''
        }.`,
        soon,
      ];
    case 'breaker_trip':
      return [
        'Its circuit breaker opens: jobs are refused before they begin, those under way go on. After its cooldown it tries one job, and closes if that succeeds.',
        'It counts as critical meanwhile.',
        soon,
      ];
    case 'beat':
      return ['It beats at once, with all that it knows. Nothing else changes.', soon];
    case 'log_level':
      return [
        'From then on its log takes lines of this level and worse. It lasts until its process ends.',
        soon,
      ];
  }
}

/** "a", "a and b", "a, b and c"; of many the first, and how many more there are. */
function names(all: readonly string[]): string {
  const named = all.length > NAMED ? [...all.slice(0, NAMED - 1), `${all.length - NAMED + 1} others`] : all;
  return named.length === 1 ? named[0]! : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}
const NAMED = 5;

function inText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms);
}
