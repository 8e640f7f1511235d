// The code of Lastseen's heartbeat module, made from heartbeat.ts by `npm run heartbeat`.
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

/** What `job` rejects with while the circuit breaker is open. */
export class CircuitOpenError extends Error {
  name = 'CircuitOpenError';
  /** When the next job is let through as a trial. */
  retryAt;
  constructor(retryAt) {
    super(`circuit breaker open until ${retryAt}`);
    this.retryAt = retryAt;
  }
}

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
const LEVELS = ['debug', 'info', 'warn', 'error'];
const KEYS = 'SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY and HEARTBEAT_TOKEN';
const { env } = process;
const { fetch } = globalThis;
const noop = () => {};
const clock = () => performance.now();
/** Resolves after so many ms; keeps the process alive for so long only if told to. */
const sleep = (ms, alive) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    if (!alive) timer.unref();
  });
const whole = (value) => Math.max(0, Math.round(value));
const within = (value, least = 0, most = Infinity) =>
  typeof value === 'number' && value >= least && value <= most;

/** Two copies of this file in one process share this, so that a worker is never reported twice. */
const shared = (globalThis[Symbol.for('lastseen.heartbeat')] ??= {
  workers: new Set(),
  lines: new Map(),
});

// --- Text ----------------------------------------------------------------------------------------------------------

function clip(value, length) {
  try {
    return String(value ?? '').slice(0, length) || undefined;
  } catch {
    return undefined;
  }
}

const words = (error) => clip(error?.message, 2000) ?? clip(error, 2000) ?? 'unknown error';

/** PostgreSQL's jsonb takes neither NUL nor half a surrogate pair, which truncating may leave behind. */
const clean = (_key, value) => (typeof value === 'string' ? value.replace(/[\0\ud800-\udfff]/gu, '') : value);

/** Of what is a secret. */
const NAMES =
  'passw(?:or)?d|passphrase|pwd|secret|token|authorization|cookie|sig(?:nature)?|(?:api|access|private|service|role|signing)[_-]?key';
const SECRET_NAME = new RegExp(`(?:${NAMES})$`, 'i');

