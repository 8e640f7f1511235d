// The code of Lastseen's heartbeat-drain module, made from heartbeat-drain.ts by `npm run heartbeat`.
'use strict';
Object.defineProperty(exports, '__esModule', { value: true });
exports.drain = drain;

const STARTED_S = 60;

/** Lets operators drain the worker. */
function drain(heartbeat) {
  const before = heartbeat.parts.find(({ name }) => name === 'drain')?.handle;
  if (before) return before;
  let draining = false;
  /** Ends the waiting of held work. */
  const held = new Set();
  /** Jobs under way, and all work under way. */
  let [jobs, active] = [0, 0];
  /** The worker's code can be held: it has begun work here, or looked at `draining`. */
  let canHold = false;
  /** Ends the command that is under way, with the reason where it failed. */
  let settle = () => {};

  const isQuiet = () => !jobs && (!active || held.size > 0);
  const check = () => void (draining && isQuiet() && settle());

  async function wait() {
    while (draining && !heartbeat.signal.aborted) {
      const alive = setInterval(() => {}, 1e9); // held work may be all that keeps the process alive
      await new Promise((go) => {
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

  function end(why) {
    settle(why);
    draining = false;
    for (const go of held) go();
    held.clear();
  }

  const [perform, run] = [heartbeat.perform.bind(heartbeat), heartbeat.run.bind(heartbeat)];
  const job = heartbeat.job.bind(heartbeat);
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
  heartbeat.job = async (details, work) => {
    const held = hold();
    if (held) await held;
    jobs++;
    return job(details, work).finally(() => {
      jobs--;
      check();
    });
  };

  const operator = {
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

const core = globalThis;
core[Symbol.for('lastseen.heartbeat')]?.join(drain);
