// The types of Lastseen's heartbeat-breaker module, made from heartbeat-breaker.ts by `npm run heartbeat`.
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
import type { Heartbeat } from './heartbeat.mjs';
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
export declare class CircuitOpenError extends Error {
  readonly name = 'CircuitOpenError';
  /** When the next job may try. */
  readonly retryAt: Date;
  constructor(retryAt: Date);
}
/**
 * Puts a circuit breaker before the worker's jobs.
 *
 * @throws {TypeError} naming the option and its range, when one is wrong
 */
export declare function circuitBreaker(heartbeat: Heartbeat, options?: BreakerOptions): Breaker;
