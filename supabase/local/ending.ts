/** Thrown by what was under way when a person asked for the end. */
export const asked = Symbol('asked to end');

// Where /bin/sh replaces itself by us, one Ctrl-C comes twice: from the terminal, and from npm, which passes it on.
const SAME_PRESS_MS = 400;

/**
 * Hears the wish to end: Ctrl-C, SIGTERM, a closed terminal, or the end of the npm that started us (npm is killed by a
 * signal that it does not pass through its shell, and we would stay behind).
 *
 * @param force what a second Ctrl-C does at once, before the process exits with 130.
 * @returns aborted at the first wish, with `asked` as its reason.
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

  // postgres.js throws from a timer when its server was killed; whoever throws so, the end is an orderly one.
  process.on('uncaughtException', (error) => {
    if (askedAt === undefined) console.error(`Everything ends: ${error.message}`);
    process.exitCode = 1;
    ask();
  });

  // A closed terminal or pipe is not worth dying of in the middle of an orderly end.
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