// What looks like a key, and what is shown of it. Every pattern takes time in proportion to the text, also where it fails:
// what may repeat has a bound, or cannot reach over the beginning of the next match.
const SECRETS = [
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
const mask = (text) => SECRETS.reduce((left, [pattern, shown]) => left.replace(pattern, shown), text);

// --- Options -------------------------------------------------------------------------------------------------------

/** Options and environment as one. What the code says wrongly throws; what the environment says wrongly is logged. */
function settle(options) {
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

  const check = (good, option, rule) => {
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
  ]) {
    check(within(value, least, most), option, `${least} to ${most}`);
  }

  const said = new Set();
  /** A line for people, once about each thing until the next recovery. Returns whether it was new. */
  const say = (message, about = message) => {
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
    hide: (text) =>
      mask([key, token].reduce((left, own) => (own?.[7] ? left.replaceAll(own, '***') : left), text)),
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

const isAddress = (url) => /^https?:\/\/\w/.test(url ?? '');

/** Makes a name of what may be none. */
const tidy = (text) =>
  text
    .replace(/[^A-Za-z0-9@:._/-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 128);

/** `WORKER_NAME`, else the script's file name. */
const ownName = () => tidy(env.WORKER_NAME || basename(process.argv[1] ?? '').replace(/\.\w+$/, ''));

// --- The process's resources ---------------------------------------------------------------------------------------

let delays;
let blocked = 0;
let blockedAt = 0;
let spentBefore = 0;
let measuredAt = clock();
let resources;

/** CPU in percent of one core, memory, and how late the event loop ran, since it was last asked a second or more ago. */
function measure() {
  const elapsed = clock() - measuredAt;
  if (resources && elapsed < 900) return resources;
  delays ??= monitorEventLoopDelay({ resolution: SAMPLE_MS });
  const { user, system } = process.cpuUsage();
  const spent = user + system;
  const rss = process.memoryUsage.rss();
  const limit = Math.min(totalmem(), process.constrainedMemory?.() || Infinity); // a container's, where it has one
  const late = (nanoseconds) => whole(nanoseconds / 1e6 - SAMPLE_MS);
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
function connect({ url, key, token, say }) {
  if (env.WORKER_HEARTBEAT === 'off') return;
  const missing = isAddress(url) ? !key && KEYS : 'SUPABASE_URL';
  if (missing) return void say(`not reported: set ${missing}`);
  const id = [url, key, token].join();
  const line = shared.lines.get(id) ?? openLine(url, key, token);
  shared.lines.set(id, line);
  return line;
}

/** One per address and credential: one request at a time, with the beats of all this process's workers that are due. */
function openLine(url, key, token) {
  const address = `${url.replace(/\/+$/, '')}/rest/v1/rpc/`;
  const headers = { 'content-type': 'application/json', apikey: key };
  // The new keys are no JWTs and go in `apikey` alone; a legacy service key is one, and PostgREST reads its role here.
  if (key.startsWith('eyJ')) headers.authorization = `Bearer ${key}`;
  if (token) headers['x-worker-token'] = token;

  let timer;
  let sending;
  /** Somebody waits for a report, which sees to all that is to be sent. */
  let reporting;
  let failures = 0;
  let retryAt = 0;
  let patience = 0;
  /** The last answer was one that a retry will not mend. */
  let hopeless = false;

  const request = (name, values) => [
    address + name,
    // Another host must not get the key.
    { method: 'POST', headers, body: JSON.stringify(values, clean), redirect: 'error' },
  ];

  /** What one of the database's functions answers: so many answers, or one. Rejects where it is no answer. */
  async function call(name, values, limit = 10_000, count) {
    const [where, init] = request(name, values);
    const { ok, status, body } = await fetch(where, { ...init, signal: AbortSignal.timeout(limit) });
    // Not text(): whatever answers there must not fill the worker's memory. 1,000 answers take 250 KB.
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > 1e6) break;
    }
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      // A gateway's page.
    }
    const good = !count || (Array.isArray(answer) && answer.length === count && answer.every(Boolean));
    if (ok && good) return answer;
    throw Object.assign(
      new Error(`HTTP ${status}, ${clip(answer?.message, 200) ?? `no answer of ${name}`}`),
      { status },
    );
  }

  const beats = (batch, bare, room) => ({
    beats: batch.map((worker) => worker.beat(bare, room)),
  });

  const post = (batch, limit, bare) => call(HEARTBEAT, beats(batch, bare), limit, batch.length);

  /** One request for these workers, which are due again after it. Returns whether it was answered; never throws. */
  async function send(batch, most = 10_000) {
    const began = clock();
    const pace = Math.min(...batch.map((worker) => worker.interval));
    // As long as the interval, so that one lost request does not cost the lease; more where answers have been slow.
    const limit = whole(Math.min(most, Math.max(2_000, patience, pace)));
    const { say, said } = batch[0].settings;
    for (const worker of batch) worker.due = Infinity;
    try {
      const answers = await post(batch, limit).catch((error) => {
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
      batch.forEach((worker, index) => worker.heard(answers[index], began));
    } catch (error) {
      const { status = 0, cause } = error;
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

  const line = {
    request: (batch) => request(HEARTBEAT, beats(batch, false, WORDS_BYTES / batch.length)),
    call,
    mine,
    arm,
    /** Reports the last state of these workers, and comes back within 4 s; 1 s where nobody has answered lately. */
    async report(batch) {
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

function createWorker(settings) {
  const startedAt = clock();
  const instance = randomUUID();
  const controller = new AbortController();
  const { signal } = controller;
  setMaxListeners(0, signal); // every running job may listen

  // What the server has said.
  let epoch;
  let confirmed = false;
  let confirming = 0;
  let counted = {};
  let activityEvery = 1000;

  // What it was last told.
  let sentAt = -Infinity;
  let sentState = '';
  let sentAs;

  // What the worker has done. Totals only grow, so an outage costs no memory and no count.
  let jobsTotal = 0;
  let errorsTotal = 0;
  let lastError;
  let lastRun;
  let lastRunAt;
  let runFailed = false;
  let next;
  let metadata;

  // What it is doing.
  const jobs = new Set();
  let active = 0; // jobs and runs
  let manual;
  let spoke = false;
  let idleSince = startedAt;
  let leaving;
  let drained = noop;
  /** This module is about to end the process: a job that starts now would only be cut off, so none does. */
  let parked = false;
  let stopping;

  let breaker = 'closed';
  let failures = 0;
  let openedAt;
  let retryAt = 0;
  let breakerReason;
  /** When it was last set by hand. */
  let handledAt = -Infinity;

  /** What it holds by its key; the token is 0 while the claim is on its way. Sent from the first claim on. */
  const leases = new Map();
  let leasing = false;
  /** Until when no other process can hold them, by `clock()`. */
  let leasedUntil = 0;
  let guard;

  /** The lines of its log that the database has not stored yet. */
  const log = [];
  let logLevel = settings.logLevel;
  let logSize = 0;
  /** Numbers of lines: the last one taken, the last one carried by a beat, and up to which one beats follow at once. */
  let [logged, carried, hurried] = [0, 0, 0];
  let hurriedAt = -Infinity;
  let logsDropped = 0;
  /** While somebody follows its log: ms between beats that carry new lines. */
  let logsEvery = 0;

  /** Commands that it knows, so that each is obeyed once, and what is to be told of them. */
  const known = new Set();
  const reports = new Map();
  let draining = false;
  /** Ends the waiting of what is held while it drains. */
  const held = [];
  /** Says what became of the drain that was asked for. */
  let settleDrain = noop;
  /** Something in its code heeds a drain. */
  let heeds = false;
  let channel;

  const latest = () => [...jobs].at(-1);
  const activity = (id, type, text) => ({
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

  function want(at) {
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

  function beat(bare = false, room) {
    const now = clock();
    const age = (at) => at && whole(now - at);
    const final = leaving?.exit;
    const { since = idleSince, ...doing } = (!final && (latest() ?? manual)) || {};
    // A text that the database cannot read would come back with every beat.
    if (bare) forget(carried, true);
    sentAt = now;
    sentState = state();
    sentAs = settings;
    worker.said = final && leaving.status;
    const fields = {
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
  function lines(now, room) {
    if (now - hurriedAt > worker.interval * 0.8 || leaving?.exit) {
      hurried = logged;
      hurriedAt = now;
    }
    let left = room ?? BATCH_BYTES;
    const some = room ? log.slice(-BATCH_LINES).reverse() : log.slice(0, BATCH_LINES);
    const taken = [];
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
    carried = taken.at(-1)?.[0] ?? carried;
    return taken;
  }

  function note(level, ...values) {
    const rank = LEVELS.indexOf(level);
    if (!worker.line || (rank < LEVELS.indexOf(logLevel) && rank >= 0)) return;
    let text;
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
    while (log.length > LOG_LINES || logSize > LOG_SIZE) forget(log[0].line, true);
    if (logsEvery) want(Math.max(clock(), sentAt + logsEvery));
  }

  /** Lets go of lines up to this one. */
  function forget(line, lost) {
    while (log[0] && log[0].line <= line) {
      logSize -= log.shift().size;
      if (lost) logsDropped++;
    }
  }

  /** What a beat says of a command; it is said again until a beat that said it was answered. */
  function told(report) {
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
        JSON.stringify(metadata, (key, value) =>
          typeof value !== 'string' ? value : SECRET_NAME.test(key) ? '***' : settings.hide(value),
        ) ?? '{}';
      if (json[0] === '{' && Buffer.byteLength(json) <= 8192) return metadata && JSON.parse(json);
    } catch {
      // Said below.
    }
    settings.say('metadata must be an object of up to 8 KB');
  }

  function heard({ ok, error, current, ignored, ...answer }, sent) {
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
    if (log.length && carried >= log[0].line) {
      const first = log[0].line;
      forget(within(answer.logs_to) ? answer.logs_to : carried);
      if (log.length && log[0].line > first && log[0].line <= hurried) want(now);
    }
    logsEvery = within(answer.logs_every_s) ? answer.logs_every_s * 1000 : 0;
    if (logsEvery && log.length && !leaving?.exit) want(Math.max(now, sentAt + logsEvery));
    if (!leaving?.exit) {
      listen();
      for (const command of [answer.commands ?? []].flat()) obey(command).catch(noop);
    }
  }

  /** Hears of commands at once, where the worker has brought its own client: whatever that does, beats go on. */
  function listen() {
    const { supabase, say } = settings;
    if (!supabase || channel) return;
    const trouble = (error) =>
      say(
        `commands come with the next beat, for its Supabase client does not listen (${words(error)})`,
        'ear',
      );
    try {
      let joined = false;
      const joining = supabase.channel(`hp:nudge:${instance}`, { config: { private: true } });
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
    const client = settings.supabase;
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
  async function refusal(command) {
    try {
      const late = sleep(PATIENCE_MS).then(() => `onCommand took longer than ${PATIENCE_MS / 1000} s`);
      const said = await Promise.race([settings.onCommand(command), late]);
      return said === false ? 'the worker refused' : said;
    } catch (error) {
      return words(error);
    }
  }

  async function obey(command) {
    const { id, args } = command;
    if (!within(id) || known.has(id)) return;
    if (known.size > 1000) known.clear(); // those are long over
    known.add(id);
    const reason = clip(command.reason, 400) ?? 'no reason given';
    const tell = (state, message) => {
      reports.set(id, { id, state, message: clip(message, 500) });
      want(clock());
    };
    const fail = (message) => tell('failed', message);
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
        const level = args?.level;
        if (!LEVELS.includes(level)) return fail(`the level must be one of ${LEVELS.join(', ')}`);
        logLevel = level;
        return tell('done');
      }
      default:
        fail(`this module does not know ${clip(command.command, 100)}`);
    }
  }

  /** What was held goes on. */
  function release(why) {
    settleDrain('failed', why);
    draining = false;
    for (const go of held.splice(0)) go();
  }

  /** Waits while it drains. */
  async function hold() {
    while (draining && !signal.aborted) {
      const released = new Promise((go) => held.push(go));
      const alive = setInterval(noop, 1e9); // who waits here may be all that there is
      changed();
      await released;
      clearInterval(alive);
    }
  }

  function failed(error) {
    errorsTotal++;
    lastError = { text: words(error), at: clock(), error };
  }

  const retryDate = () => new Date(Date.now() + retryAt - clock());

  /** Opens the breaker at the threshold, and again after a failed trial. */
  function trip(error) {
    if (breaker === 'open' || (++failures < (settings.threshold ?? Infinity) && breaker === 'closed')) return;
    open(words(error));
  }

  function open(reason) {
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
  async function perform(work, good, bad, end) {
    if (parked) await new Promise(noop);
    active++;
    changed();
    try {
      const result = await work(signal);
      good(result);
      return result;
    } catch (error) {
      // Cut short on the way out is no failure.
      if (!signal.aborted || error?.name !== 'AbortError') bad(error);
      throw error;
    } finally {
      end();
      idleSince = clock();
      if (!--active) drained();
      changed();
    }
  }

  async function job(details, work) {
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
      work,
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

  async function run(work) {
    heeds = true;
    if (draining) await hold();
    const began = clock();
    const jobsBefore = jobsTotal;
    const errorsBefore = errorsTotal;
    let processed;
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

  const aboutLease = (name, key, values) =>
    worker.line.call(name, { worker_name: settings.name, instance_id: instance, key, ...values });

  /** Claims a lease, or says why not. */
  async function claim(key, mine) {
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

  async function lease(key, work) {
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
  async function finish(reason, exit) {
    const began = clock();
    leave(reason);
    await new Promise((done) => {
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

  function stop(reason) {
    return (stopping ??= finish(reason)
      .then(() => worker.line?.report([worker]))
      .then(detach, noop));
  }

  /** From here on the worker is on its way out. */
  function leave(reason) {
    if (leaving) return;
    leaving = { status: 'stopping', reason: clip(reason, 500) };
    want(clock());
    controller.abort();
    release('it was told to end');
  }

  /** Sets what the next beat says about the end. */
  function lastWords(status, reason, exit) {
    const { current_job_id, current_job_type, current_status } = latest() ?? {};
    leaving = {
      status,
      reason: clip(reason, 500),
      exit: {
        ...exit,
        abandoned_job: jobs.size ? (current_job_id ?? current_job_type ?? current_status) : undefined,
      },
    };
    if (exit.error) leaving.exit.error = settings.hide(`${exit.error}`);
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

  const face = {
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

  const worker = {
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

const hooked = new Map();
let fatal;
let signalled;

function hook(settings) {
  const on = (event, listener) => {
    if (hooked.has(event)) return;
    hooked.set(event, listener);
    // First in line, while the host's once() handlers are still there to be counted.
    process.prependListener(event, listener);
  };
  on('beforeExit', emptied);
  on('exit', exiting);
  on('uncaughtExceptionMonitor', (error, origin) => {
    fatal = { error, origin, at: clock() };
  });
  if (!isMainThread) return; // threads get no signals
  for (const signal of settings.signals) on(signal, onSignal);
  // PM2 on Windows, or with shutdown_with_message. Only under PM2, because a listener keeps the channel open.
  if (env.pm_id && process.send) on('message', (message) => message === 'shutdown' && onSignal('message'));
}

function unhook() {
  if (shared.workers.size) return;
  for (const [event, listener] of hooked) process.removeListener(event, listener);
  hooked.clear();
}

/** The exit code by which a shell knows a process that a signal ended. */
const codeOf = (signal) => 128 + (constants.signals[signal] ?? 0);

/** How many of the host's own listeners a signal has. */
function handlers(signal) {
  // The package signal-exit listens to every signal, only to step back before any other listener: it is no handler.
  const count = (host, key) => host[key]?.count ?? 0;
  const bystanders =
    count(globalThis, Symbol.for('signal-exit emitter')) + count(process, '__signal_exit_emitter__');
  return process.listenerCount(signal) - Number(hooked.has(signal)) - bystanders;
}

/** Every worker says goodbye. */
const goodbye = () => Promise.all([...shared.lines.values()].map((line) => line.report(line.mine())));

async function onSignal(signal, number) {
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
let asked;

/** Ends the process with this code; says in words when it lives on, because the worker has that in its own hands. */
async function end(code, reason, fail) {
  const workers = [...shared.workers];
  const { timeout } = workers[0].settings;
  // What a supervisor would send.
  const signal = isMainThread && ['SIGTERM', 'SIGINT'].find((one) => handlers(one) > 0);
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
function emptied(code) {
  const workers = [...shared.workers].filter((worker) => worker.line && !worker.said);
  for (const worker of workers) worker.lastWords(...verdict(code));
  if (!workers.length) return;
  void goodbye().then(() => {
    if (!signalled && !asked) workers.forEach((worker) => worker.stay());
  });
}

/** What an exit code means: a crash, unless it is 0 or that of the signal that was sent. */
function verdict(code) {
  const signal = signalled?.signal ?? (asked?.signal || undefined);
  if (!code || code === asked?.code || (signal && code === codeOf(signal)))
    return ['stopped', asked?.reason ?? signal ?? 'exit code 0', { code: asked?.code ?? code, signal }];
  const { error, origin } = fatal && clock() - fatal.at < 30_000 ? fatal : {};
  if (!origin) return ['crashed', `exit code ${code}`, { code }];
  const trace = clip(error?.stack, 2000) ?? words(error);
  return ['crashed', `${origin}: ${words(error)}`, { code, error: trace }];
}

/** The last words of an exit are sent by a process of their own, for an exit handler cannot wait for an answer. */
const MESSENGER = `
for (const s of ["SIGTERM","SIGINT","SIGHUP"]) process.on(s,()=>{});
const [url,init] = JSON.parse(process.env.HEARTBEAT_LAST_WORDS);
fetch(url,{...init,signal:AbortSignal.timeout(3e3)}).then((r)=>r.text());`;

function exiting(code) {
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
    shared.uncapture();
    shared.uncapture = undefined;
    return;
  }
  const undo = ['debug', 'log', 'info', 'warn', 'error'].map((method) => {
    const original = console[method];
    const replacement = (...values) => {
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
function start(settings, after = 0) {
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
export function startHeartbeat(options = {}) {
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
