/**
 * Lastseen heartbeat: reports this process to `hp_heartbeat` on Supabase. One file, no dependencies, Node 18 and newer.
 *
 * It never hurts the worker that carries it. Once started it throws nothing into it, keeps its memory bounded and its
 * timers unreferenced, delays no job, and an exit by at most 4 seconds, whatever the network or Supabase does. The one
 * exception is meant to be caught: a job behind an open circuit breaker is refused with a `CircuitOpenError`.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { constants, hostname, totalmem } from 'node:os';
import { basename } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { format, stripVTControlCharacters } from 'node:util';
import { isMainThread } from 'node:worker_threads';

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
  circuitBreaker?: { threshold?: number; cooldown?: number } | false;
  /**
   * Which signals ask the worker to finish up, the seconds (0 to 3600) its jobs get for that, and whether the module
   * ends the process then. It never ends one that handles the signal itself.
   * @default { signals: ['SIGTERM', 'SIGINT'], timeout: 25, exit: true }
   */
  shutdown?: { signals?: NodeJS.Signals[]; timeout?: number; exit?: boolean };
  /** Up to 8 KB of JSON of your own, or a function that makes it for each beat. */
  metadata?: Metadata | (() => Metadata | Promise<Metadata>);
  /** Where its few lines go; `false`: nowhere. @default console */
  logger?: { warn(message: string): void } | false;
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
  supabase?: { channel(topic: string, options: { config: { private: boolean } }): unknown };
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
export type Lease<T> = { held: true; result: T } | { held: false; reason: string };

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
  setStatus(status: string, details?: { jobId?: string | number; jobType?: string }): void;
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
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError';
  /** When the next job is let through as a trial. */
  readonly retryAt: Date;
  constructor(retryAt: Date) {
    super(`circuit breaker open until ${retryAt}`);
    this.retryAt = retryAt;
  }
}

type Beat = Record<string, unknown> & { sequence: number; epoch?: number };
type Answer = Record<string, unknown> & {
  message?: string;
  error?: { field?: string; message?: string };
  ignored?: { message?: string };
};
type Failure = Error & { status?: number; cause?: { code?: string } };
type Settings = ReturnType<typeof settle>;
interface Line {
  /** What to `fetch` for the last words of an exit, in words that JSON can carry. */
  request(batch: Worker[]): [address: string, init: RequestInit];
  /** Calls another function of the database. */
  call(name: string, values: object): Promise<Answer>;
  /** The workers that it reports. */
  mine(): Worker[];
  arm(): void;
  report(batch: Worker[]): Promise<void>;
}
interface Worker {
  face: Heartbeat;
  settings: Settings;
  /** Milliseconds between beats, as the server has paced them. */
  interval: number;
  /** When the next beat is, by `clock()`. */
  due: number;
  line?: Line;
  /** The status of its last words, once they were sent. */
  said?: string;
  /** That of the last beat. */
  sequence: number;
  beat(bare?: boolean, room?: number): Beat;
  /** Takes a line into its log, from what `console.log` takes. */
  note(level: LogLevel, ...values: unknown[]): void;
  /** An answer to a beat that was sent at this time, or later. */
  heard(answer: Answer, sentAt: number): void;
  leave(reason: unknown): void;
  /** Leaves, waits for what runs, and sets the last words; nothing more begins where it says how the process will exit. */
  finish(reason: string | undefined, exit?: () => Record<string, unknown>): Promise<void>;
  lastWords(status: string, reason: unknown, exit: Record<string, unknown>): void;
  /** It lives on after its last words. */
  stay(): void;
  detach(): void;
  /** Takes settings, perhaps over earlier ones, and connects; the first beat is `after` ms from now. */
  connect(taken: Settings, after: number): void;
}
/** What it needs of a channel of Supabase's client. */
interface Channel {
  on(type: 'broadcast', filter: { event: string }, heard: () => void): Channel;
  subscribe(told: (status: string, error?: Error) => void): unknown;
}
/** And of the client, at the end. */
interface Client {
  removeChannel(channel: unknown): Promise<unknown>;
  getChannels(): unknown[];
  realtime: { disconnect(): unknown };
}
type Work<T> = (signal: AbortSignal) => T | Promise<T>;
type LeasedWork<T> = (token: number, signal: AbortSignal) => T | Promise<T>;

/** A goodbye takes no longer than this, so that 25 s of drain fit the 30 s that Kubernetes gives a pod. */
const GOODBYE_MS = 4_000;
/** What `onCommand` may take. */
const PATIENCE_MS = 5_000;
/** A worker that says nothing about its work counts as started after this. */
const STARTED_MS = 1_000;
/** npm hands its child a Ctrl-C that the terminal has already sent; only a later second signal is meant as one. */
const SECOND_SIGNAL_MS = 500;
/** p99 over samples of 100 ms costs 0.4 ms of CPU a second; samples of 10 ms would cost 3. */
const SAMPLE_MS = 100;
const YEAR_S = 31_536_000;
/** The longest block is told for so long: with a beat a second nobody would see it otherwise. */
const BLOCK_SHOWN_MS = 30_000;
/** A line of the log takes so many characters, and some more until keys in it are masked. */
const LINE = 2_000;
/** What waits to be sent: so many lines, and characters. The oldest is dropped first. */
const [LOG_LINES, LOG_SIZE] = [500, 131_072];
/** A beat takes so many lines, and bytes of them; the environment of the process for last words much less. */
const [BATCH_LINES, BATCH_BYTES, WORDS_BYTES] = [100, 60_000, 16_000];
/** By which systemd, PM2, Docker and Kubernetes restart: sysexits' EX_TEMPFAIL. */
const RESTART = 75;
const NAME = /^[A-Za-z0-9][A-Za-z0-9@:._/-]{0,127}$/;
const HEARTBEAT = 'hp_heartbeat';
/** Without these a beat is none. */
const REQUIRED = /^(worker_name|instance_id|sequence|status|epoch)$/;
/** What a worker says in words of its own. */
const WORDS = /reason|error|current_|sched|desc/;
const LEVELS: LogLevel[] = ['debug', 'info', 'warn', 'error'];
const KEYS = 'SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN';
const { env } = process;
const { fetch } = globalThis;
const noop = () => {};
const clock = () => performance.now();
/** Resolves after so many ms; keeps the process alive for so long only if told to. */
const sleep = (ms: number, alive?: boolean) =>
  new Promise<void>((done) => {
    const timer = setTimeout(done, ms);
    if (!alive) timer.unref();
  });
const whole = (value: number) => Math.max(0, Math.round(value));
const within = (value: unknown, least = 0, most = Infinity): value is number =>
  typeof value === 'number' && value >= least && value <= most;

/** Two copies of this file in one process share this, so that a worker is never reported twice. */
const shared: {
  workers: Set<Worker>;
  lines: Map<string, Line>;
  guess?: Worker;
  started?: boolean;
  /** Puts the console back as it was. */
  uncapture?: () => void;
  /** What is written now is not for the log. */
  hushed?: boolean;
} = ((globalThis as Record<symbol, unknown>)[Symbol.for('lastseen.heartbeat')] ??= {
  workers: new Set(),
  lines: new Map(),
}) as never;

// --- Text ----------------------------------------------------------------------------------------------------------

function clip(value: unknown, length: number): string | undefined {
  try {
    return String(value ?? '').slice(0, length) || undefined;
  } catch {
    return undefined;
  }
}

