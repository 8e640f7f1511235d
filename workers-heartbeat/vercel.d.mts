// The types of Lastseen's vercel module, made from vercel.ts by `npm run heartbeat`.
/**
 * Reports a Vercel function that runs by a schedule: each invocation is a run, with its duration, its count and its error.
 * Copy it beside heartbeat.mjs, which it needs; nothing else.
 *
 *     export default withHeartbeat({ name: 'digest', schedule: '0 8 * * *' }, async (request, response) => { … });
 *
 * A function lives from one invocation to the next at the platform's pleasure: it is frozen when it has answered, and ends
 * without a word. So the last beat of a run is sent before the answer ends, which it delays by 1.5 seconds at most.
 */
import { type Heartbeat, type HeartbeatOptions } from './heartbeat.mjs';
import type { IncomingMessage, ServerResponse } from 'node:http';
/** What `withHeartbeat` accepts: the options of the heartbeat, and when the function is due. */
export interface FunctionOptions extends Omit<HeartbeatOptions, 'kind' | 'pollInterval'> {
  /** When it runs, as in vercel.json: a cron expression of five fields, in UTC. */
  schedule?: string | undefined;
  /** Or, for another scheduler, the seconds between the beginnings of two runs: over 0. */
  every?: number | undefined;
  /** Seconds that a run may last. @default 900: no function of Vercel's lasts for longer than 800 */
  maxRun?: number;
}
/** The request of a function; that of `@vercel/node` is one. */
export type VercelRequest = IncomingMessage & {
  query: Record<string, string | string[]>;
  cookies: Record<string, string>;
  body: unknown;
};
/** The response of a function; that of `@vercel/node` is one. */
export type VercelResponse = ServerResponse & {
  status(code: number): VercelResponse;
  send(body: unknown): VercelResponse;
  json(body: unknown): VercelResponse;
  redirect(statusOrUrl: string | number, url?: string): VercelResponse;
};
/**
 * Wraps a function. Each invocation is a run of the worker: what the handler throws, or an answer of 500 and more, is its
 * error; a number that it returns, or else the jobs that it did by `heartbeat.job`, its count. Errors are thrown on.
 *
 * Where `CRON_SECRET` is set, an invocation that does not carry it is answered 401 and is no run: nobody runs the function
 * from outside, nor hides by that a scheduler that has stopped.
 *
 * @throws {TypeError} at once, when the schedule is wrong
 */
export declare function withHeartbeat<
  Q extends IncomingMessage = VercelRequest,
  S extends ServerResponse = VercelResponse,
>(
  options: FunctionOptions,
  handler: (request: Q, response: S, heartbeat: Heartbeat) => unknown,
): (request: Q, response: S) => Promise<void>;
/** The same for a function as the Web has it: a `Request` in, a `Response` out. Its jobs are its count. */
export declare function withWebHeartbeat<Q extends Request = Request>(
  options: FunctionOptions,
  handler: (request: Q, heartbeat: Heartbeat) => Response | Promise<Response>,
): (request: Q) => Promise<Response>;
/**
 * When a schedule is due next after this time.
 *
 * @param schedule as in vercel.json: a cron expression of five fields, in UTC
 * @throws {TypeError} when it is none
 */
export declare function nextDue(schedule: string, after: Date | number): Date;
