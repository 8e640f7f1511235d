import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** Milliseconds. @default 10_000 */
  timeout?: number;
  /** Milliseconds between two looks. @default 25 */
  every?: number;
  /** What is waited for, for the error. */
  what?: string;
}

/**
 * Looks again and again until `condition` holds, and gives what it returned. A condition that throws does not hold yet;
 * its last error is the cause of ours.
 *
 * @throws when the time is up.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeout = 10_000, every = 25, what = 'the condition' }: UntilOptions = {},
): Promise<Exclude<Awaited<T>, null | undefined | false | 0 | ''>> {
  const deadline = performance.now() + timeout;
  let cause: unknown;
  for (;;) {
    try {
      const found = await condition();
      if (found) return found as Exclude<Awaited<T>, null | undefined | false | 0 | ''>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`Waited ${timeout} ms in vain for ${what}.`, { cause });
    await sleep(every);
  }
}
