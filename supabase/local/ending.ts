/** Thrown by work in progress when a person stops the command. */
export const asked = Symbol('stopped by a person');

// If /bin/sh replaces itself by this process, one Ctrl-C arrives twice: from the terminal, and from npm.
const SAME_PRESS_MS = 400;

/**
 * Waits for Ctrl-C, SIGTERM, a closed terminal, or the end of the npm that started this process. (npm does not pass on every
 * signal that kills it, and this process would stay behind.)
 *
 * @param force runs at a second Ctrl-C, before the process exits with 130.
 * @returns aborted at the first of these, with `asked` as its reason.
 */
export function endWhenAsked(force: () => void = () => {}): AbortSignal {
  const ending = new AbortController();
  let askedAt: number | undefined;
  const ask = () => {
    askedAt ??= performance.now();
    ending.abort(asked);
  };
  const onSignal = () => {
    if (askedAt !== undefined && performance.now() - askedAt > SAME_PRESS_MS) {
      force();
      process.exit(130);
    }
    ask();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);

  // postgres.js throws from a timer when its server was killed. After any such error, stop in order.
  process.on('uncaughtException', (error) => {
    if (askedAt === undefined) console.error(`Stopping because of an error: ${error.message}`);
    process.exitCode = 1;
    ask();
  });

  // A closed terminal or pipe must not interrupt the stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && ask(), 500).unref();
  }
  return ending.signal;
}

/** Settles when `signal` is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
