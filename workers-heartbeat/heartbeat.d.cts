// The types of Lastseen's heartbeat module, made from heartbeat.ts by `npm run heartbeat`.
/** What `startHeartbeat` accepts. A wrong value throws a `TypeError` that names the option and its range. */
export interface HeartbeatOptions {
  /** The worker: `^[A-Za-z0-9][A-Za-z0-9@:._/-]{0,127}$`. @default WORKER_NAME, else the script's own name */
  name?: string | undefined;
  /** The group of workers that do the same work; up to 128 characters. */
  type?: string | undefined;
  /** For people; up to 500 characters. */
  description?: string | undefined;
  /** The build; up to 128 characters. @default the version in package.json, under `npm run` */
  version?: string | undefined;
  /** `resident` stays; `scheduled` lives only during its runs. @default 'resident', or as the database has it */
  kind?: 'resident' | 'scheduled' | undefined;
  /** Seconds between beats, 1 to 3600; the server may ask for more. @default WORKER_HEARTBEAT_INTERVAL, else 30 */
  interval?: number | undefined;
  /** Seconds between the runs of a worker that polls, over 0: makes "alive but stuck" visible. */
  pollInterval?: number | undefined;
  /** Seconds, up to a year, that a run of a scheduled worker may begin late. @default 300 */
  grace?: number | undefined;
  /** Seconds, 1 to a year, that a run of a scheduled worker may last. @default 3600 */
  maxRun?: number | undefined;
  /** One of several processes that do the same work: its name becomes `type@host:pid`. @default false */
  replicas?: boolean | undefined;
  /** The Supabase project. @default SUPABASE_URL */
  url?: string | undefined;
  /** @default SUPABASE_PUBLISHABLE_KEY where there is a token, else SUPABASE_SECRET_KEY or SUPABASE_SERVICE_KEY */
  key?: string | undefined;
  /** A worker token, to go with a publishable key. @default HEARTBEAT_TOKEN */
  token?: string | undefined;
  /** Signals that end the worker, seconds (0 to 3600) that its jobs get then, whether the process ends after that. */
  shutdown?:
    | {
        signals?: NodeJS.Signals[] | undefined;
        timeout?: number | undefined;
        exit?: boolean | undefined;
      }
    | undefined;
  /** Up to 8 KB of JSON of your own, or a function that makes it for each beat. */
  metadata?: Fields | (() => Fields | Promise<Fields>) | undefined;
  /** Where the module's few lines go; `false`: nowhere. @default console */
  logger?:
    | {
        warn(message: string): void;
      }
    | false
    | undefined;
}
/** A job in the worker's row while it runs: `id` up to 255, `type` up to 128, `status` up to 500 characters. */
export interface JobDetails {
  id?: string | number | undefined;
  type?: string | undefined;
  status?: string | undefined;
}
export type JobReference = {
  jobId?: string | number | undefined;
  jobType?: string | undefined;
};
/** An optional piece of the heartbeat; it may also wrap the heartbeat's methods. README.md has an example. */
export interface Part {
  /** `[a-z0-9_-]{1,32}`. Beats carry the names, so the page knows what the worker can do. */
  readonly name: string;
  /** Adds fields to a beat. */
  fields?(beat: BeatContext): Fields | undefined;
  /** The answer to a beat that was sent at this time of `performance.now()`, or later. */
  answered?(answer: Fields, sentAt: number): void;
  /** `signal` was aborted, and running work gets so many seconds; or a goodbye was sent. Not called on a crash. */
  ending?(stage: 'stopping' | 'stopped', seconds?: number): void;
  /** Parts that begin work wait for this promise first, where there is one. */
  hold?(): Promise<void> | undefined;
  /** Masks secrets in the worker's texts and metadata, after this file or the logs part did. */
  mask?(text: string): string;
  /** What the part's function returns, so that a second call can return the same. */
  readonly handle?: unknown;
  /** Commands of operators by name: each returns why not, or nothing when it is done, or a promise of that. */
  commands?: {
    [command: string]: (args: Fields, reason: string) => Failure | Promise<Failure>;
  };
}
/** `bare`: without texts. `final`: the last one. `room`: bytes that a part may use, where an exit leaves little. */
export interface BeatContext {
  sequence: number;
  status: string;
  final: boolean;
  bare: boolean;
  room?: number | undefined;
}
type Failure = string | undefined | void;
export type Outcome = 'done' | 'failed' | 'cut short';
export type Work<T> = (signal: AbortSignal) => T | Promise<T>;
export type Fields = Record<string, unknown>;
/** What the worker does and has done. Totals only grow, so an outage costs no memory and no count. */
declare abstract class WorkLog {
  #private;
  /** Aborted when the worker should finish up: take no more work, and cut short what can be. */
  readonly signal: AbortSignal;
  /**
   * Does one unit of work: shows it, counts it. Returns what `work` returns and rejects with what it throws. A failed job
   * counts as an error, and the worker's status stays. An `AbortError` after `signal` was aborted is no failure.
   */
  job<T>(work: Work<T>): Promise<T>;
  job<T>(details: JobDetails, work: Work<T>): Promise<T>;
  /**
   * Does one pass of a loop. A number that it returns is the count of what it processed, else its jobs are counted.
   * When it fails, the worker's status is `error` until a pass succeeds.
   */
  run<T>(work: Work<T>): Promise<T>;
  /** For parts: does work that is neither job nor run. The worker is `processing`, and its end waits for it. */
  perform<T>(work: Work<T>, ended?: (outcome: Outcome, value: unknown) => void): Promise<T>;
  /** Shows what the worker does: of the latest job while one runs, else until `idle()`. */
  setStatus(status: string, details?: JobReference | null): void;
  /** Shows that there is nothing to do. */
  idle(): void;
  /** When the next run is due, as a `Date` or epoch milliseconds, and the schedule for people (up to 255 characters). */
  nextRun(at: Date | number, schedule?: string): void;
}
/** Sends the beats of the worker when they are due, one request at a time. */
declare abstract class Sender extends WorkLog {
  #private;
  /** For parts: milliseconds between beats, as the server has paced them. */
  pace: number;
  /** For parts: calls a function of the database with the worker's key. Rejects where no answer comes within 10 s. */
  request(name: string, values: object, limit?: number): Promise<Fields>;
  /** For parts: makes a beat due in so many milliseconds; one that is due earlier stays, unless it is moved. */
  beat(within?: number, move?: boolean): void;
  /** Reports now, within 4 s, or 1 s where nothing has answered lately: for a process that may be frozen soon. */
  flush(): Promise<void>;
}
/** What `startHeartbeat` returns. No method throws or rejects by itself. */
export declare class Heartbeat extends Sender {
  #private;
  readonly name: string;
  /** For parts: those of the worker, the uuid of this process start, and the number that the server gave it. */
  parts: readonly Part[];
  readonly instance: string;
  epoch: number | undefined;
  /** For parts: of the last beat. */
  sequence: number;
  /** The goodbye, by hand: aborts `signal`, waits for running jobs up to `shutdown.timeout`, reports `stopped`. */
  stop(reason?: string): Promise<void>;
  /** For parts: adds one. A second one of the same name replaces the first. */
  extend(part: Part): void;
  /** For parts: the text without what looks like a secret. */
  mask(text: string): string;
  /** For parts: no other worker reports from this process. */
  isAlone: () => boolean;
  /** For parts: writes a line to the logger, once about each thing until the next recovery. */
  warn: (message: string, about?: string) => void;
}
/**
 * Starts to report this process as a worker. A second call with the same name gives the worker other settings.
 * @throws {TypeError} naming the option and its range, when one is wrong; nothing after that
 */
export declare function startHeartbeat(options?: HeartbeatOptions): Heartbeat;
export {};