const words = (error: unknown): string =>
  clip((error as Error | undefined)?.message, 2000) ?? clip(error, 2000) ?? 'unknown error';

/** PostgreSQL's jsonb takes neither NUL nor half a surrogate pair, which truncating may leave behind. */
const clean = (_key: string, value: unknown) =>
  typeof value === 'string' ? value.replace(/[\0\ud800-\udfff]/gu, '') : value;

/** Of what is a secret. */
const NAMES =
  'passw(?:or)?d|passphrase|pwd|secret|token|authorization|cookie|sig(?:nature)?|(?:api|access|private|service|role|signing)[_-]?key';
const SECRET_NAME = new RegExp(`(?:${NAMES})$`, 'i');

// What looks like a key, and what is shown of it. Every pattern takes time in proportion to the text, also where it fails:
// what may repeat has a bound, or cannot reach over the beginning of the next match.
const SECRETS: [RegExp, string][] = [
  [/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^]*?-----END [A-Z ]{0,30}-----|[^]*)/g, '[private key]'],
  [/(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, 'eyJ***'],
  [
    /(?<![a-z0-9])(sb_secret_|hbt_|gh[a-z]_|github_pat_|glpat-|(?:npm|hf)_(?=\w{30})|xox[a-z]-|[sr]k[-_]|gsk_|whsec_|dckr_pat_|ya29\.|SG\.(?=[\w-]{22}\.)|AIza|A[KS]IA)[\w-]{12,}(?:[.+/=]+[\w-]+)*/gi,
    '$1***',
  ],
  [/\b(bearer\s{1,3})[\w.~+/=-]{8,}/gi, '$1***'],
  [/(:\/\/[^\s/:@]*:)[^\s/]*@/g, '$1***@'],
  [/(hooks\.slack\.com\/\w{1,20}\/)[\w/-]+/gi, '$1***'],
  [
    new RegExp(
      // A name, perhaps quoted, and `=`, `:`, `=>` of a Map, the comma of a pair, or the space after an --option; \x60 is `.
      String.raw`((?:${NAMES})(?:[_-]?(?:access|key|value)){0,2}\\?["'\x60]?(?:\s{0,3}(?:=>?|:)|(?<=["'\x60])\s{0,3},(?=\s{0,3}\\?["'\x60])|(?<=--[\w-]{0,40})(?=\s))\s{0,3})` +
        String.raw`(?![\s>]{0,3}(?:undefined|null|true|false)\b)` +
        // What is quoted, as it is or in JSON in JSON; an array; of a header several words; else one.
        String.raw`(?:(["'\x60])(?:\\[^]|(?!\2)[^\\])*\2?|\\"[^"\\]*|\[[^\]]*\]?|(?<=(?:authorization|cookie)\W{1,9})[^\r\n"'\x60,{}]+|[^\s,;&"'\x60{}\]\\)]+)`,
      'gi',
    ),
    '$1***',
  ],
];

/** Without what looks like a key. */
const mask = (text: string) => SECRETS.reduce((left, [pattern, shown]) => left.replace(pattern, shown), text);

// --- Options -------------------------------------------------------------------------------------------------------

/** Options and environment as one. What the code says wrongly throws; what the environment says wrongly is logged. */
function settle(options: HeartbeatOptions) {
  const { logger = console, circuitBreaker = {}, shutdown = {}, url = env.SUPABASE_URL } = options;
  const { signals = ['SIGTERM', 'SIGINT'], timeout = 25, exit = true } = shutdown;
  const { threshold = 10, cooldown = 60 } = circuitBreaker || {};
  const { token = env.HEARTBEAT_TOKEN, replicas, name: given = ownName() } = options;
  const { type = replicas ? given : '', description = '', version = '' } = options;
  // Beside 50 characters there is room for the host and the process, by which replicas differ.
  const name = replicas ? tidy(`${`${type}`.slice(0, 50)}@${hostname().slice(0, 64)}:${process.pid}`) : given;
  const wanted = Number(env.WORKER_HEARTBEAT_INTERVAL ?? 30);
  const usable = within(wanted, 1, 3600);
  const { interval = usable ? wanted : 30, logLevel = 'info', onCommand = noop, supabase } = options;

  const check = (good: unknown, option: string, rule: string) => {
    if (!good) throw new TypeError(`startHeartbeat: ${option} must be ${rule}`);
  };
  check(NAME.test(name), 'name', `like ${NAME} (or set WORKER_NAME)`);
  check(!options.url || isAddress(options.url), 'url', 'http(s)://…');
  check(!logger || logger.warn, 'logger', 'false, or have warn()');
  check(LEVELS.includes(logLevel), 'logLevel', `one of ${LEVELS}`);
  check(typeof onCommand === 'function', 'onCommand', 'a function');
  check(!supabase || typeof supabase.channel === 'function', 'supabase', 'a Supabase client');
  check(
    Array.isArray(signals) &&
      signals.every((signal) => signal in constants.signals && !/KILL|STOP/.test(signal)),
    'shutdown.signals',
    "like ['SIGTERM', 'SIGINT']",
  );
  const { pollInterval = 1, grace = 0, maxRun = 1 } = options;
  for (const [option, value, least, most] of [
    ['type', type.length, 0, 128],
    ['description', description.length, 0, 500],
    ['version', version.length, 0, 128],
    ['interval', interval, 1, 3600],
    ['pollInterval', pollInterval, 0.001, 1e9],
    ['grace', grace, 0, YEAR_S],
    ['maxRun', maxRun, 1, YEAR_S],
    ['circuitBreaker.threshold', threshold, 1, 1e6],
    ['circuitBreaker.cooldown', cooldown, 0.001, 86_400],
    ['shutdown.timeout', timeout, 0, 3600],
  ] as const) {
    check(within(value, least, most), option, `${least} to ${most}`);
  }

  const said = new Set<string | undefined>();
  /** A line for people, once about each thing until the next recovery. Returns whether it was new. */
  const say = (message: string, about = message) => {
    if (said.has(about)) return false;
    said.add(about);
    const inside = shared.hushed;
    shared.hushed = true; // what it says about the line must not come back to the line
    try {
      if (logger) logger.warn(`[heartbeat] ${name}: ${message}`);
    } catch {
      // A logger's trouble is not the worker's.
    }
    shared.hushed = inside;
    return true;
  };
  if (!usable) say('WORKER_HEARTBEAT_INTERVAL must be 1 to 3600 seconds');
  const key =
    options.key ||
    (token && env.SUPABASE_PUBLISHABLE_KEY) ||
    env.SUPABASE_SECRET_KEY ||
    env.SUPABASE_SERVICE_KEY;
  const { captureConsole = env.WORKER_CAPTURE_CONSOLE === 'on' } = options;
  return {
    ...options,
    name,
    type: type || undefined,
    interval,
    url,
    token,
    key,
    captureConsole,
    logLevel,
    onCommand,
    /** Without keys: its own, whatever they look like, and what looks like one. */
    hide: (text: string) =>
      mask([key, token].reduce<string>((left, own) => (own?.[7] ? left.replaceAll(own, '***') : left), text)),
    version: version || clip(env.npm_package_version, 128),
    threshold: circuitBreaker ? threshold : undefined,
    cooldown,
    signals,
    timeout,
    exit,
    said,
    say,
  };
}

