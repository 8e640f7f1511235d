/**
 * Lastseen heartbeat: reports this process as a worker to your own Supabase project. Node 18 and newer, no dependencies.
 *
 * - Every `interval` one POST to `hp_heartbeat` reports that the worker is alive and what it does; a change of its state
 *   at once. While Supabase is away nothing is queued: reports hold totals, so the next one catches up.
 * - SIGTERM or SIGINT: `signal` aborts, running jobs get 25 s, the worker reports `stopped` (4 s at most), and the process
 *   ends by that signal, as without this module. A process with a signal handler of its own is only reported.
 * - A crash: a short-lived child process sends the exit report. Stack trace and exit code stay as they were.
 * - The module never hurts its worker: after the start it throws nothing, delays no job, and keeps its memory bounded.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { constants, hostname } from 'node:os';
import { basename } from 'node:path';
import { isMainThread } from 'node:worker_threads';

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
    { signals?: NodeJS.Signals[] | undefined; timeout?: number | undefined; exit?: boolean | undefined } | undefined;
  /** Up to 8 KB of JSON of your own, or a function that makes it for each beat. */
  metadata?: Fields | (() => Fields | Promise<Fields>) | undefined;
  /** Where the module's few lines go; `false`: nowhere. @default console */
  logger?: { warn(message: string): void } | false | undefined;
}

/** A job in the worker's row while it runs: `id` up to 255, `type` up to 128, `status` up to 500 characters. */
export interface JobDetails {
  id?: string | number | undefined;
  type?: string | undefined;
  status?: string | undefined;
}

export type JobReference = { jobId?: string | number | undefined; jobType?: string | undefined };

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
  commands?: { [command: string]: (args: Fields, reason: string) => Failure | Promise<Failure> };
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
type Settings = ReturnType<typeof settle>;

const GOODBYE_MS = 4_000; // so that it and 25 s of drain fit the 30 s that Kubernetes gives a pod
const STARTED_MS = 1_000; // a worker that reports nothing about its work counts as started after this
const NAME = /^[A-Za-z0-9][A-Za-z0-9@:._/-]{0,127}$/;
const REQUIRED = /^(worker_name|instance_id|sequence|status|epoch)$/; // a beat is none without these
const TEXTS = /reason|error|current_|sched|desc/; // fields that hold a worker's own texts
const METHODS = ['job', 'run', 'perform', 'setStatus', 'idle', 'nextRun', 'flush', 'stop'] as const;
const KEYS = 'SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN';
const SECRET =
  '(?:passw(?:or)?d|passphrase|pwd|secret|token|authorization|cookie|signature|(?:api|access|private|service|role|signing)[_-]?key)';
const SECRET_NAME = RegExp(`${SECRET}$`, 'i');
/** Passwords in URLs, bearer tokens, and `name=value`. The logs part brings a longer list. */
const SECRETS = [
  [/(:\/\/[^\s/:@]*:)[^\s/]*@/g, '$1***@'],
  [RegExp(`(\\bbearer |${SECRET}["']?\\s{0,3}[=:]\\s{0,3})("[^"]*"?|'[^']*'?|[^\\s"',;&}]+)`, 'gi'), '$1***'],
] as const;
const { fetch } = globalThis;
const [noop, clock] = [() => {}, () => performance.now()];
const env = (name: string) => process.env[name];
const of = (value: unknown, name: PropertyKey) => (value as Record<PropertyKey, unknown> | null)?.[name];
const whole = (value: number) => Math.max(0, Math.round(value));
const age = (at: number | undefined) => at && whole(clock() - at);
const within = (value: unknown, least = 0, most = Infinity): value is number =>
  typeof value === 'number' && value >= least && value <= most;
const sleep = (ms: number, alive?: boolean) =>
  // keeps the process alive for so long only where asked
  new Promise<void>((done) => void (alive ? setTimeout(done, ms) : setTimeout(done, ms).unref()));

/** The result, or nothing where it throws. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
const clip = (value: unknown, length: number) => attempt(() => String(value ?? '').slice(0, length)) || undefined;
const messageOf = (error: unknown) => clip(of(error, 'message') ?? error, 2000) ?? 'unknown error';

interface Shared {
  workers: Map<string, Heartbeat>;
  listeners: Map<string, (...args: never[]) => void>;
  /** The worker that the import alone has started; parts that are imported alone, after this file, join it. */
  guess?: Heartbeat | undefined;
  parts: ((heartbeat: Heartbeat) => unknown)[];
  join?: (part: Shared['parts'][0]) => unknown;
  started?: boolean;
  /** The signal that asked the process to end, and the exception that nobody caught. */
  ending?: { signal: string; at: number };
  fatal?: { error: unknown; origin: string; at: number };
}
const empty: Shared = { workers: new Map(), listeners: new Map(), parts: [] };
/** Two copies of this file in one process share this, so that a worker is never reported twice. */
const shared = ((globalThis as { [key: symbol]: Shared })[Symbol.for('lastseen.heartbeat')] ??= empty);

