/**
 * Reports a Vercel function that runs by a schedule: each invocation is a run, with its duration, its count and its error.
 * Copy it beside heartbeat.mjs, which it needs; nothing else.
 *
 *     export default withHeartbeat({ name: 'digest', schedule: '0 8 * * *' }, async (request, response) => { … });
 *
 * A function lives from one invocation to the next at the platform's pleasure: it is frozen when it has answered, and ends
 * without a word. So the last beat of a run is sent before the answer ends, which it delays by 1.5 seconds at most.
 */
import { startHeartbeat, type Heartbeat, type HeartbeatOptions } from './heartbeat.js';
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

/** The longest that an answer waits for the beat that tells of its run, where the platform can't be asked to wait itself. */
const REPORT_MS = 1_500;
/** A scheduler's clock may be ahead of ours: a run this soon before it is due is the run that is due. */
const EARLY_MS = 30_000;

// The import of the heartbeat alone would start a worker named after the platform's script. Here one starts with its first
// run: several functions may share a process in which only one of them is ever called.
const shared = (globalThis as Record<symbol, { started?: boolean } | undefined>)[
  Symbol.for('lastseen.heartbeat')
];
if (shared) shared.started = true;

/**
 * Wraps a function. Each invocation is a run of the worker: what the handler throws, or an answer of 500 and more, is its
 * error; a number that it returns, or else the jobs that it did by `heartbeat.job`, its count. Errors are thrown on.
 *
 * Where `CRON_SECRET` is set, an invocation that does not carry it is answered 401 and is no run: nobody runs the function
 * from outside, nor hides by that a scheduler that has stopped.
 *
 * @throws {TypeError} at once, when the schedule is wrong
 */
export function withHeartbeat<
  Q extends IncomingMessage = VercelRequest,
  S extends ServerResponse = VercelResponse,
>(
  options: FunctionOptions,
  handler: (request: Q, response: S, heartbeat: Heartbeat) => unknown,
): (request: Q, response: S) => Promise<void> {
  const perform = performer(options);
  return async (request, response) => {
    if (!isAuthorized(request.headers.authorization)) {
      response.statusCode = 401;
      response.end('Unauthorized');
      return;
    }
    const held = hold(response);
    await perform(async (heartbeat) => {
      const count = await handler(request, response, heartbeat);
      await held.ended;
      return { count, status: response.statusCode };
    }, held.letGo);
  };
}

/** The same for a function as the Web has it: a `Request` in, a `Response` out. Its jobs are its count. */
export function withWebHeartbeat<Q extends Request = Request>(
  options: FunctionOptions,
  handler: (request: Q, heartbeat: Heartbeat) => Response | Promise<Response>,
): (request: Q) => Promise<Response> {
  const perform = performer(options);
  return async (request) => {
    if (!isAuthorized(request.headers.get('authorization')))
      return new Response('Unauthorized', { status: 401 });
    let response: Response | undefined;
    await perform(async (heartbeat) => {
      response = await handler(request, heartbeat);
      return { count: undefined, status: response.status };
    });
    return response!;
  };
}

/** What one invocation of a function came to. */
type Invocation = (heartbeat: Heartbeat) => Promise<{ count: unknown; status: number }>;

/** Performs invocations of one function as runs of its worker. */
function performer({ schedule, every, ...options }: FunctionOptions) {
  const cron = schedule === undefined ? undefined : readCron(schedule);
  if (every !== undefined && !(every > 0)) throw new TypeError('withHeartbeat: every must be over 0');
  let heartbeat: Heartbeat | undefined;

  /** Says when the next run is due, for one that began and ended, or still runs, at these times. */
  const sayNext = (began: number, now: number) => {
    const next = cron
      ? nextOf(cron, Math.max(began + EARLY_MS, now))
      : every && Math.max(began + every * 1000, now);
    if (next) heartbeat?.nextRun(next, schedule ?? `every ${every} s`);
  };

  return async (work: Invocation, letGo?: () => void): Promise<void> => {
    // The end of an idle process is no news here, and one that is asked to end in a run has half a second left.
    const worker = (heartbeat ??= startHeartbeat({
      maxRun: 900,
      shutdown: { signals: [] },
      ...options,
      kind: 'scheduled',
    }));
    const began = Date.now();
    sayNext(began, began);
    try {
      await worker.run(async () => {
        const { count, status } = await work(worker);
        if (status >= 500) throw new FailedAnswer(`answered ${status}`);
        return count;
      });
    } catch (error) {
      if (!(error instanceof FailedAnswer)) throw error;
    } finally {
      sayNext(began, Date.now());
      await reported(worker);
      letGo?.();
    }
  };
}