const isAddress = (url: string | undefined) => /^https?:\/\/\w/.test(url ?? '');

/** Makes a name of what may be none. */
const tidy = (text: string) =>
  text
    .replace(/[^A-Za-z0-9@:._/-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 128);

/** `WORKER_NAME`, else the script's file name. */
const ownName = () => tidy(env.WORKER_NAME || basename(process.argv[1] ?? '').replace(/\.\w+$/, ''));

// --- The process's resources ---------------------------------------------------------------------------------------

let delays: ReturnType<typeof monitorEventLoopDelay> | undefined;
let blocked = 0;
let blockedAt = 0;
let spentBefore = 0;
let measuredAt = clock();
let resources: Record<string, number | undefined>;

/** CPU in percent of one core, memory, and how late the event loop ran, since it was last asked a second or more ago. */
function measure() {
  const elapsed = clock() - measuredAt;
  if (resources && elapsed < 900) return resources;
  delays ??= monitorEventLoopDelay({ resolution: SAMPLE_MS });
  const { user, system } = process.cpuUsage();
  const spent = user + system;
  const rss = process.memoryUsage.rss();
  const limit = Math.min(totalmem(), process.constrainedMemory?.() || Infinity); // a container's, where it has one
  const late = (nanoseconds: number) => whole(nanoseconds / 1e6 - SAMPLE_MS);
  // A reset costs the first sample, and the last one may still be due: what no sample tells of was spent in a blocked
  // loop, but for twice their pace, and for what rounding costs a long histogram.
  const untold = elapsed * 0.998 - (delays.mean * delays.count || 0) / 1e6 - 2 * SAMPLE_MS;
  const longest = Math.max(late(delays.max), resources ? whole(untold) : 0);
  if (longest >= blocked || clock() - blockedAt > BLOCK_SHOWN_MS) {
    blocked = longest;
    blockedAt = clock();
  }
  resources = {
    cpu_percent: resources && whole((spent - spentBefore) / elapsed) / 10, // not that of starting up
    memory_rss_bytes: rss,
    memory_percent: whole((rss / limit) * 1000) / 10,
    event_loop_lag_ms: late(delays.percentile(99)),
    event_loop_blocked_ms: blocked,
  };
  delays.reset();
  delays.enable();
  spentBefore = spent;
  measuredAt = clock();
  return resources;
}

// --- The line to Supabase ------------------------------------------------------------------------------------------

/** The line for these settings, or none and one logged line that says what is missing. */
function connect({ url, key, token, say }: Settings): Line | undefined {
  if (env.WORKER_HEARTBEAT === 'off') return;
  const missing = isAddress(url) ? !key && KEYS : 'SUPABASE_URL';
  if (missing) return void say(`not reported: set ${missing}`);
  const id = [url, key, token].join();
  const line = shared.lines.get(id) ?? openLine(url!, key!, token);
  shared.lines.set(id, line);
  return line;
}

/** One per address and credential: one request at a time, with the beats of all this process's workers that are due. */
function openLine(url: string, key: string, token: string | undefined): Line {
  const address = `${url.replace(/\/+$/, '')}/rest/v1/rpc/`;
  const headers: Record<string, string> = { 'content-type': 'application/json', apikey: key };
  // The new keys are no JWTs and go in `apikey` alone; a legacy service key is one, and PostgREST reads its role here.
  if (key.startsWith('eyJ')) headers.authorization = `Bearer ${key}`;
  if (token) headers['x-worker-token'] = token;

  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  /** Somebody waits for a report, which sees to all that is to be sent. */
  let reporting: Promise<unknown> | undefined;
  let failures = 0;
  let retryAt = 0;
  let patience = 0;
  /** The last answer was one that a retry will not mend. */
  let hopeless = false;

  const request = (name: string, values: object): [string, RequestInit] => [
    address + name,
    // Another host must not get the key.
    { method: 'POST', headers, body: JSON.stringify(values, clean), redirect: 'error' },
  ];

  /** What one of the database's functions answers: so many answers, or one. Rejects where it is no answer. */
  async function call<T = Answer>(name: string, values: object, limit = 10_000, count?: number) {
    const [where, init] = request(name, values);
    const { ok, status, body } = await fetch(where, { ...init, signal: AbortSignal.timeout(limit) });
    // Not text(): whatever answers there must not fill the worker's memory. 1,000 answers take 250 KB.
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > 1e6) break;
    }
    let answer: Answer | undefined;
    try {
      answer = JSON.parse(text);
    } catch {
      // A gateway's page.
    }
    const good = !count || (Array.isArray(answer) && answer.length === count && answer.every(Boolean));
    if (ok && good) return answer as T;
    throw Object.assign(
      new Error(`HTTP ${status}, ${clip(answer?.message, 200) ?? `no answer of ${name}`}`),
      { status },
    );
  }

  const beats = (batch: Worker[], bare?: boolean, room?: number) => ({
    beats: batch.map((worker) => worker.beat(bare, room)),
  });

  const post = (batch: Worker[], limit: number, bare?: boolean) =>
    call<Answer[]>(HEARTBEAT, beats(batch, bare), limit, batch.length);

  /** One request for these workers, which are due again after it. Returns whether it was answered; never throws. */
  async function send(batch: Worker[], most = 10_000) {
    const began = clock();
    const pace = Math.min(...batch.map((worker) => worker.interval));
    // As long as the interval, so that one lost request does not cost the lease; more where answers have been slow.
    const limit = whole(Math.min(most, Math.max(2_000, patience, pace)));
    const { say, said } = batch[0]!.settings;
    for (const worker of batch) worker.due = Infinity;
    try {
      const answers = await post(batch, limit).catch((error: Failure) => {
        if (error.status !== 400) throw error;
        // The JSON parser refused the body: a text is to blame, and being alive is worth more than a text.
        say(`sent again without texts (${error.message})`, '400');
        return post(batch, limit, true);
      });
      patience = 2 * (clock() - began);
      if (failures > 1) {
        said.clear();
        say('reported again');
      }
      failures = retryAt = 0;
      hopeless = false;
      batch.forEach((worker, index) => worker.heard(answers[index]!, began));
    } catch (error) {
      const { status = 0, cause } = error as Failure;
      // What a retry will not mend.
      const advice =
        status === 404
          ? 'check SUPABASE_URL, and apply the migrations'
          : (status === 401 || status === 403) && `check ${KEYS}`;
      failures++;
      hopeless = !!advice;
      patience = 2 * limit;
      // Never slower than the interval, so that the first beat after an outage comes before the lease ends; what needs
      // a person can wait for a minute.
      const wait = advice ? Math.max(6e4, pace) : Math.min(pace, 500 * 2 ** failures);
      retryAt = clock() + wait * (0.5 + Math.random() / 2);
      // A single lost request is ordinary.
      if (advice || failures > 1) {
        say(
          `not reported, trying again: ${advice || (status === 429 ? 'too many requests' : 'Supabase cannot be reached')} (${cause?.code ?? words(error)})`,
          'down',
        );
      }
    }
    for (const worker of batch) {
      worker.due = Math.min(
        worker.due,
        Math.max(retryAt, began + worker.interval * (0.9 + Math.random() / 10)),
      );
    }
    return !failures;
  }

  const mine = () => [...shared.workers].filter((worker) => worker.line === line);

  async function flush() {
    const now = clock();
    // Those that would follow within a quarter of their interval come along: workers of one process fall into step.
    const batch = mine().filter((worker) => worker.due <= now + worker.interval / 4);
    if (batch.length) await send(batch.slice(0, 1000));
    sending = undefined;
    arm();
  }

  /** Sends what is due, and sets the timer for what will be. It never keeps a process alive. */
  function arm() {
    if (sending || reporting) return;
    clearTimeout(timer);
    const wait = Math.max(retryAt, Math.min(...mine().map((worker) => worker.due))) - clock();
    // First let the caller say all that it has to say.
    if (wait <= 0) sending = Promise.resolve().then(flush).catch(noop);
    else timer = setTimeout(arm, Math.min(wait, 1e9)).unref();
  }

  const line: Line = {
    request: (batch) => request(HEARTBEAT, beats(batch, false, WORDS_BYTES / batch.length)),
    call,
    mine,
    arm,
    /** Reports the last state of these workers, and comes back within 4 s; 1 s where nobody has answered lately. */
    async report(batch: Worker[]) {
      const end = clock() + (failures > 1 ? GOODBYE_MS / 4 : GOODBYE_MS);
      // Order is by sequence, so a beat on its way may be overtaken; but the epoch in its answer would help.
      const before = Promise.race([reporting ?? sending, sleep(GOODBYE_MS / 4)]);
      const mine = (reporting = before.then(async () => {
        for (let left; batch.length && (left = end - clock()) > 50;) {
          if (await send(batch, left)) {
            if (batch.every((worker) => worker.due > clock())) break;
          } else if (hopeless) break;
          else await sleep(Math.min(300, left), true);
        }
      }));
      await mine;
      if (reporting === mine) reporting = undefined;
      arm();
    },
  };
  return line;
}

