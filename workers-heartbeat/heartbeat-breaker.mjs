// The code of Lastseen's heartbeat-breaker module, made from heartbeat-breaker.ts by `npm run heartbeat`.

/** `job` rejects with it while the circuit breaker is open. */
export class CircuitOpenError extends Error {
  name = 'CircuitOpenError';
  /** When the next job may try. */
  retryAt;
  constructor(retryAt) {
    super(`circuit breaker open until ${retryAt}`);
    this.retryAt = retryAt;
  }
}

const clock = () => performance.now();
const messageOf = (error) => {
  try {
    return String(error?.message ?? error ?? 'unknown error').slice(0, 500);
  } catch {
    return 'unknown error';
  }
};

/**
 * Puts a circuit breaker before the worker's jobs.
 *
 * @throws {TypeError} naming the option and its range, when one is wrong
 */
export function circuitBreaker(heartbeat, options = {}) {
  const { threshold = 10, cooldown = 60 } = options;
  const before = heartbeat.parts.find(({ name }) => name === 'breaker')?.handle;
  if (before) return before;
  const range = (option, value, least, most) => {
    if (!(value >= least && value <= most))
      throw new TypeError(`circuitBreaker: ${option} must be ${least} to ${most}`);
  };
  range('threshold', threshold, 1, 1e6);
  range('cooldown', cooldown, 0.001, 86_400);

  let state = 'closed';
  let failures = 0;
  let opened;
  /** The state of the last beat. */
  let reported = state;
  /** When it was last set by hand. */
  let setAt = -Infinity;

  const retryDate = () => new Date(Date.now() + (opened?.retryAt ?? 0) - clock());
  const isTrialDue = () => state === 'open' && clock() >= opened.retryAt;

  function open(reason) {
    state = 'open';
    opened = { at: clock(), retryAt: clock() + cooldown * 1000, reason };
  }
  function close() {
    failures = 0;
    state = 'closed';
    opened = undefined;
  }

  const perform = heartbeat.job.bind(heartbeat);
  async function job(details, work) {
    const [what, does] = typeof details === 'function' ? [{}, details] : [details, work];
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
        const cutShort = signal.aborted && error?.name === 'AbortError';
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

  function failed(error, cutShort) {
    if (cutShort)
      state = state === 'half_open' ? 'open' : state; // neither good nor bad
    else if (state !== 'open' && (++failures >= threshold || state === 'half_open')) open(messageOf(error));
  }

  heartbeat.job = job;
  const breaker = {
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