/** The platform has its answer; only the run has failed. */
class FailedAnswer extends Error {}

function isAuthorized(authorization: string | null | undefined): boolean {
  const { CRON_SECRET } = process.env;
  return !CRON_SECRET || authorization === `Bearer ${CRON_SECRET}`;
}

/** Keeps an answer from ending until it is let go; `ended` is when the handler has ended it, or nobody waits any more. */
function hold(response: ServerResponse) {
  const { end } = response;
  let finish = () => {};
  const ended = new Promise<void>((done) => {
    response.end = ((...args: Parameters<typeof end>) => {
      finish = () => void end.apply(response, args);
      done();
      return response;
    }) as typeof end;
    response.once('close', done);
  });
  return {
    ended,
    letGo() {
      response.end = end;
      finish();
    },
  };
}

/** Resolves when the run has been told of, or is being told of while the platform waits for that, or the time is up. */
async function reported(heartbeat: Heartbeat): Promise<void> {
  const told = heartbeat.flush();
  // What `waitUntil` of @vercel/functions does: the process is kept going, and the answer need not wait.
  const platform = (
    globalThis as Record<
      symbol,
      { get?(): { waitUntil?(work: Promise<unknown>): void } | undefined } | undefined
    >
  )[Symbol.for('@vercel/request-context')]?.get?.();
  if (platform?.waitUntil) {
    platform.waitUntil(told);
    return;
  }
  await Promise.race([told, new Promise((done) => setTimeout(done, REPORT_MS).unref())]);
}

/**
 * When a schedule is due next after this time.
 *
 * @param schedule as in vercel.json: a cron expression of five fields, in UTC
 * @throws {TypeError} when it is none
 */
export function nextDue(schedule: string, after: Date | number): Date {
  return new Date(nextOf(readCron(schedule), +after)!);
}

/** The minutes, hours, days, months and days of the week of a cron expression. */
type Cron = [minutes: number[], hours: number[], days: number[], months: number[], weekdays: number[]];

const FIELDS = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of the month', 1, 31],
  ['month', 1, 12],
  ['day of the week', 0, 7],
] as const;

// Not a library's: this file is copied, and what vercel.json takes is numbers, lists, ranges and steps, in UTC, where no
// hour is ever skipped or comes twice.
function readCron(schedule: string): Cron {
  const wrong = (problem: string) => new TypeError(`withHeartbeat: schedule '${schedule}' ${problem}`);
  const parts = schedule.trim().split(/\s+/);
  if (parts.length !== 5) throw wrong('must have five fields');
  const cron = FIELDS.map(([field, least, most], place) => {
    const values = new Set<number>();
    for (const item of parts[place]!.split(',')) {
      const [, any, from, to, step] = /^(?:(\*)|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(item) ?? [];
      const first = any ? least : Number(from);
      const last = any || (step && !to) ? most : Number(to ?? from);
      if (!(first >= least && last <= most && first <= last && Number(step ?? 1) > 0)) {
        throw wrong(`has no ${field} of ${least} to ${most} in '${item}'`);
      }
      for (let value = first; value <= last; value += Number(step ?? 1)) values.add(value);
    }
    if (place === 4 && values.has(7)) values.add(0);
    return [...values].sort((a, b) => a - b);
  }) as Cron;
  if (nextOf(cron, 0) === undefined) throw wrong('never comes');
  return cron;
}

/** The first time after this one, in epoch milliseconds, or none within eight years, which is the longest to a 29 February. */
function nextOf([minutes, hours, days, months, weekdays]: Cron, after: number): number | undefined {
  const day = new Date(after);
  day.setUTCHours(0, 0, 0, 0);
  // As cron has it: of day and weekday both must fit where one of them is any, else one of the two.
  const either = days.length < 31 && weekdays.length < 7;
  for (let n = 0; n <= 8 * 366; n++, day.setUTCDate(day.getUTCDate() + 1)) {
    if (!months.includes(day.getUTCMonth() + 1)) continue;
    const fits = [days.includes(day.getUTCDate()), weekdays.includes(day.getUTCDay())];
    if (!(either ? fits.some(Boolean) : fits.every(Boolean))) continue;
    for (const hour of hours) {
      for (const minute of minutes) {
        const at = day.getTime() + (hour * 60 + minute) * 60_000;
        if (at > after) return at;
      }
    }
  }
  return undefined;
}