// --- A worker ------------------------------------------------------------------------------------------------------

/** What a worker does, in the names of the wire. */
interface Activity {
  current_job_id?: string;
  current_job_type?: string;
  current_status?: string;
  since?: number;
}

function createWorker(settings: Settings): Worker {
  const startedAt = clock();
  const instance = randomUUID();
  const controller = new AbortController();
  const { signal } = controller;
  setMaxListeners(0, signal); // every running job may listen

  // What the server has said.
  let epoch: number | undefined;
  let confirmed = false;
  let confirming = 0;
  let counted: Record<string, unknown> = {};
  let activityEvery = 1000;

  // What it was last told.
  let sentAt = -Infinity;
  let sentState = '';
  let sentAs: Settings | undefined;

  // What the worker has done. Totals only grow, so an outage costs no memory and no count.
  let jobsTotal = 0;
  let errorsTotal = 0;
  let lastError: { text: string; at: number; error: unknown } | undefined;
  let lastRun: { last_run_duration_ms: number; processed_count: number; last_run_errors: number } | undefined;
  let lastRunAt: number | undefined;
  let runFailed = false;
  let next: { at: number; schedule?: string } | undefined;
  let metadata: unknown;

  // What it is doing.
  const jobs = new Set<Activity>();
  let active = 0; // jobs and runs
  let manual: Activity | undefined;
  let spoke = false;
  let idleSince = startedAt;
  let leaving: { status: string; reason?: string; exit?: Record<string, unknown> } | undefined;
  let drained = noop;
  /** This module is about to end the process: a job that starts now would only be cut off, so none does. */
  let parked = false;
  let stopping: Promise<void> | undefined;

  let breaker: Breaker['state'] = 'closed';
  let failures = 0;
  let openedAt: number | undefined;
  let retryAt = 0;
  let breakerReason: string | undefined;
  /** When it was last set by hand. */
  let handledAt = -Infinity;

  /** What it holds by its key; the token is 0 while the claim is on its way. Sent from the first claim on. */
  const leases = new Map<string, { token: number; lose: () => void }>();
  let leasing = false;
  /** Until when no other process can hold them, by `clock()`. */
  let leasedUntil = 0;
  let guard: NodeJS.Timeout | undefined;

  /** The lines of its log that the database has not stored yet. */
  const log: { line: number; at: number; level: LogLevel; text: string; size: number }[] = [];
  let logLevel = settings.logLevel;
  let logSize = 0;
  /** Numbers of lines: the last one taken, the last one carried by a beat, and up to which one beats follow at once. */
  let [logged, carried, hurried] = [0, 0, 0];
  let hurriedAt = -Infinity;
  let logsDropped = 0;
  /** While somebody follows its log: ms between beats that carry new lines. */
  let logsEvery = 0;

  /** Commands that it knows, so that each is obeyed once, and what is to be told of them. */
  const known = new Set<unknown>();
  const reports = new Map<unknown, { id: number; state: string; message?: string; sequence?: number }>();
  let draining = false;
  /** Ends the waiting of what is held while it drains. */
  const held: (() => void)[] = [];
  /** Says what became of the drain that was asked for. */
  let settleDrain: (state: string, message?: string) => void = noop;
  /** Something in its code heeds a drain. */
  let heeds = false;
  let channel: unknown;

  const latest = () => [...jobs].at(-1);
  const activity = (id: unknown, type: unknown, text: unknown): Activity => ({
    current_job_id: clip(id, 255),
    current_job_type: clip(type, 128),
    current_status: clip(text, 500),
    since: clock(),
  });

  function status() {
    if (leaving) return leaving.status;
    if (runFailed) return 'error';
    if ((active && !quiet()) || manual) return 'processing';
    if (spoke) return 'idle';
    return clock() - startedAt < STARTED_MS ? 'starting' : 'running';
  }

  /** It drains, and no job runs; a pass that is still under way waits for a job of its own. */
  const quiet = () => draining && !jobs.size && (!active || held.length > 0);

  /** A change of this is a transition and told at once; idle, processing and running are one: alive. */
  const state = () => status().replace(/^(idle|processing|running)/, '') + breaker;

  function want(at: number) {
    if (at >= worker.due) return;
    worker.due = at;
    worker.line?.arm();
  }

  /** Called on every change, so it is cheap: most of the time a beat that will tell it is already due. */
  function changed() {
    spoke = true;
    if (quiet()) settleDrain('done');
    if (state() !== sentState) want(clock());
    else if (activityEvery) want(Math.max(clock(), sentAt + activityEvery));
  }

  function beat(bare = false, room?: number): Beat {
    const now = clock();
    const age = (at: number | undefined) => at && whole(now - at);
    const final = leaving?.exit;
    const { since = idleSince, ...doing }: Activity = (!final && (latest() ?? manual)) || {};
    // A text that the database cannot read would come back with every beat.
    if (bare) forget(carried, true);
    sentAt = now;
    sentState = state();
    sentAs = settings;
    worker.said = final && leaving!.status;
    const fields: Beat = {
      worker_name: settings.name,
      instance_id: instance,
      sequence: ++worker.sequence,
      epoch,
      status: status(),
      status_reason: leaving?.reason,
      heartbeat_interval_s: worker.interval / 1000,
      uptime_ms: whole(process.uptime() * 1000),
      sent_at_ms: Date.now(),
      ...(!confirmed && {
        requested_interval_s: settings.interval,
        grace_s: settings.grace,
        max_run_s: settings.maxRun,
        expected: settings.replicas ? false : undefined,
        worker_type: settings.type,
        description: settings.description,
        version: settings.version,
        kind: settings.kind,
        hostname: clip(hostname(), 255),
        pid: process.pid,
        runtime: `node ${process.version}`,
      }),
      jobs_total: jobsTotal,
      errors_total: errorsTotal,
      ...counted,
      draining: draining || undefined,
      jobs_active: final ? 0 : jobs.size,
      ...doing,
      status_age_ms: age(since),
      poll_interval_s: settings.pollInterval,
      last_run_age_ms: age(lastRunAt),
      ...lastRun,
      next_run_in_ms: next && whole(next.at - Date.now()),
      schedule: next?.schedule,
      last_error: lastError?.text,
      last_error_age_ms: age(lastError?.at),
      circuit_breaker_state: breaker,
      circuit_breaker_failures: failures,
      circuit_breaker_threshold: settings.threshold,
      circuit_breaker_opened_age_ms: age(openedAt),
      circuit_breaker_retry_in_ms: openedAt && whole(retryAt - now),
      circuit_breaker_reason: breakerReason,
      ...measure(),
      metadata: own(),
      last_exit: final,
      leases: leasing ? [...leases.values()].map(({ token }) => token) : undefined,
      logs: log.length && !bare ? lines(now, room) : undefined,
      logs_dropped: logged ? logsDropped : undefined,
      commands: reports.size && !bare ? [...reports.values()].map(told) : undefined,
    };
    for (const [field, value] of Object.entries(fields)) {
      if (settings.said.has(field) || (bare && typeof value !== 'number' && !REQUIRED.test(field)))
        delete fields[field];
      else if (typeof value === 'string' && WORDS.test(field)) fields[field] = settings.hide(value);
    }
    return fields;
  }

  /** What of the log goes with this beat: the oldest lines, or where there is little room the newest. */
  function lines(now: number, room?: number) {
    if (now - hurriedAt > worker.interval * 0.8 || leaving?.exit) {
      hurried = logged;
      hurriedAt = now;
    }
    let left = room ?? BATCH_BYTES;
    const some = room ? log.slice(-BATCH_LINES).reverse() : log.slice(0, BATCH_LINES);
    const taken: unknown[][] = [];
    for (const { line, at, level, text } of some) {
      const entry = [line, whole(now - at), level, settings.hide(text).slice(0, LINE)];
      left -= Buffer.byteLength(JSON.stringify(entry));
      if (left < 0) break;
      taken.push(entry);
    }
    if (room) {
      taken.reverse();
      logsDropped += log.length - taken.length;
    }
    carried = (taken.at(-1)?.[0] as number | undefined) ?? carried;
    return taken;
  }

  function note(level: LogLevel, ...values: unknown[]) {
    const rank = LEVELS.indexOf(level);
    if (!worker.line || (rank < LEVELS.indexOf(logLevel) && rank >= 0)) return;
    let text: string;
    try {
      // A copy, for a part of a string keeps all of it in memory.
      text = `${Buffer.from(format(...values).slice(0, 2 * LINE))}`;
    } catch {
      return; // an object that cannot be shown
    }
    text = stripVTControlCharacters(text);
    const size = text.length;
    log.push({ line: ++logged, at: clock(), level: LEVELS[rank] ?? 'info', text, size });
    logSize += size;
    while (log.length > LOG_LINES || logSize > LOG_SIZE) forget(log[0]!.line, true);
    if (logsEvery) want(Math.max(clock(), sentAt + logsEvery));
  }

  /** Lets go of lines up to this one. */
  function forget(line: number, lost?: boolean) {
    while (log[0] && log[0].line <= line) {
      logSize -= log.shift()!.size;
      if (lost) logsDropped++;
    }
  }

  /** What a beat says of a command; it is said again until a beat that said it was answered. */
  function told(report: { id: number; state: string; message?: string; sequence?: number }) {
    report.sequence ??= worker.sequence;
    const { id, state, message } = report;
    return { id, state, message: message && settings.hide(message) };
  }

  /** The worker's own metadata, if it has some and it fits. A promised one is told with the beat after. */
  function own() {
    try {
      const made = typeof settings.metadata === 'function' ? settings.metadata() : settings.metadata;
      if (made instanceof Promise) made.then((value) => (metadata = value), noop);
      else metadata = made;
      const json =
        JSON.stringify(metadata, (key, value: unknown) =>
          typeof value !== 'string' ? value : SECRET_NAME.test(key) ? '***' : settings.hide(value),
        ) ?? '{}';
      if (json[0] === '{' && Buffer.byteLength(json) <= 8192) return metadata && JSON.parse(json);
    } catch {
      // Said below.
    }
    settings.say('metadata must be an object of up to 8 KB');
  }

  function heard({ ok, error, current, ignored, ...answer }: Answer, sent: number) {
    const now = clock();
    if (!ok) {
      const { field = '', message } = error ?? {};
      // Without an optional field that the server does not like, the rest still counts.
      if (settings.say(`refused: ${clip(message, 300)}`, field) && !REQUIRED.test(field)) want(now);
      return;
    }
    // An answer to a beat from before it got other settings knows nothing of these.
    const mine = sentAs === settings;
    confirmed = !!current && mine;
    if (confirmed) confirming = 0;
    // An epoch that the beat did not carry: carry it at once, which takes the row over from an older instance.
    else if (answer.epoch !== epoch && ++confirming < 3) want(now);
    if (within(answer.epoch)) epoch = answer.epoch;
    counted = { counted_jobs: answer.counted_jobs, counted_errors: answer.counted_errors };
    if (mine && within(answer.interval_s, 1, 3600)) worker.interval = answer.interval_s * 1000;
    activityEvery = within(answer.activity_every_s) ? answer.activity_every_s * 1000 : 0;
    if (within(answer.lease_ms)) {
      // Four fifths of it, and from before the beat was sent: over here well before it is over there.
      leasedUntil = sent + answer.lease_ms * 0.8;
      clearTimeout(guard);
      guard = setTimeout(
        () => leases.forEach(({ lose }) => lose()),
        Math.min(leasedUntil - now, 1e9),
      ).unref();
      for (const { token, lose } of leases.values()) if ([answer.leases_lost].flat().includes(token)) lose();
    }
    if (within(answer.again_ms)) want(now + Math.max(100, answer.again_ms));
    if (sentState.startsWith('starting')) want(startedAt + STARTED_MS);
    if (state() !== sentState && !leaving?.exit) want(now);
    if (ignored) settings.say(`passed over: ${clip(ignored.message, 300)}`, 'ignored');
    for (const [id, { sequence }] of reports)
      if (sequence && sequence <= Number(answer.sequence)) reports.delete(id);
    // One that says nothing of lines keeps none: then they are not sent again either.
    if (log.length && carried >= log[0]!.line) {
      const first = log[0]!.line;
      forget(within(answer.logs_to) ? answer.logs_to : carried);
      if (log.length && log[0]!.line > first && log[0]!.line <= hurried) want(now);
    }
    logsEvery = within(answer.logs_every_s) ? answer.logs_every_s * 1000 : 0;
    if (logsEvery && log.length && !leaving?.exit) want(Math.max(now, sentAt + logsEvery));
    if (!leaving?.exit) {
      listen();
      for (const command of [answer.commands ?? []].flat()) obey(command as Command).catch(noop);
    }
  }

  /** Hears of commands at once, where the worker has brought its own client: whatever that does, beats go on. */
  function listen() {
    const { supabase, say } = settings;
    if (!supabase || channel) return;
    const trouble = (error: unknown) =>
      say(
        `commands come with the next beat, for its Supabase client does not listen (${words(error)})`,
        'ear',
      );
    try {
      let joined = false;
      const joining = supabase.channel(`hp:nudge:${instance}`, { config: { private: true } }) as Channel;
      channel = joining;
      joining
        .on('broadcast', { event: 'nudge' }, () => want(Math.max(clock(), sentAt + 1000)))
        .subscribe((status, error) => {
          if (status === 'SUBSCRIBED') joined = true;
          // It tries again by itself; later ones are those of the network.
          else if (!joined && channel === joining) trouble(error ?? status);
        });
    } catch (error) {
      channel ??= true; // once is enough
      trouble(error);
    }
  }

  function hush() {
    const client = settings.supabase as unknown as Client;
    const leaves = channel;
    channel = undefined;
    const leave = async () => {
      await client.removeChannel(leaves);
      // The connection keeps the process alive, and the client its connection for most of a minute.
      if (!client.getChannels().length) client.realtime.disconnect();
    };
    if (leaves) leave().catch(noop);
  }

  /** Why the worker itself will not do this, or nothing. */
  async function refusal(command: Command) {
    try {
      const late = sleep(PATIENCE_MS).then(() => `onCommand took longer than ${PATIENCE_MS / 1000} s`);
      const said = await Promise.race([settings.onCommand(command), late]);
      return said === false ? 'the worker refused' : said;
    } catch (error) {
      return words(error);
    }
  }

  async function obey(command: Command) {
    const { id, args } = command;
    if (!within(id) || known.has(id)) return;
    if (known.size > 1000) known.clear(); // those are long over
    known.add(id);
    const reason = clip(command.reason, 400) ?? 'no reason given';
    const tell = (state: string, message?: string) => {
      reports.set(id, { id, state, message: clip(message, 500) });
      want(clock());
    };
    const fail = (message: string) => tell('failed', message);
    const no = settings.onCommand === noop ? undefined : await refusal(command);
    if (typeof no === 'string') return tell('refused', no);
    if (leaving && /^(restart|stop|drain|resume)$/.test(command.command)) return fail('it is ending already');

    switch (command.command) {
      case 'restart':
      case 'stop': {
        tell('acknowledged');
        const why = `${command.command} asked: ${reason}`;
        if (command.command === 'restart') return end(RESTART, why, fail);
        if (shared.workers.size === 1) return end(0, why, fail);
        // The others of this process live on.
        await finish(why, () => ({}));
        await worker.line?.report([worker]);
        return detach();
      }
      case 'drain':
        if (!heeds && settings.onCommand === noop)
          return fail('its code takes no work by job(), run() or lease(), so nothing can hold it');
        tell('acknowledged');
        settleDrain('done');
        settleDrain = (state, message) => {
          settleDrain = noop;
          tell(state, message);
        };
        draining = true;
        return changed();
      case 'resume':
        release('it was resumed before');
        return tell('done');
      case 'breaker_reset':
      case 'breaker_trip':
        if (!settings.threshold) return fail('it has no circuit breaker');
        handledAt = clock();
        if (command.command === 'breaker_reset') mend();
        else open(`tripped by hand: ${reason}`);
        return tell('done');
      case 'beat':
        return tell('done');
      case 'log_level': {
        const level = args?.level as LogLevel;
        if (!LEVELS.includes(level)) return fail(`the level must be one of ${LEVELS.join(', ')}`);
        logLevel = level;
        return tell('done');
      }
      default:
        fail(`this module does not know ${clip(command.command, 100)}`);
    }
  }

  /** What was held goes on. */
  function release(why: string) {
    settleDrain('failed', why);
    draining = false;
    for (const go of held.splice(0)) go();
  }

  /** Waits while it drains. */
  async function hold() {
    while (draining && !signal.aborted) {
      const released = new Promise<void>((go) => held.push(go));
      const alive = setInterval(noop, 1e9); // who waits here may be all that there is
      changed();
      await released;
      clearInterval(alive);
    }
  }

  function failed(error: unknown) {
    errorsTotal++;
    lastError = { text: words(error), at: clock(), error };
  }

  const retryDate = () => new Date(Date.now() + retryAt - clock());

  /** Opens the breaker at the threshold, and again after a failed trial. */
  function trip(error: unknown) {
    if (breaker === 'open' || (++failures < (settings.threshold ?? Infinity) && breaker === 'closed')) return;
    open(words(error));
  }

  function open(reason: string) {
    breaker = 'open';
    openedAt = clock();
    retryAt = openedAt + settings.cooldown * 1000;
    breakerReason = clip(reason, 500);
  }

  function mend() {
    failures = 0;
    breaker = 'closed';
    openedAt = breakerReason = undefined;
  }

  /** What a job and a run have in common. */
  async function perform<T>(
    work: Work<T>,
    good: (result: T) => void,
    bad: (error: unknown) => void,
    end: () => void,
  ) {
    if (parked) await new Promise(noop);
    active++;
    changed();
    try {
      const result = await work(signal);
      good(result);
      return result;
    } catch (error) {
      // Cut short on the way out is no failure.
      if (!signal.aborted || (error as Error | undefined)?.name !== 'AbortError') bad(error);
      throw error;
    } finally {
      end();
      idleSince = clock();
      if (!--active) drained();
      changed();
    }
  }

  async function job<T>(details: JobDetails | Work<T>, work?: Work<T>): Promise<T> {
    if (typeof details === 'function') return job({}, details);
    heeds = true;
    if (draining) await hold();
    if (breaker === 'half_open' || (breaker === 'open' && clock() < retryAt)) {
      await new Promise(setImmediate); // a loop that goes on after a refusal must not starve the process
      throw new CircuitOpenError(retryDate());
    }
    if (breaker === 'open') breaker = 'half_open'; // this job is the trial
    const mine = activity(details?.id, details?.type, details?.status);
    jobs.add(mine);
    const began = clock();
    // Of one that began before somebody set the breaker by hand, it hears nothing.
    const heard = () => began >= handledAt;
    return perform(
      work!,
      () => {
        jobsTotal++;
        if (heard()) mend();
      },
      (error) => {
        failed(error);
        if (heard()) trip(error);
      },
      () => {
        jobs.delete(mine);
        if (breaker === 'half_open' && heard()) breaker = 'open'; // neither good nor bad
      },
    );
  }

  async function run<T>(work: Work<T>): Promise<T> {
    heeds = true;
    if (draining) await hold();
    const began = clock();
    const jobsBefore = jobsTotal;
    const errorsBefore = errorsTotal;
    let processed: unknown;
    return perform(
      work,
      (result) => {
        processed = result;
        runFailed = false;
      },
      (error) => {
        runFailed = true;
        if (lastError?.error !== error) failed(error); // its job's error counts once
      },
      () => {
        lastRunAt = clock();
        lastRun = {
          last_run_duration_ms: whole(lastRunAt - began),
          processed_count: within(processed) ? whole(processed) : jobsTotal - jobsBefore,
          last_run_errors: errorsTotal - errorsBefore,
        };
      },
    );
  }

  const aboutLease = (name: string, key: string, values: object) =>
    worker.line!.call(name, { worker_name: settings.name, instance_id: instance, key, ...values });

  /** Claims a lease, or says why not. */
  async function claim(key: string, mine: { token: number }): Promise<string | undefined> {
    if (!worker.line || signal.aborted) return 'stopping, or not reported';
    try {
      // The database lends to none that it has not heard of late.
      if (clock() > leasedUntil) await worker.line.report([worker]);
      if (clock() < leasedUntil) {
        const { token, holder } = await aboutLease('hp_claim_lease', key, { sequence: worker.sequence });
        if (holder) return `held by ${holder}`;
        if (within(token)) mine.token = token;
        if (mine.token && clock() < leasedUntil) return;
      }
      return 'no beat gets through';
    } catch (error) {
      return words(error);
    }
  }

  async function lease<T>(key: string, work: LeasedWork<T>): Promise<Lease<T>> {
    heeds = true;
    if (draining) await hold();
    if (leases.has(key)) return { held: false, reason: `held by ${settings.name}` };
    const lost = new AbortController();
    const mine = { token: 0, lose: () => lost.abort() };
    leasing = true;
    leases.set(key, mine);
    try {
      const reason = await claim(key, mine);
      if (reason) return { held: false, reason };
      signal.addEventListener('abort', mine.lose);
      return { held: true, result: await perform(() => work(mine.token, lost.signal), noop, noop, noop) };
    } finally {
      signal.removeEventListener('abort', mine.lose);
      leases.delete(key);
      // Should this get lost, the next beat does it: it does not name the lease any more.
      if (mine.token) aboutLease('hp_release_lease', key, mine).catch(noop);
    }
  }

  /** On the way out: aborts, waits until nothing runs any more or for the time that there is, and sets the last words. */
  async function finish(reason: string | undefined, exit?: () => Record<string, unknown>) {
    const began = clock();
    leave(reason);
    await new Promise<void>((done) => {
      drained = () => {
        parked = !!exit;
        done();
      };
      if (active) void sleep(settings.timeout * 1000).then(drained);
      else drained();
    });
    const { code } = asked ?? {};
    lastWords('stopped', reason ?? asked?.reason, { code, ...exit?.(), drain_ms: whole(clock() - began) });
  }

  function stop(reason?: string) {
    return (stopping ??= finish(reason)
      .then(() => worker.line?.report([worker]))
      .then(detach, noop));
  }

  /** From here on the worker is on its way out. */
  function leave(reason: unknown) {
    if (leaving) return;
    leaving = { status: 'stopping', reason: clip(reason, 500) };
    want(clock());
    controller.abort();
    release('it was told to end');
  }

  /** Sets what the next beat says about the end. */
  function lastWords(status: string, reason: unknown, exit: Record<string, unknown>) {
    const { current_job_id, current_job_type, current_status } = latest() ?? {};
    leaving = {
      status,
      reason: clip(reason, 500),
      exit: {
        ...exit,
        abandoned_job: jobs.size ? (current_job_id ?? current_job_type ?? current_status) : undefined,
      },
    };
    if (exit.error) leaving.exit!.error = settings.hide(`${exit.error}`);
    if (exit.error) lastError = { text: words(exit.error), at: clock(), error: 0 };
  }

  /** Takes this worker off the process; a process without workers gets its signals back. */
  function detach() {
    worker.due = Infinity;
    shared.workers.delete(worker);
    hush();
    capture();
    unhook();
  }

  const face: Heartbeat = {
    name: settings.name,
    signal,
    get breaker() {
      return { state: breaker, failures, retryAt: breaker === 'open' ? retryDate() : undefined };
    },
    get draining() {
      heeds = true;
      return draining;
    },
    log: note,
    job,
    run,
    lease,
    setStatus(text, details) {
      const job = latest();
      const said = activity(
        details?.jobId ?? job?.current_job_id,
        details?.jobType ?? job?.current_job_type,
        text,
      );
      if (job) Object.assign(job, said);
      else manual = said;
      changed();
    },
    idle() {
      manual = undefined;
      idleSince = clock();
      changed();
    },
    nextRun(at, schedule) {
      next = within(+at) ? { at: +at, schedule: clip(schedule, 255) } : undefined;
      changed();
    },
    flush: async () => worker.line?.report([worker]),
    stop,
  };

  const worker: Worker = {
    face,
    settings,
    interval: 0,
    due: Infinity,
    sequence: 0,
    beat,
    note,
    heard,
    leave,
    finish,
    lastWords,
    stay: () => void (leaving = undefined),
    detach,
    connect(taken, after) {
      if (taken.supabase !== settings.supabase) hush();
      worker.settings = settings = taken;
      logLevel = taken.logLevel;
      worker.interval = taken.interval * 1000;
      confirmed = false; // so that the next beat says who is speaking
      worker.line = connect(taken);
      capture();
      worker.due = Infinity;
      want(clock() + after);
    },
  };
  return worker;
}

