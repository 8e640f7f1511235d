import { countdown } from '../time/wording.ts';
import type { Health, Level } from './health.ts';
import type { Worker } from './worker.ts';

/** A short text about a worker's runs: "5m ago (12 new)", "next 3h". At most 50 characters without the name. */
export interface RunText {
  readonly text: string;
  /** A level, or `idle`: healthy and without work. Its dot on the bar is yellow, but it is no warning. */
  readonly tone: Level | 'idle';
  /** The instant that the text counts from or to. */
  readonly instant: Date | null;
}

/**
 * Describes the runs of a worker. Health comes first: a worker that fell silent while "running" is "silent".
 *
 * @param now the server's time, epoch ms
 */
export function runText(worker: Worker, health: Health, now: number): RunText {
  const { status, nextRunAt } = worker;
  const { rule, level } = health;
  const say = (text: string, instant: Date | null = null): RunText => ({ text, tone: level, instant });

  if (rule === 'paused') return say('paused');
  const gone = GONE[rule];
  if (gone) return say(gone);
  if (rule === 'not-scheduled') return say('not scheduled');
  if (status === 'starting') return say('starting…');
  if (status === 'stopping') return say('stopping…');
  if (status === 'stopped' && worker.kind === 'resident') return say('stopped');
  if (FAILED.includes(rule)) return say(failureText(worker));
  if (isRunning(worker)) return say('running…');
  if (worker.kind === 'scheduled') {
    const left = nextRunAt ? nextRunAt.getTime() - now : 0;
    // The run took too long, or its process ended without an exit report.
    if (status === 'crashed' && (!nextRunAt || left > 0)) return say('crashed');
    if (!nextRunAt) return say('not scheduled');
    if (left > 0) return say(`next ${countdown(left)}`, nextRunAt);
    return say(rule === 'overdue' ? `overdue ${countdown(-left)}` : 'due now', nextRunAt);
  }
  const last = lastRunText(worker, now);
  if (!last) return worker.pollIntervalSeconds ? say('no run yet') : resting(say('idle'));
  return worker.lastRunProcessed === 0 ? resting(say(last, worker.lastRunAt)) : say(last, worker.lastRunAt);
}

/**
 * When the last run ended, and its result: "5m ago (12 new)", "5m ago (idle)", "5m ago (2 errors)"; null without a run.
 */
export function lastRunText(worker: Worker, now: number): string | null {
  const { lastRunAt, lastRunProcessed, lastRunErrors } = worker;
  if (!lastRunAt) return null;
  const ms = now - lastRunAt.getTime();
  const when = ms < 1000 ? 'just now' : `${countdown(ms)} ago`;
  if (lastRunErrors) return `${when} (${counted(lastRunErrors, 'error')})`;
  if (lastRunProcessed === null) return when;
  return `${when} (${lastRunProcessed > 0 ? `${grouped.format(lastRunProcessed)} new` : 'idle'})`;
}

/** The current work is not known. */
const GONE: Partial<Record<Health['rule'], string>> = {
  'never-reported': 'never reported',
  'not-monitored': 'unknown',
  crashed: 'crashed',
  silent: 'silent',
};
const FAILED: readonly Health['rule'][] = ['error', 'run-errors', 'breaker-open'];

const grouped = new Intl.NumberFormat('en');

function failureText({ breaker, lastRunErrors }: Worker): string {
  const count = Math.max(breaker.failures, lastRunErrors ?? 0);
  return count > 0 ? `error (${counted(count, 'failure')})` : 'error (see logs)';
}

/** `running` alone only means "alive". If runs are counted, they decide. */
function isRunning({ status, jobsActive, lastRunAt, kind }: Worker): boolean {
  if (status === 'processing' || jobsActive > 0) return true;
  return status === 'running' && (kind === 'scheduled' || !lastRunAt);
}

function resting(words: RunText): RunText {
  return words.tone === 'healthy' ? { ...words, tone: 'idle' } : words;
}

function counted(count: number, noun: string): string {
  return `${grouped.format(count)} ${noun}${count === 1 ? '' : 's'}`;
}
