/**
 * Drain and resume for Lastseen's heartbeat: an operator asks the worker to take no more work for now.
 *
 *     import { drain } from './heartbeat-drain.mjs';
 *     const operator = drain(heartbeat); // needs heartbeat-commands.mjs, which receives the commands
 *
 * `heartbeat.job`, `run` and leases that begin from then on wait until `resume`; nothing is lost, and `signal` is not
 * aborted. Code that takes its work in another way looks at `operator.draining`.
 */
import type { Heartbeat, JobDetails, Work } from './heartbeat.js';

export interface Operator {
  /** An operator asked the worker to take no more work for now. */
  readonly draining: boolean;
}

const STARTED_S = 60;

/** Lets operators drain the worker. */
export function drain(heartbeat: Heartbeat): Operator {
  const before = heartbeat.parts.find(({ name }) => name === 'drain')?.handle;
  if (before) return before as Operator;
  let draining = false;
  /** Ends the waiting of held work. */
  const held = new Set<() => void>();
  /** Jobs under way, and all work under way. */
  let [jobs, active] = [0, 0];
  /** The worker's code can be held: it has begun work here, or looked at `draining`. */
  let canHold = false;
  /** Ends the command that is under way, with the reason where it failed. */
  let settle: (failure?: string) => void = () => {};

  const isQuiet = () => !jobs && (!active || held.size > 0);
  const check = () => void (draining && isQuiet() && settle());

  async function wait() {
    while (draining && !heartbeat.signal.aborted) {
      const alive = setInterval(() => {}, 1e9); // held work may be all that keeps the process alive
      await new Promise<void>((go) => {
        held.add(go);
        check();
        heartbeat.beat(1000);
      });
      clearInterval(alive);
    }
  }
  const hold = () => {
    canHold = true;
    return draining ? wait() : undefined;
  };

  function end(why: string) {
    settle(why);
    draining = false;
    for (const go of held) go();
    held.clear();
  }

  const [perform, run] = [heartbeat.perform.bind(heartbeat), heartbeat.run.bind(heartbeat)];
  const job: <T>(details: JobDetails | Work<T>, work?: Work<T>) => Promise<T> = heartbeat.job.bind(heartbeat) as never;
  heartbeat.perform = async (...work) => {
    active++;
    return perform(...work).finally(() => {
      active--;
      check();
    });
  };
  heartbeat.run = async (work) => {
    const held = hold();
    if (held) await held;
    return run(work);
  };
  heartbeat.job = async <T>(details: JobDetails | Work<T>, work?: Work<T>): Promise<T> => {
    const held = hold();
    if (held) await held;
    jobs++;
    return job(details, work).finally(() => {
      jobs--;
      check();
    });
  };

  const operator: Operator = {
    get draining() {
      canHold = true;
      return draining;
    },
  };
  heartbeat.extend({
    name: 'drain',
    handle: operator,
    hold,
    fields({ status }) {
      if (!draining) return undefined;
      // A pass that waits for its next job is idle.
      return { draining, ...(status === 'processing' && active && isQuiet() && { status: 'idle' }) };
    },
    ending: () => end('the worker is ending'),
    commands: {
      drain() {
        // A worker that has just started may begin its first job in a moment.
        if (!canHold && process.uptime() > STARTED_S)
          return 'the worker takes no work by job(), run() or a lease, so a drain would hold nothing';
        settle();
        draining = true;
        return new Promise((done) => {
          settle = done;
          check();
        });
      },
      resume: () => end('it was resumed before'),
    },
  });
  return operator;
}

const core: { [key: symbol]: { join(part: unknown): void } | undefined } = globalThis as never;
core[Symbol.for('lastseen.heartbeat')]?.join(drain);