// --- How a process ends --------------------------------------------------------------------------------------------

const hooked = new Map<string, (...args: never[]) => void>();
let fatal: { error: unknown; origin: string; at: number } | undefined;
let signalled: { signal: string; at: number } | undefined;

function hook(settings: Settings) {
  const on = (event: string, listener: (...args: never[]) => void) => {
    if (hooked.has(event)) return;
    hooked.set(event, listener);
    // First in line, while the host's once() handlers are still there to be counted.
    process.prependListener(event as 'exit', listener as never);
  };
  on('beforeExit', emptied);
  on('exit', exiting);
  on('uncaughtExceptionMonitor', (error: unknown, origin: string) => {
    fatal = { error, origin, at: clock() };
  });
  if (!isMainThread) return; // threads get no signals
  for (const signal of settings.signals) on(signal, onSignal);
  // PM2 on Windows, or with shutdown_with_message. Only under PM2, because a listener keeps the channel open.
  if (env.pm_id && process.send)
    on('message', (message: unknown) => message === 'shutdown' && onSignal('message'));
}

function unhook() {
  if (shared.workers.size) return;
  for (const [event, listener] of hooked) process.removeListener(event, listener as never);
  hooked.clear();
}

/** The exit code by which a shell knows a process that a signal ended. */
const codeOf = (signal: string) => 128 + (constants.signals[signal as 'SIGINT'] ?? 0);

