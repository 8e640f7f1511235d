import { countdown } from '../time/words.ts';
import type { Health, Level } from './health.ts';
import type { Worker } from './worker.ts';

/** How a worker's work goes, in a few words: "5m ago (12 new)", "next 3h". At most 50 characters, name not included. */
export interface RunWords {
  readonly text: string;
  /** A level, or `idle`: well, and without work. Where a page has dots this one is yellow; it is no warning. */
  readonly tone: Level | 'idle';
  /** The instant that the words count from or to. */
  readonly instant: Date | null;
}

/**
 * Says how the runs of a worker go. What it claims is believed only as far as its health allows: one that fell silent
 * while "running" is unavailable.
 *
 * @param now the server's time, epoch ms
 */
export function runWords(worker: Worker, health: Health, now: number): RunWords {
  const { status, nextRunAt } = worker;
  const { rule, level } = health;
  const say = (text: string, instant: Date | null = null): RunWords => ({ text, tone: level, instant });

  if (rule === 'paused') return say('paused');
  if (GONE.includes(rule)) return say('unavailable');
  if (rule === 'not-scheduled') return say('not scheduled');
  if (status === 'starting') return say('starting…');
  if (status === 'stopping') return say('stopping…');
  if (status === 'stopped' && worker.kind === 'resident') return say('stopped');
  if (FAILED.includes(rule)) return say(failureWords(worker));
  if (isRunning(worker)) return say('running…');
  if (worker.kind === 'scheduled') {
    const left = nextRunAt ? nextRunAt.getTime() - now : 0;
    // Found to have lasted too long, or to have ended without a word.
    if (status === 'crashed' && (!nextRunAt || left > 0)) return say('unavailable');
    if (!nextRunAt) return say('not scheduled');
    if (left > 0) return say(`next ${countdown(left)}`, nextRunAt);
    return say(rule === 'overdue' ? `overdue ${countdown(-left)}` : 'due now', nextRunAt);
  }
  const last = lastRunWords(worker, now);
  if (!last) return worker.pollIntervalSeconds ? say('no run yet') : resting(say('idle'));
  return worker.lastRunProcessed === 0 ? resting(say(last, worker.lastRunAt)) : say(last, worker.lastRunAt);
}

/**
 * When the last run ended and what came of it: "5m ago (12 new)", "5m ago (idle)", "5m ago (2 errors)"; null where there
 * was none.
 */
export function lastRunWords(worker: Worker, now: number): string | null {
  const { lastRunAt, lastRunProcessed, lastRunErrors } = worker;
  if (!lastRunAt) return null;
  const ms = now - lastRunAt.getTime();
  const when = ms < 1000 ? 'just now' : `${countdown(ms)} ago`;
  if (lastRunErrors) return `${when} (${counted(lastRunErrors, 'error')})`;
  if (lastRunProcessed === null) return when;
  return `${when} (${lastRunProcessed > 0 ? `${grouped.format(lastRunProcessed)} new` : 'idle'})`;
}

/** Nobody can say what it does now. */
const GONE: readonly Health['rule'][] = ['never-reported', 'not-monitored', 'crashed', 'silent'];
const FAILED: readonly Health['rule'][] = ['error', 'run-errors', 'breaker-open'];

const grouped = new Intl.NumberFormat('en');

function failureWords({ breaker, lastRunErrors }: Worker): string {
  const count = Math.max(breaker.failures, lastRunErrors ?? 0);
  return count > 0 ? `error (${counted(count, 'failure')})` : 'error (see logs)';
}

/** `running` alone says no more than "alive": where runs are counted they say what it does. */
function isRunning({ status, jobsActive, lastRunAt, kind }: Worker): boolean {
  if (status === 'processing' || jobsActive > 0) return true;
  return status === 'running' && (kind === 'scheduled' || !lastRunAt);
}

function resting(words: RunWords): RunWords {
  return words.tone === 'healthy' ? { ...words, tone: 'idle' } : words;
}

function counted(count: number, noun: string): string {
  return `${grouped.format(count)} ${noun}${count === 1 ? '' : 's'}`;
}
