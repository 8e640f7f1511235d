// The types of Lastseen's heartbeat module, made from heartbeat.ts by `npm run heartbeat`.
/** What `startHeartbeat` accepts. Anything else in these throws a `TypeError` that names the option. */
export interface HeartbeatOptions {
  /** Which worker: `^[A-Za-z0-9][A-Za-z0-9@:._/-]{0,127}$`. @default WORKER_NAME, else the script's own name */
  name?: string;
  /** The group of workers that do the same work; up to 128 characters. */
  type?: string;
  /** Words for people; up to 500 characters. */
  description?: string;
  /** The build; up to 128 characters. @default the version in package.json, under `npm run` */
  version?: string;
  /** `resident` stays; `scheduled` lives only during its runs. @default 'resident', unless the table says otherwise */
  kind?: 'resident' | 'scheduled';
  /** Seconds between beats, 1 to 3600. The server may ask for a slower pace. @default WORKER_HEARTBEAT_INTERVAL, else 30 */
  interval?: number;
  /** Seconds between the runs of a worker that polls, over 0: makes "alive but stuck" visible. */
  pollInterval?: number;
  /** Seconds, up to a year, that a run of a scheduled worker may begin late. @default 300 */
  grace?: number;
  /** Seconds, 1 to a year, that a run of a scheduled worker may last. @default 3600 */
  maxRun?: number;
  /**
   * One of several processes that do the same work. Its name is `type@host:pid`, or `name@host:pid` where there is no
   * type; how many there should be, its group says.
   * @default false
   */
  replicas?: boolean;
  /** The Supabase project. @default SUPABASE_URL */
  url?: string;
  /** @default SUPABASE_PUBLISHABLE_KEY where there is a token, else SUPABASE_SECRET_KEY or SUPABASE_SERVICE_KEY */
  key?: string;
  /** A worker token, to go with a publishable key. @default HEARTBEAT_TOKEN */
  token?: string;
  /**
   * Consecutive failed jobs (1 to 1,000,000) that open the breaker, and the seconds (over 0, up to 86,400) until a
   * trial; `false`: never open. @default { threshold: 10, cooldown: 60 }
   */
  circuitBreaker?:
    | {
        threshold?: number;
        cooldown?: number;
      }
    | false;
  /**
   * Which signals ask the worker to finish up, the seconds (0 to 3600) its jobs get for that, and whether the module
   * ends the process then. It never ends one that handles the signal itself.
   * @default { signals: ['SIGTERM', 'SIGINT'], timeout: 25, exit: true }
   */
  shutdown?: {
    signals?: NodeJS.Signals[];
    timeout?: number;
    exit?: boolean;
  };
  /** Up to 8 KB of JSON of your own, or a function that makes it for each beat. */
  metadata?: Metadata | (() => Metadata | Promise<Metadata>);
  /** Where its few lines go; `false`: nowhere. @default console */
  logger?:
    | {
        warn(message: string): void;
      }
    | false;
  /** Takes what is written to `console` (debug, log, info, warn, error) into the log too. @default WORKER_CAPTURE_CONSOLE is 'on' */
  captureConsole?: boolean;
  /** Lines below it are not taken into the log; a command may change it. @default 'info' */
  logLevel?: LogLevel;
  /**
   * Asked before a command is obeyed; `false`, or a reason in words, refuses it. So does throwing, and taking longer than
   * 5 seconds.
   */
  onCommand?: (command: Command) => unknown;
  /** The worker's own Supabase client. With it commands come at once, without it with the answer to the next beat. */
  supabase?: {
    channel(
      topic: string,
      options: {
        config: {
          private: boolean;
        };
      },
    ): unknown;
  };
}
/** How much a line of the log matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** What an operator asks of this worker. */
export interface Command {
  id: number;
  command: 'restart' | 'stop' | 'drain' | 'resume' | 'breaker_reset' | 'breaker_trip' | 'beat' | 'log_level';
  args?: Record<string, unknown>;
  /** Why, in the operator's words. */
  reason?: string;
}
type Metadata = Record<string, unknown>;
/** What a job is, in the worker's row while it runs: `id` up to 255, `type` up to 128, `status` up to 500 characters. */
export interface JobDetails {
  id?: string | number;
  type?: string;
  status?: string;
}
/** The state of the circuit breaker. */
export interface Breaker {
  state: 'closed' | 'open' | 'half_open';
  /** Jobs failed in a row. */
  failures: number;
  /** When the next job is let through as a trial; only while open. */
  retryAt?: Date;
}
/** What became of a lease: the result of the work, or in words why it was not done. */
export type Lease<T> =
  | {
      held: true;
      result: T;
    }
  | {
      held: false;
      reason: string;
    };