/** Options and environment as one. A wrong option throws; a wrong variable is logged. */
function settle(options: HeartbeatOptions) {
  const { shutdown = {}, replicas, name: given = ownName(), logger = console } = options;
  const { signals = ['SIGTERM', 'SIGINT'], timeout = 25, exit = true } = shutdown;
  const { url = env('SUPABASE_URL') ?? '', token = env('HEARTBEAT_TOKEN'), type = replicas ? given : '' } = options;
  const fromEnv = Number(env('WORKER_HEARTBEAT_INTERVAL') ?? 30);
  const { interval = within(fromEnv, 1, 3600) ? fromEnv : 30 } = options;
  // Beside 50 characters there is room for the host and the process, by which replicas differ.
  const name = replicas ? tidy(`${`${type}`.slice(0, 50)}@${hostname().slice(0, 64)}:${process.pid}`) : given;

  const check = (good: unknown, option: string, rule: string) => {
    if (!good) throw new TypeError(`startHeartbeat: ${option} must be ${rule}`);
  };
  const range = (option: string, value: unknown, least: number, most: number, unit = '') =>
    check(within(value, least, most), option, `${least} to ${most}${unit}`);
  const isSignal = (one: string) => one in constants.signals && !/KILL|STOP/.test(one);
  check(typeof name === 'string' && NAME.test(name), 'name', `like ${NAME} (or set WORKER_NAME)`);
  check(!options.url || isAddress(url), 'url', 'http(s)://…');
  check(!logger || typeof logger.warn === 'function', 'logger', 'false, or have warn()');
  check(/^(resident|scheduled|undefined)$/.test(`${options.kind}`), 'kind', "'resident' or 'scheduled'");
  check(Array.isArray(signals) && signals.every(isSignal), 'shutdown.signals', "like ['SIGTERM', 'SIGINT']");
  range('type', type.length, 0, 128, ' characters');
  range('description', (options.description ?? '').length, 0, 500, ' characters');
  range('version', (options.version ?? '').length, 0, 128, ' characters');
  range('interval', interval, 1, 3600);
  range('pollInterval', options.pollInterval ?? 1, 0.001, 1e9);
  range('grace', options.grace ?? 0, 0, 31_536_000);
  range('maxRun', options.maxRun ?? 1, 1, 31_536_000);
  range('shutdown.timeout', timeout, 0, 3600);

  const warned = new Set<string>();
  /** A line for people, once about each thing until the next recovery. */
  const warn = (message: string, about = message) => {
    if (warned.has(about)) return;
    warned.add(about);
    if (logger) attempt(() => logger.warn(`[heartbeat] ${name}: ${message}`));
  };
  if (!within(fromEnv, 1, 3600)) warn('WORKER_HEARTBEAT_INTERVAL must be 1 to 3600 seconds');
  const secret = env('SUPABASE_SECRET_KEY') || env('SUPABASE_SERVICE_KEY') || '';
  const key = options.key || (token && env('SUPABASE_PUBLISHABLE_KEY')) || secret;
  // What can't be a header would come back in an error, in full.
  const missing = !isAddress(url) ? 'SUPABASE_URL' : !/^[!-~]+$/.test(key + (token ?? '')) && KEYS;
  if (missing && !isOff()) warn(`not reported: set ${missing}`);
  const connected = !missing && !isOff();
  const version = options.version || clip(env('npm_package_version'), 128);
  const taken = { name, type: type || undefined, version, interval, signals, timeout, exit, warn, warned };
  return { ...options, ...taken, url: `${url.replace(/\/+$/, '')}/rest/v1/rpc/`, key, token, connected };
}

const isAddress = (url: string) => /^https?:\/\/\w/.test(url);
const isOff = () => env('WORKER_HEARTBEAT') === 'off' || !!env('HEARTBEAT_EXIT_REPORT'); // also in a messenger
const tidy = (text: string) => /[a-z0-9][\w@:./-]{0,127}/i.exec(text.replace(/[^\w@:./-]+/g, '-'))?.[0] ?? '';
const ownName = () => tidy(env('WORKER_NAME') || basename(process.argv[1] ?? '').replace(/\.\w+$/, ''));

/** What a worker does, in the field names of a beat. */
function activity(id: unknown, type: unknown, status: unknown) {
  const what = { current_job_id: clip(id, 255), current_job_type: clip(type, 128) };
  return { ...what, current_status: clip(status, 500), at: clock() };
}

/** What the worker does and has done. Totals only grow, so an outage costs no memory and no count. */
abstract class WorkLog {
  /** @internal */ readonly controller = new AbortController();
  /** Aborted when the worker should finish up: take no more work, and cut short what can be. */
  readonly signal: AbortSignal = this.controller.signal;
  readonly #totals = { jobs_total: 0, errors_total: 0 };
  #lastError: { text: string; at: number; error?: unknown } | undefined;
  #lastRun: { at: number; failed: boolean; fields: Fields } | undefined;
  #next: { at: number; schedule: string | undefined } | undefined;
  readonly #jobs = new Set<ReturnType<typeof activity>>();
  #active = 0; // jobs, runs and parts' work
  #manual: ReturnType<typeof activity> | undefined;
  #idleSince = clock();
  #drained = noop;
  #parked = false; // the process is about to end: a job that begins now would only be cut off, so none does

