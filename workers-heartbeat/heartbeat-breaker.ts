/**
 * A circuit breaker for Lastseen's heartbeat: after too many failed jobs in a row `heartbeat.job` refuses further ones for a
 * while, then lets one try.
 *
 *     import { circuitBreaker } from './heartbeat-breaker.mjs';
 *     const breaker = circuitBreaker(heartbeat, { threshold: 10, cooldown: 60 });
 *
 * While it is open, `job` rejects with a `CircuitOpenError` and does not call the work: look at `breaker.state` before you
 * take a job off a queue.
 */
import type { Heartbeat, JobDetails, Work } from './heartbeat.js';

export interface BreakerOptions {
  /** Jobs failed in a row, 1 to 1,000,000, that open it. @default 10 */
  threshold?: number | undefined;
  /** Seconds, over 0 and up to 86,400, until one job may try again. @default 60 */
  cooldown?: number | undefined;
}

/** The circuit breaker of a worker's jobs. */
export interface Breaker {
  readonly state: 'closed' | 'open' | 'half_open';
  /** Jobs failed in a row. */
  readonly failures: number;
  /** When the next job may try; only while open. */
  readonly retryAt: Date | undefined;
  /** Opens it by hand, for its cool-down. Jobs that run already do not close it. */
  open(reason: string): void;
  /** Closes it by hand. */
  close(): void;
}

/** `job` rejects with it while the circuit breaker is open. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError';
  /** When the next job may try. */
  readonly retryAt: Date;
  constructor(retryAt: Date) {
    super(`circuit breaker open until ${retryAt}`);
    this.retryAt = retryAt;
  }
}

const clock = () => performance.now();
const messageOf = (error: unknown) => {
  try {
    return String((error as Error | undefined)?.message ?? error ?? 'unknown error').slice(0, 500);
  } catch {
    return 'unknown error';
  }
};

/**
 * Puts a circuit breaker before the worker's jobs.
 *
 * @throws {TypeError} naming the option and its range, when one is wrong
 */
export function circuitBreaker(heartbeat: Heartbeat, options: BreakerOptions = {}): Breaker {
  const { threshold = 10, cooldown = 60 } = options;
  const before = heartbeat.parts.find(({ name }) => name === 'breaker')?.handle;
  if (before) return before as Breaker;
  const range = (option: string, value: number, least: number, most: number) => {
    if (!(value >= least && value <= most))
      throw new TypeError(`circuitBreaker: ${option} must be ${least} to ${most}`);
  };
  range('threshold', threshold, 1, 1e6);
  range('cooldown', cooldown, 0.001, 86_400);

  let state: Breaker['state'] = 'closed';
  let failures = 0;
  let opened: { at: number; retryAt: number; reason: string } | undefined;
  /** The state of the last beat. */
  let reported: Breaker['state'] = state;
  /** When it was last set by hand. */
  let setAt = -Infinity;

  const retryDate = () => new Date(Date.now() + (opened?.retryAt ?? 0) - clock());
  const isTrialDue = () => state === 'open' && clock() >= opened!.retryAt;

  function open(reason: string) {
    state = 'open';
    opened = { at: clock(), retryAt: clock() + cooldown * 1000, reason };
  }
  function close() {
    failures = 0;
    state = 'closed';
    opened = undefined;
  }

  const perform = heartbeat.job.bind(heartbeat);
  async function job<T>(details: JobDetails | Work<T>, work?: Work<T>): Promise<T> {
    const [what, does] = typeof details === 'function' ? [{}, details] : [details, work!];
    const held = heartbeat.parts.map((part) => part.hold?.()).filter(Boolean);
    if (held.length) await Promise.all(held);
    if (state !== 'closed' && !isTrialDue()) {
      await new Promise(setImmediate); // a loop that goes on after a refusal must not starve the process
      throw new CircuitOpenError(retryDate());
    }
    const isTrial = state === 'open';
    if (isTrial) {
      state = 'half_open';
      heartbeat.beat();
    }
    const began = clock();
    // A job that began before the breaker was set by hand changes nothing.
    const counts = () => began >= setAt;
    const job = perform(what, async (signal) => {
      try {
        const result = await does(signal);
        if (counts()) close();
        return result;
      } catch (error) {
        const cutShort = signal.aborted && (error as Error | undefined)?.name === 'AbortError';
        if (counts()) failed(error, cutShort);
        throw error;
      }
    });
    return job.finally(() => {
      // Something else may have refused the trial before its work began.
      if (isTrial && counts() && state === 'half_open') state = 'open';
      // A transition. Not sooner: this beat is to report the end of the job as well.
      if (state !== reported) heartbeat.beat();
    });
  }

  function failed(error: unknown, cutShort: boolean) {
    if (cutShort)
      state = state === 'half_open' ? 'open' : state; // neither good nor bad
    else if (state !== 'open' && (++failures >= threshold || state === 'half_open')) open(messageOf(error));
  }

  heartbeat.job = job;
  const breaker: Breaker = {
    get state() {
      return state;
    },
    get failures() {
      return failures;
    },
    get retryAt() {
      return state === 'open' ? retryDate() : undefined;
    },
    open(reason) {
      setAt = clock();
      open(messageOf(reason));
      heartbeat.beat();
    },
    close() {
      setAt = clock();
      close();
      heartbeat.beat();
    },
  };
  heartbeat.extend({
    name: 'breaker',
    handle: breaker,
    fields: () => ({
      circuit_breaker_state: (reported = state),
      circuit_breaker_failures: failures,
      circuit_breaker_threshold: threshold,
      circuit_breaker_opened_age_ms: opened && Math.round(clock() - opened.at),
      circuit_breaker_retry_in_ms: opened && Math.max(0, Math.round(opened.retryAt - clock())),
      circuit_breaker_reason: opened?.reason,
    }),
    commands: {
      breaker_reset: () => void breaker.close(),
      breaker_trip: (_args, reason) => void breaker.open(`tripped by hand: ${reason}`),
    },
  });
  return breaker;
}