/** What `startHeartbeat` returns. No method throws or rejects by itself, but for the `CircuitOpenError` of `job`. */
export interface Heartbeat {
  readonly name: string;
  /** Aborted when the worker should finish up: take no more work, and cut short what can be. */
  readonly signal: AbortSignal;
  readonly breaker: Breaker;
  /** An operator asked it to take no more work for now; `job`, `run` and `lease` wait by themselves until it may go on. */
  readonly draining: boolean;
  /** Puts a line (up to 2,000 characters) into the worker's log, which goes with the beats. What looks like a key is masked. */
  log(level: LogLevel, message: unknown): void;
  /**
   * Does one unit of work: shows it, counts it, feeds the breaker. Returns what `work` returns and rejects with what it
   * throws; a failed job is counted as an error and never makes the worker's status `error`. An `AbortError` after
   * `signal` was aborted is no failure. While the breaker is open, `work` is not called: rejects with `CircuitOpenError`.
   */
  job<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T>;
  job<T>(details: JobDetails, work: (signal: AbortSignal) => T | Promise<T>): Promise<T>;
  /**
   * Does one pass of a loop. A number that it returns is the count of what it processed, else its jobs are counted.
   * When it fails, the worker's status is `error` until a pass succeeds.
   */
  run<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T>;
  /**
   * Does `work` while this process, of all that there are, holds the lease of `key` (1 to 255 characters). Returns what
   * it returned and rejects with what it throws; `held: false` where another holds the lease or nobody can be asked.
   *
   * The signal is aborted when the lease is about to end because no beat gets through, when it is lost, and with that of
   * the worker. A process that is paused for longer than its lease notices too late: where that matters, write `token`
   * with what you write, and refuse one that is lower than the last; those of a key only grow.
   */
  lease<T>(key: string, work: (token: number, signal: AbortSignal) => T | Promise<T>): Promise<Lease<T>>;
  /** Says what the worker is doing: of the latest job while one runs, else until `idle()`. */
  setStatus(
    status: string,
    details?: {
      jobId?: string | number;
      jobType?: string;
    },
  ): void;
  /** Says that there is nothing to do. */
  idle(): void;
  /** Says when the next run is due, as a `Date` or epoch milliseconds, and the schedule in words (up to 255 characters). */
  nextRun(at: Date | number, schedule?: string): void;
  /** Reports now what there is to report, within 4 s: for a process that may be frozen at any moment. */
  flush(): Promise<void>;
  /** The goodbye, by hand: aborts `signal`, waits for running jobs up to the shutdown timeout, reports `stopped`. */
  stop(reason?: string): Promise<void>;
}
/** What `job` rejects with while the circuit breaker is open. */
export declare class CircuitOpenError extends Error {
  readonly name = 'CircuitOpenError';
  /** When the next job is let through as a trial. */
  readonly retryAt: Date;
  constructor(retryAt: Date);
}
/**
 * Starts to report this process as a worker. A second call with the same name gives the worker other settings.
 *
 * @throws {TypeError} naming the option and its range, when one is wrong; nothing after that
 */
export declare function startHeartbeat(options?: HeartbeatOptions): Heartbeat;
export {};