/** How many of the host's own listeners a signal has. */
function handlers(signal: string) {
  // The package signal-exit listens to every signal, only to step back before any other listener: it is no handler.
  const count = (host: object, key: PropertyKey) =>
    (host as Record<PropertyKey, { count?: number } | undefined>)[key]?.count ?? 0;
  const bystanders =
    count(globalThis, Symbol.for('signal-exit emitter')) + count(process, '__signal_exit_emitter__');
  return process.listenerCount(signal) - Number(hooked.has(signal)) - bystanders;
}

/** Every worker says goodbye. */
const goodbye = () => Promise.all([...shared.lines.values()].map((line) => line.report(line.mine())));

async function onSignal(signal: string, number?: number) {
  if (signal === asked?.signal && !number) return; // it is ours, for the host's handlers
  const code = codeOf(signal);
  const workers = [...shared.workers];
  // A process that handles the signal itself is left to do so.
  const ours = handlers(signal) <= 0 && workers.every((worker) => worker.settings.exit);
  if (!signalled) {
    signalled = { signal, at: clock() };
    for (const worker of workers) worker.leave(signal);
    if (!ours) return; // beforeExit or exit will say goodbye
    const exit = () => ({ signal, code: process.exitCode ?? code });
    await Promise.all(workers.map((worker) => worker.finish(signal, exit)));
    await goodbye();
  } else {
    if (!ours || clock() - signalled.at < SECOND_SIGNAL_MS) return;
    exiting(code);
  }
  // End as the signal would have without this module: systemd, shells and Docker see what they know.
  for (const worker of workers) worker.detach();
  if (process.exitCode !== undefined || signal === 'message') process.exit();
  process.kill(process.pid, signal);
  // PID 1 of a container is spared by that, and so is Windows.
  setTimeout(() => process.exit(code), 100);
}