  /** @internal */ abstract changed(): void;

  /**
   * Does one unit of work: shows it, counts it. Returns what `work` returns and rejects with what it throws. A failed job
   * counts as an error, and the worker's status stays. An `AbortError` after `signal` was aborted is no failure.
   */
  job<T>(work: Work<T>): Promise<T>;
  job<T>(details: JobDetails, work: Work<T>): Promise<T>;
  async job<T>(details: JobDetails | Work<T>, work?: Work<T>): Promise<T> {
    const [what, does] = typeof details === 'function' ? [{}, details] : [details, work!];
    const mine = activity(what?.id, what?.type, what?.status);
    this.#jobs.add(mine);
    return this.perform(does, (outcome, value) => {
      this.#jobs.delete(mine);
      if (outcome === 'done') this.#totals.jobs_total++;
      if (outcome === 'failed') this.#fail(value);
    });
  }

  /**
   * Does one pass of a loop. A number that it returns is the count of what it processed, else its jobs are counted.
   * When it fails, the worker's status is `error` until a pass succeeds.
   */
  async run<T>(work: Work<T>): Promise<T> {
    const [began, { jobs_total, errors_total }] = [clock(), this.#totals];
    return this.perform(work, (outcome, value) => {
      if (outcome === 'failed' && this.#lastError?.error !== value) this.#fail(value); // its job's error counts once
      const failed = outcome === 'cut short' ? !!this.#lastRun?.failed : outcome === 'failed';
      const counted = outcome === 'done' && within(value) ? whole(value) : this.#totals.jobs_total - jobs_total;
      const last_run_errors = this.#totals.errors_total - errors_total;
      const fields = { last_run_duration_ms: age(began), processed_count: counted, last_run_errors };
      this.#lastRun = { at: clock(), failed, fields };
    });
  }

  /** For parts: does work that is neither job nor run. The worker is `processing`, and its end waits for it. */
  async perform<T>(work: Work<T>, ended: (outcome: Outcome, value: unknown) => void = noop): Promise<T> {
    if (this.#parked) await new Promise(noop);
    this.#active++;
    this.changed();
    try {
      const result = await work(this.signal);
      ended('done', result);
      return result;
    } catch (error) {
      ended(this.signal.aborted && of(error, 'name') === 'AbortError' ? 'cut short' : 'failed', error);
      throw error;
    } finally {
      this.#idleSince = clock();
      if (!--this.#active) this.#drained();
      this.changed();
    }
  }

  /** Shows what the worker does: of the latest job while one runs, else until `idle()`. */
  setStatus(status: string, details?: JobReference | null): void {
    const job = this.#latest();
    const { jobId = job?.current_job_id, jobType = job?.current_job_type } = details ?? {};
    const now = activity(jobId, jobType, status);
    Object.assign(job ?? (this.#manual = now), now);
    this.changed();
  }

  /** Shows that there is nothing to do. */
  idle(): void {
    [this.#manual, this.#idleSince] = [undefined, clock()];
    this.changed();
  }

  /** When the next run is due, as a `Date` or epoch milliseconds, and the schedule for people (up to 255 characters). */
  nextRun(at: Date | number, schedule?: string): void {
    this.#next = within(+at) ? { at: +at, schedule: clip(schedule, 255) } : undefined;
    this.changed();
  }

  #latest = () => [...this.#jobs].pop();
  #fail(error: unknown) {
    this.#totals.errors_total++;
    this.#lastError = { text: messageOf(error), at: clock(), error };
  }

  /** @internal */
  workStatus = () => (this.#lastRun?.failed ? 'error' : this.#active || this.#manual ? 'processing' : undefined);
  /** Resolves when nothing runs any more, or after so many ms; then nothing more begins, where asked. @internal */
  async drain(ms: number, park: boolean): Promise<void> {
    const before = this.#drained; // stop() may be called beside a signal
    const finished = new Promise<void>((done) => (this.#drained = () => (before(), done())));
    if (this.#active) await Promise.race([finished, sleep(ms)]);
    this.#parked = park;
  }

  /** The error by which the process ends; returns the job that it abandons. @internal */
  abandon(error: unknown) {
    if (error) this.#lastError = { text: messageOf(error), at: clock() };
    return Object.values(this.#latest() ?? {}).find((value) => typeof value === 'string');
  }

  /** @internal */
  workFields(final: boolean): Fields {
    const [error, run, next] = [this.#lastError, this.#lastRun, this.#next];
    const { at = this.#idleSince, ...doing } = (!final && (this.#latest() ?? this.#manual)) || {};
    return {
      ...this.#totals,
      ...{ jobs_active: final ? 0 : this.#jobs.size, ...doing, status_age_ms: age(at) },
      ...{ last_run_age_ms: age(run?.at), ...run?.fields },
      ...{ next_run_in_ms: next && whole(next.at - Date.now()), schedule: next?.schedule },
      ...{ last_error: error?.text, last_error_age_ms: age(error?.at) },
    };
  }
}

/** Sends the beats of the worker when they are due, one request at a time. */
abstract class Sender extends WorkLog {
  #due = Infinity; // the next beat, by clock()
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<unknown> | undefined;
  #reporting: Promise<unknown> | undefined; // by flush(), which sends all that is due
  #failures = 0;
  #retryAt = 0;
  #patience = 0;
  #hopeless = false; // trying again soon would not help
  /** For parts: milliseconds between beats, as the server has paced them. */
  pace = 0;

  /** @internal */ abstract settings: Settings;
  /** @internal */ abstract mask(text: string): string;
  /** @internal */ abstract build(bare?: boolean, room?: number): Fields;
  /** @internal */ abstract answered(answer: Fields, sentAt: number): void;

  /** For parts: calls a function of the database with the worker's key. Rejects where no answer comes within 10 s. */
  async request(name: string, values: object, limit = 10_000): Promise<Fields> {
    if (!this.settings.connected) throw new Error('not reported');
    const [address, init] = this.prepare(name, values);
    const { ok, status, body } = await fetch(address, { ...init, signal: AbortSignal.timeout(limit) });
    // Not text(): whatever answers there must not fill the worker's memory.
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > 1e6) break;
    }
    let answer: unknown = attempt(() => JSON.parse(text)); // not of a gateway's page
    if (name === 'hp_heartbeat' && ok) answer = of(answer, 0); // that of the one beat
    if (ok && answer) return answer as Fields;
    const message = `HTTP ${status}, ${clip(of(answer, 'message'), 200) ?? `no answer of ${name}`}`;
    throw Object.assign(new Error(message), { status });
  }

  /** What to `fetch`. @internal */
  prepare(name: string, values: object): [string, RequestInit] {
    const { url, key, token } = this.settings;
    const headers: Record<string, string> = { 'content-type': 'application/json', apikey: key };
    // The new keys are no JWTs and go in `apikey` alone; a legacy service key is one: PostgREST reads its role here.
    if (key.startsWith('eyJ')) headers['authorization'] = `Bearer ${key}`;
    if (token) headers['x-worker-token'] = token;
    // PostgreSQL's jsonb takes neither NUL nor half a surrogate pair, which truncating may leave behind.
    const clean = (_: string, value: unknown) =>
      typeof value === 'string' ? value.replace(/[\0\ud800-\udfff]/gu, '') : value;
    // Another host must not get the key.
    return [url + name, { method: 'POST', headers, body: JSON.stringify(values, clean), redirect: 'error' }];
  }

  /** One request; the next beat is due an interval later. Returns whether it was answered; never throws. */
  async #send(most = 10_000) {
    const began = clock();
    const { warn, warned } = this.settings;
    // As long as the interval, so that one lost request does not cost the lease; more where answers have been slow.
    const limit = whole(Math.min(most, Math.max(2_000, this.#patience, this.pace)));
    const post = (bare?: boolean) => this.request('hp_heartbeat', { beats: [this.build(bare)] }, limit);
    this.#due = Infinity;
    try {
      const answer = await post().catch((error) => {
        if (error.status !== 400) throw error;
        // The JSON parser refused a text, and being alive is worth more than a text.
        warn(`sent again without texts (${error.message})`, '400');
        return post(true);
      });
      if (this.#failures > 1) {
        warned.clear();
        warn('reported again');
      }
      [this.#failures, this.#retryAt, this.#patience] = [0, 0, 2 * (clock() - began)];
      this.answered(answer, began);
    } catch (error) {
      const status = of(error, 'status');
      const refused = (status === 401 || status === 403) && `check ${KEYS}`;
      const advice = status === 404 ? 'check SUPABASE_URL, and apply the migrations' : refused;
      const problem = advice || (status === 429 ? 'too many requests' : 'Supabase cannot be reached');
      [this.#hopeless, this.#patience] = [!!advice, 2 * limit];
      this.#failures++;
      // Within the interval, so that a lease outlives an outage; what needs a person can wait for a minute.
      const wait = advice ? Math.max(6e4, this.pace) : Math.min(this.pace, 500 * 2 ** this.#failures);
      this.#retryAt = clock() + wait * (0.5 + Math.random() / 2);
      const cause = of(of(error, 'cause'), 'code') ?? this.mask(messageOf(error));
      // A single lost request is ordinary.
      if (advice || this.#failures > 1) warn(`not reported, trying again: ${problem} (${cause})`, 'down');
    }
    this.#due = Math.min(this.#due, Math.max(this.#retryAt, began + this.pace * (0.9 + Math.random() / 10)));
    return !this.#failures;
  }

  /** Sends what is due, and sets the timer for what will be. */
  #arm = () => {
    if (this.#sending || this.#reporting || !this.settings.connected) return;
    clearTimeout(this.#timer);
    const wait = Math.max(this.#retryAt, this.#due) - clock();
    if (wait > 0) return void (this.#timer = setTimeout(this.#arm, Math.min(wait, 1e9)).unref());
    // A turn later, so that the caller can first report all that it has to.
    const sent = Promise.resolve().then(() => this.#send());
    this.#sending = sent.catch(noop).then(() => (this.#sending = undefined));
    void this.#sending.then(this.#arm);
  };

  /** For parts: makes a beat due in so many milliseconds; one that is due earlier stays, unless it is moved. */
  beat(within = 0, move?: boolean): void {
    if (clock() + within >= this.#due && !move) return;
    this.#due = clock() + within;
    this.#arm();
  }

  /** Reports now, within 4 s, or 1 s where nothing has answered lately: for a process that may be frozen soon. */
  async flush(): Promise<void> {
    if (!this.settings.connected) return;
    const end = clock() + (this.#failures > 1 ? GOODBYE_MS / 4 : GOODBYE_MS);
    // Order is by sequence, so a beat on its way may be overtaken; but the epoch in its answer would help.
    const before = Promise.race([this.#reporting ?? this.#sending, sleep(GOODBYE_MS / 4)]);
    const mine = (this.#reporting = before.then(async () => {
      for (let left; (left = end - clock()) > 50;) {
        const sent = await this.#send(left);
        if (sent ? this.#due > clock() : this.#hopeless) break;
        if (!sent) await sleep(Math.min(300, left), true);
      }
    }));
    await mine;
    if (this.#reporting === mine) this.#reporting = undefined;
    this.#arm();
  }
}

/** What `startHeartbeat` returns. No method throws or rejects by itself. */
export class Heartbeat extends Sender {
  /** @internal */ declare settings: Settings;
  readonly name: string;
  /** For parts: those of the worker, the uuid of this process start, and the number that the server gave it. */
  parts: readonly Part[] = [];
  readonly instance: string = randomUUID();
  epoch: number | undefined;
  /** For parts: of the last beat. */
  sequence = 0;
  readonly #startedAt = clock();
  #confirmed = false;
  #confirming = 0;
  #counted: Fields = {};
  #activityEvery = 1000;
  #sent: { at: number; state: string; as?: Settings } = { at: -Infinity, state: '' };
  #spoke = false;
  readonly #refused = new Set<unknown>(); // fields that the server does not like
  #metadata: unknown;
  /** The worker is on its way out; with `exit`, its exit report, which was sent with the status `#reported`. */
  #leaving: { status: string; reason: string | undefined; exit?: Fields } | undefined;
  #reported: string | undefined;
  #stopping: Promise<void> | undefined;

  /** @internal */
  constructor(settings: Settings) {
    super();
    this.name = settings.name;
    // Whoever prints the heartbeat must not print its key.
    Object.defineProperty(this, 'settings', { value: settings, writable: true, enumerable: false });
    setMaxListeners(0, this.signal); // every running job may listen
    for (const name of METHODS) this[name] = this[name].bind(this) as never; // also as a callback of somebody's
  }

  /** Takes settings, perhaps over earlier ones; the first beat is due in so many ms. @internal */
  configure(settings: Settings, after: number) {
    [this.settings, this.pace] = [settings, settings.interval * 1000];
    this.#confirmed = false; // so that the next beat carries them
    this.beat(after, true);
  }

  /** The goodbye, by hand: aborts `signal`, waits for running jobs up to `shutdown.timeout`, reports `stopped`. */
  stop(reason?: string): Promise<void> {
    const goodbye = () => this.finish(reason).then(() => this.flush());
    return (this.#stopping ??= goodbye().then(() => this.detach()));
  }

  /** For parts: adds one. A second one of the same name replaces the first. */
  extend(part: Part): void {
    this.parts = [...this.parts.filter(({ name }) => name !== part.name), part];
    this.#confirmed = false; // so that the next beat names it
    this.beat();
  }

  /** For parts: the text without what looks like a secret. */
  mask(text: string): string {
    for (const own of [this.settings.key, this.settings.token])
      if (own && own.length > 7) text = text.split(own).join('***');
    // The list of the logs part stands in for the short one; a part of the user's adds to it.
    const short = this.parts.some(({ name }) => name === 'logs') ? [] : SECRETS;
    for (const [secret, shown] of short) text = text.replace(secret, shown);
    return attempt(() => this.parts.reduce((left, { mask }) => `${mask?.(left) ?? left}`, text)) ?? '***';
  }

  /** For parts: no other worker reports from this process. */
  isAlone = (): boolean => shared.workers.size === 1;
  /** For parts: writes a line to the logger, once about each thing until the next recovery. */
  warn = (message: string, about?: string): void => void this.settings.warn(message, about);

  /** Calls one function of every part that has it; returns what they returned. */
  #call(what: 'fields' | 'answered' | 'ending', ...args: unknown[]) {
    return this.parts.map((part) => {
      const failed = (error: unknown) =>
        this.warn(`its part ${part.name} failed: ${messageOf(error)}`, `part ${part.name}`);
      try {
        const result = part[what]?.(...(args as [never, never])) as unknown;
        return result instanceof Promise ? void result.catch(failed) : result;
      } catch (error) {
        return failed(error);
      }
    });
  }

  /** Called on every change, so it is cheap: most of the time a beat that reports it is already due. @internal */
  changed() {
    this.#spoke = true;
    if (this.#state() !== this.#sent.state) this.beat();
    else if (this.#activityEvery) this.beat(Math.max(0, this.#sent.at + this.#activityEvery - clock()));
  }

  #status() {
    const quiet = clock() - this.#startedAt < STARTED_MS ? 'starting' : 'running';
    return this.#leaving?.status ?? this.workStatus() ?? (this.#spoke ? 'idle' : quiet);
  }
  /** A change of this is a transition and reported at once; idle, processing and running are one: alive. */
  #state = () => this.#status().replace(/^(idle|processing|running)/, '');

  /** The next beat. @internal */
  build(bare = false, room?: number): Fields {
    const { settings, instance, epoch, pace } = this;
    const { name, type, description, version, kind, interval, grace, maxRun, replicas } = settings;
    const [sequence, exit] = [++this.sequence, this.#leaving?.exit];
    this.#sent = { at: clock(), state: this.#state(), as: settings };
    this.#reported = exit && this.#leaving!.status;
    const identity = {
      ...{ worker_type: type, description, version, kind, expected: replicas ? false : undefined },
      ...{ requested_interval_s: interval, grace_s: grace, max_run_s: maxRun },
      ...{ hostname: clip(hostname(), 255), pid: process.pid, runtime: `node ${process.version}` },
      // An open breaker of the process before is none of this one's.
      ...{ parts: this.parts.map((part) => part.name), circuit_breaker_state: 'closed' },
    };
    const fields: Fields = {
      ...{ worker_name: name, instance_id: instance, sequence, epoch, heartbeat_interval_s: pace / 1000 },
      ...{ status: this.#status(), status_reason: this.#leaving?.reason, sent_at_ms: Date.now() },
      ...{ uptime_ms: whole(process.uptime() * 1000), poll_interval_s: settings.pollInterval },
      ...(!this.#confirmed && identity),
      ...this.#counted,
      ...this.workFields(!!exit),
      ...{ metadata: this.#ownMetadata(), last_exit: exit },
    };
    const context: BeatContext = { sequence, status: this.#status(), final: !!exit, bare, room };
    Object.assign(fields, ...this.#call('fields', context));
    for (const [field, value] of Object.entries(fields)) {
      const left = this.#refused.has(field) || (bare && typeof value !== 'number' && !REQUIRED.test(field));
      if (left) delete fields[field];
      else if (typeof value === 'string' && TEXTS.test(field)) fields[field] = this.mask(value);
    }
    return fields;
  }

  /** The worker's own metadata, if it has some and it fits. A promised one goes with the beat after. */
  #ownMetadata() {
    const { metadata } = this.settings;
    const masked = (key: string, value: unknown) =>
      typeof value !== 'string' ? value : SECRET_NAME.test(key) ? '***' : this.mask(value);
    const json = attempt(() => {
      const made = typeof metadata === 'function' ? metadata() : metadata;
      if (made instanceof Promise) made.then((value) => (this.#metadata = value), noop);
      else this.#metadata = made;
      return JSON.stringify(this.#metadata, masked) ?? '{}';
    });
    if (json?.[0] === '{' && Buffer.byteLength(json) <= 8192) return this.#metadata && JSON.parse(json);
    this.warn('metadata must be an object of up to 8 KB');
  }

  /** The answer to a beat. @internal */
  answered({ ok, error, current, ignored, ...answer }: Fields, sentAt: number) {
    if (!ok) {
      const field = clip(of(error, 'field'), 100) ?? '';
      this.warn(`refused: ${clip(of(error, 'message'), 300)}`, `refused ${field}`);
      // Without an optional field the rest still counts.
      if (!REQUIRED.test(field) && this.#refused.size < this.#refused.add(field).size) this.beat();
      return;
    }
    const { epoch, interval_s, activity_every_s, again_ms, counted_jobs, counted_errors } = answer;
    const mine = this.#sent.as === this.settings; // else the beat went before the worker got other settings
    this.#confirmed = !!current && mine;
    if (this.#confirmed) this.#confirming = 0;
    // An epoch that the beat did not carry: carry it at once, which takes the row over from an older instance.
    else if (epoch !== this.epoch && ++this.#confirming < 3) this.beat();
    if (within(epoch)) this.epoch = epoch;
    this.#counted = { counted_jobs, counted_errors };
    if (mine && within(interval_s, 1, 3600)) this.pace = interval_s * 1000;
    this.#activityEvery = within(activity_every_s) ? activity_every_s * 1000 : 0;
    if (within(again_ms)) this.beat(Math.max(100, again_ms));
    if (this.#sent.state === 'starting') this.beat(this.#startedAt + STARTED_MS - clock());
    if (this.#state() !== this.#sent.state && !this.#leaving?.exit) this.beat();
    if (ignored) this.warn(`passed over: ${clip(of(ignored, 'message'), 300)}`, 'ignored');
    this.#call('answered', answer, sentAt);
  }

  /** From here on the worker is on its way out. @internal */
  leave(reason: unknown) {
    if (this.#leaving) return;
    this.#leaving = { status: 'stopping', reason: clip(reason, 500) };
    this.beat();
    this.controller.abort();
    this.#call('ending', 'stopping', this.settings.timeout);
  }

  /** Sets what the next beat reports about the end; without a report the worker lives on. @internal */
  exitReport(status?: string, reason?: unknown, exit: Fields = {}) {
    const error = exit['error'] && this.mask(`${exit['error']}`);
    const report = { ...exit, error, abandoned_job: this.abandon(error) };
    this.#leaving = status ? { status, reason: clip(reason, 500), exit: report } : undefined;
  }

  /** Leaves, waits for what runs, and sets the exit report; nothing more begins where the process ends. @internal */
  async finish(reason?: string, exit?: Fields) {
    const began = clock();
    this.leave(reason);
    await this.drain(this.settings.timeout * 1000, !!exit);
    this.exitReport('stopped', reason, { ...exit, drain_ms: age(began) });
  }

  /** It has sent no exit report with this status or a worse one. @internal */
  owes(status: string) {
    const complete = this.#reported && (this.#reported === status || status !== 'crashed');
    return this.settings.connected && !complete;
  }

  /** Takes this worker off the process; a process without workers gets its signals back. @internal */
  detach() {
    this.settings = { ...this.settings, connected: false }; // it sends nothing more
    shared.workers.delete(this.name);
    this.#call('ending', 'stopped');
    if (shared.workers.size) return;
    for (const [event, listener] of shared.listeners) process.removeListener(event, listener as never);
    shared.listeners.clear();
  }
}

function listen(settings: Settings) {
  const on = (event: string, listener: (...args: never[]) => void) => {
    if (shared.listeners.has(event)) return;
    shared.listeners.set(event, listener);
    // First in line, while the host's once() handlers are still there to be counted.
    process.prependListener(event as 'exit', listener as never);
  };
  on('beforeExit', onEmptied);
  on('exit', onExit);
  on('uncaughtExceptionMonitor', (error, origin) => (shared.fatal = { error, origin, at: clock() }));
  if (!isMainThread) return; // threads get no signals
  for (const signal of settings.signals) on(signal, onSignal);
  // PM2 on Windows, or with shutdown_with_message. Only under PM2, because a listener keeps the channel open.
  if (env('pm_id') && process.send) on('message', (message) => message === 'shutdown' && onSignal('message'));
}

const workers = () => [...shared.workers.values()];
const codeOf = (signal: string) => 128 + (constants.signals[signal as 'SIGINT'] ?? 0); // as shells report it

/** Whether the host handles this signal itself. */
function isHandled(signal: string) {
  // The package signal-exit listens to every signal, only to step back before any other listener: it is no handler.
  const emitters = [of(globalThis, Symbol.for('signal-exit emitter')), of(process, '__signal_exit_emitter__')];
  const bystanders = emitters.reduce<number>((sum, emitter) => sum + Number(of(emitter, 'count') ?? 0), 0);
  return process.listenerCount(signal) > Number(shared.listeners.has(signal)) + bystanders;
}

async function onSignal(signal: string, number?: number) {
  const { ending } = shared;
  const [code, all] = [codeOf(signal), workers()];
  // A process that handles the signal itself is left to do so.
  const ours = !isHandled(signal) && all.every(({ settings }) => settings.exit);
  if (ending) {
    // npm hands its child a Ctrl-C that the terminal has already sent; only a later second signal is meant as one.
    if (ending.at === Infinity) ending.at = clock();
    if (!ours || clock() - ending.at < 500) return;
    onExit(code);
  } else {
    // A part may emit a signal, which has no number: then the first real one is no second one.
    shared.ending = { signal, at: number ? clock() : Infinity };
    for (const worker of all) worker.leave(signal);
    if (!ours) return; // beforeExit or exit reports the end
    await Promise.all(all.map((worker) => worker.finish(signal, { signal, code: process.exitCode ?? code })));
    await Promise.all(all.map((worker) => worker.flush()));
  }
  for (const worker of all) worker.detach();
  // End as the signal would have without this module: systemd, shells and Docker see what they know.
  if (process.exitCode !== undefined || signal === 'message') process.exit();
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(code), 100); // PID 1 of a container is spared by that, and so is Windows
}

/** What an exit code means: a stop where it is 0 or a signal asked for it, else a crash. An uncaught exception is one. */
function verdict(code: number): [status: string, reason: string, exit: Fields] {
  const { ending, fatal } = shared;
  const exit = { code, signal: ending?.signal };
  if (!code || !fatal || clock() - fatal.at > 30_000)
    return [code && !ending ? 'crashed' : 'stopped', ending?.signal ?? `exit code ${code}`, exit];
  const error = clip(of(fatal.error, 'stack'), 2000) ?? messageOf(fatal.error);
  return ['crashed', `${fatal.origin}: ${messageOf(fatal.error)}`, { ...exit, error }];
}

/** The event loop is empty: there is time for a goodbye. The process may still live on, and then beats on. */
function onEmptied(code: number) {
  const all = workers().filter((worker) => worker.owes('stopped'));
  for (const worker of all) worker.exitReport(...verdict(code));
  void Promise.all(all.map((worker) => worker.flush())).then(() => {
    if (!shared.ending) all.forEach((worker) => worker.exitReport());
  });
}

/** An exit handler cannot wait for an answer, so a child process sends the exit reports. */
const MESSENGER = `
for (const s of ["SIGTERM","SIGINT","SIGHUP"]) process.on(s,()=>{});
for (const [url,init] of JSON.parse(process.env.HEARTBEAT_EXIT_REPORT))
  fetch(url,{...init,signal:AbortSignal.timeout(3e3)}).then((r)=>r.text());`;

function onExit(code: number) {
  const report = verdict(Number(process.exitCode ?? code));
  const silent = workers().filter((worker) => worker.owes(report[0]));
  // In a single executable (Node SEA, Bun, Deno, Electron) execPath is the worker itself: it must not start again.
  const isRuntime = /^(node|nodejs|bun|deno)[\d.]*(\.exe)?$/i.test(basename(process.execPath));
  if (!silent.length || !isRuntime || process.versions['electron']) return;
  try {
    for (const worker of silent) worker.exitReport(...report);
    const requests = (bare: boolean) =>
      silent.map((one) => one.prepare('hp_heartbeat', { beats: [one.build(bare, 16_000 / silent.length)] }));
    const whole = JSON.stringify(requests(false));
    // Linux takes 128 KiB of one variable: of many workers it gets the states alone.
    const HEARTBEAT_EXIT_REPORT = whole.length < 1e5 ? whole : JSON.stringify(requests(true));
    // Not as an argument, which everyone on the machine sees. NODE_OPTIONS loads what is for the worker alone.
    const env = { ...process.env, HEARTBEAT_EXIT_REPORT, NODE_OPTIONS: '' };
    const apart = { env, detached: true, stdio: 'ignore', windowsHide: true } as const;
    spawn(process.execPath, ['-e', MESSENGER], apart).on('error', noop).unref();
  } catch {
    // The monitor finds the worker by its silence.
  }
}

/** Starts a worker, or gives the one of that name these settings. */
function start(settings: Settings, after = 0) {
  const worker = shared.workers.get(settings.name) ?? new Heartbeat(settings);
  shared.workers.set(settings.name, worker);
  shared.started = true;
  listen(settings);
  worker.configure(settings, after);
  return worker;
}

/**
 * Starts to report this process as a worker. A second call with the same name gives the worker other settings.
 * @throws {TypeError} naming the option and its range, when one is wrong; nothing after that
 */
export function startHeartbeat(options: HeartbeatOptions = {}): Heartbeat {
  const worker = start(settle(options));
  const { guess } = shared;
  shared.guess = undefined;
  // Started by the import alone, under a name that turns out to be another.
  if (guess && guess !== worker) void (guess.sequence ? guess.stop('renamed') : guess.detach());
  return worker;
}

shared.join ??= (part) => (shared.guess ? part(shared.guess) : shared.parts.push(part));
// `node --import ./heartbeat.mjs worker.js`, or an import and nothing more: starts by itself. Not in threads, nor in the
// children of a process that did (cluster, fork) without a name of their own, nor in the tools that start workers.
const self = `${env('WORKER_NAME')}`;
const isTool = /^(npm|npx|pnpm|yarn|nodemon|pm2)\b/.test(basename(process.argv[1] ?? ''));
if (isMainThread && !isOff() && !isTool && env('HEARTBEAT_PARENT') !== self && NAME.test(ownName())) {
  process.env['HEARTBEAT_PARENT'] = self;
  setImmediate(() => {
    // A name that is only the script's may still be corrected by a startHeartbeat() after some top-level await.
    if (!shared.started) shared.guess = start(settle({}), env('WORKER_NAME') ? 0 : STARTED_MS);
    if (shared.guess) for (const part of shared.parts.splice(0)) part(shared.guess);
  });
}
