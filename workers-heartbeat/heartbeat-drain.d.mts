// The types of Lastseen's heartbeat-drain module, made from heartbeat-drain.ts by `npm run heartbeat`.
/**
 * Drain and resume for Lastseen's heartbeat: an operator asks the worker to take no more work for now.
 *
 *     import { drain } from './heartbeat-drain.mjs';
 *     const operator = drain(heartbeat); // needs heartbeat-commands.mjs, which receives the commands
 *
 * `heartbeat.job`, `run` and leases that begin from then on wait until `resume`; nothing is lost, and `signal` is not
 * aborted. Code that takes its work in another way looks at `operator.draining`.
 */
import type { Heartbeat } from './heartbeat.mjs';
export interface Operator {
  /** An operator asked the worker to take no more work for now. */
  readonly draining: boolean;
}
/** Lets operators drain the worker. */
export declare function drain(heartbeat: Heartbeat): Operator;