/** The restart or stop that somebody asked for. */
let asked: { code: number; reason: string; signal?: string | false } | undefined;

/** Ends the process with this code; says in words when it lives on, because the worker has that in its own hands. */
async function end(code: number, reason: string, fail: (words: string) => void) {
  const workers = [...shared.workers];
  const { timeout } = workers[0]!.settings;
  // What a supervisor would send.
  const signal = isMainThread && (['SIGTERM', 'SIGINT'] as const).find((one) => handlers(one) > 0);
  const { exitCode } = process;
  asked = { code, reason, signal };
  process.exitCode ??= code;
  if (!signal && workers.every((worker) => worker.settings.exit)) {
    await Promise.all(workers.map((worker) => worker.finish(reason, () => ({}))));
    await goodbye();
    for (const worker of workers) worker.detach();
    process.exit(code);
  }
  for (const worker of workers) worker.leave(reason);
  if (signal) setImmediate(() => process.emit(signal, signal));
  await sleep(timeout * 1000);
  // It has failed, and what ends the process later is not this.
  asked = undefined;
  if (process.exitCode === code) process.exitCode = exitCode;
  fail(`it was told to end ${timeout} s ago and has not: its own code ends it`);
}

/** The event loop is empty: there is time for a goodbye. The process may still live on, and then beats on. */
function emptied(code: number) {
  const workers = [...shared.workers].filter((worker) => worker.line && !worker.said);
  for (const worker of workers) worker.lastWords(...verdict(code));
  if (!workers.length) return;
  void goodbye().then(() => {
    if (!signalled && !asked) workers.forEach((worker) => worker.stay());
  });
}

/** What an exit code means: a crash, unless it is 0 or that of the signal that was sent. */
function verdict(code: number): [status: string, reason: string, exit: Record<string, unknown>] {
  const signal = signalled?.signal ?? (asked?.signal || undefined);
  if (!code || code === asked?.code || (signal && code === codeOf(signal)))
    return ['stopped', asked?.reason ?? signal ?? 'exit code 0', { code: asked?.code ?? code, signal }];
  const { error, origin } = fatal && clock() - fatal.at < 30_000 ? fatal : {};
  if (!origin) return ['crashed', `exit code ${code}`, { code }];
  const trace = clip((error as Error | undefined)?.stack, 2000) ?? words(error);
  return ['crashed', `${origin}: ${words(error)}`, { code, error: trace }];
}

/** The last words of an exit are sent by a process of their own, for an exit handler cannot wait for an answer. */
const MESSENGER = `
for (const s of ["SIGTERM","SIGINT","SIGHUP"]) process.on(s,()=>{});
const [url,init] = JSON.parse(process.env.HEARTBEAT_LAST_WORDS);
fetch(url,{...init,signal:AbortSignal.timeout(3e3)}).then((r)=>r.text());`;

function exiting(code: number) {
  const [status, reason, exit] = verdict(code);
  // A worker that ends itself in its own way is still restarted, or not, as somebody asked.
  if (asked && status === 'stopped') process.exitCode = asked.code;
  for (const { request, mine } of shared.lines.values()) {
    const silent = mine().filter(
      ({ said, sequence }) => sequence && said !== status && (!said || status === 'crashed'),
    );
    if (!silent.length) continue;
    try {
      for (const worker of silent) worker.lastWords(status, reason, exit);
      spawn(process.execPath, ['-e', MESSENGER], {
        env: {
          ...env,
          // Not an argument: those are for everyone on the machine to see, and there is a key in it.
          HEARTBEAT_LAST_WORDS: JSON.stringify(request(silent)),
          NODE_OPTIONS: '', // what loads there is for the worker; --inspect-brk would wait for a debugger
        },
        detached: true,
        stdio: 'ignore',
        windowsHide: true,
      })
        .on('error', noop)
        .unref();
    } catch {
      // Silence will tell.
    }
  }
}

// --- The console ---------------------------------------------------------------------------------------------------

/** Takes what is written to the console for the logs of the workers that want it, and gives it back after the last one. */
function capture() {
  const wanted = [...shared.workers].some((worker) => worker.settings.captureConsole);
  if (wanted === !!shared.uncapture) return;
  if (!wanted) {
    shared.uncapture!();
    shared.uncapture = undefined;
    return;
  }
  const undo = (['debug', 'log', 'info', 'warn', 'error'] as const).map((method) => {
    const original = console[method];
    const replacement = (...values: unknown[]) => {
      // What is written by what writes, or by an object that is shown, is part of that line.
      const inside = shared.hushed;
      shared.hushed = true;
      try {
        original.apply(console, values);
        if (inside) return;
        for (const worker of shared.workers)
          if (worker.settings.captureConsole) worker.note(method === 'log' ? 'info' : method, ...values);
      } finally {
        shared.hushed = inside;
      }
    };
    console[method] = replacement;
    return () => {
      if (console[method] === replacement) console[method] = original; // else somebody has replaced it since
    };
  });
  shared.uncapture = () => undo.forEach((one) => one());
}

// --- Starting ------------------------------------------------------------------------------------------------------

/** Starts a worker, or gives the one of that name these settings. */
function start(settings: Settings, after = 0) {
  let worker = [...shared.workers].find((known) => known.settings.name === settings.name);
  if (!worker) shared.workers.add((worker = createWorker(settings)));
  shared.started = true;
  hook(settings);
  worker.connect(settings, after);
  return worker;
}

/**
 * Starts to report this process as a worker. A second call with the same name gives the worker other settings.
 *
 * @throws {TypeError} naming the option and its range, when one is wrong; nothing after that
 */
export function startHeartbeat(options: HeartbeatOptions = {}): Heartbeat {
  const worker = start(settle(options));
  const { guess } = shared;
  shared.guess = undefined;
  // Started by the import alone, under a name that turns out to be another.
  if (guess && guess !== worker) {
    if (!guess.sequence) guess.detach();
    else void guess.face.stop('renamed');
  }
  return worker.face;
}

// `node --import ./heartbeat.mjs worker.js`, or an import and nothing more: starts by itself. Not in threads, nor in the
// children of a process that did (cluster, fork) without a name of their own, nor in the tools that start workers.
const self = `${env.WORKER_NAME}`;
if (
  isMainThread &&
  env.WORKER_HEARTBEAT !== 'off' &&
  env.HEARTBEAT_PARENT !== self &&
  !/^(npm|npx|pnpm|yarn|nodemon|pm2)\b/.test(basename(process.argv[1] ?? '')) &&
  NAME.test(ownName())
) {
  env.HEARTBEAT_PARENT = self;
  setImmediate(() => {
    // A name that is only the script's may still be corrected by a startHeartbeat() after some top-level await.
    if (!shared.started) shared.guess = start(settle({}), env.WORKER_NAME ? 0 : STARTED_MS);
  });
}
