// The code of Lastseen's heartbeat-logs module, made from heartbeat-logs.ts by `npm run heartbeat`.
/**
 * The log of a worker, for Lastseen's heartbeat: lines go with the beats and stand on the worker's page.
 *
 *     import { logs } from './heartbeat-logs.mjs';
 *     const log = logs(heartbeat, { captureConsole: true });
 *     log.warn('The queue is slow');
 *
 * 500 lines or 128 K characters wait to be sent, then the oldest are dropped and counted. What looks like a secret is masked
 * before it leaves the process, in lines and in every other text of the worker. It is a net: log no secrets.
 */
import { format, stripVTControlCharacters } from 'node:util';

const LEVELS = ['debug', 'info', 'warn', 'error'];
const LINE = 2_000; // characters
const [WAITING_LINES, WAITING_SIZE] = [500, 131_072]; // lines and characters that wait to be sent
const [BEAT_LINES, BEAT_BYTES] = [100, 60_000]; // lines and bytes that a beat takes
const clock = () => performance.now();
const isNumber = (value) => typeof value === 'number' && value >= 0;

// What looks like a secret, and what is shown of it. Every pattern takes time in proportion to the text, also where it fails:
// what may repeat has a bound, or cannot reach over the beginning of the next match.
const NAMES =
  'passw(?:or)?d|passphrase|pwd|secret|token|authorization|cookie|sig(?:nature)?|(?:api|access|private|service|role|signing)[_-]?key';
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
        // A quoted text, as it is or in JSON in JSON; an array; all words of a header; else one word.
        String.raw`(?:(["'\x60])(?:\\[^]|(?!\2)[^\\])*\2?|\\"[^"\\]*|\[[^\]]*\]?|(?<=(?:authorization|cookie)\W{1,9})[^\r\n"'\x60,{}]+|[^\s,;&"'\x60{}\]\\)]+)`,
      'gi',
    ),
    '$1***',
  ],
];
const mask = (text) => SECRETS.reduce((left, [pattern, shown]) => left.replace(pattern, shown), text);

/**
 * Adds a log to the worker.
 * @throws {TypeError} when `level` is none
 */
export function logs(heartbeat, options = {}) {
  const { captureConsole = process.env['WORKER_CAPTURE_CONSOLE'] === 'on', level = 'info' } = options;
  if (!LEVELS.includes(level)) throw new TypeError(`logs: level must be one of ${LEVELS.join(', ')}`);
  const before = heartbeat.parts.find(({ name }) => name === 'logs')?.handle;
  const lines = before ?? createLines(heartbeat, level);
  if (before) lines.setLevel(level);
  heartbeat.extend({
    name: 'logs',
    handle: lines,
    fields: lines.fields,
    answered: lines.answered,
    ending: (stage) => stage === 'stopped' && capturing.delete(heartbeat) && void capture(),
    mask,
    commands: {
      log_level({ level }) {
        if (!LEVELS.includes(level)) return `the level must be one of ${LEVELS.join(', ')}`;
        lines.setLevel(level);
        return undefined;
      },
    },
  });
  if (captureConsole) capturing.set(heartbeat, lines.add);
  else capturing.delete(heartbeat);
  capture();
  return Object.fromEntries(LEVELS.map((one) => [one, (...values) => lines.add(one, values)]));
}
/** The lines that the database has not stored yet. */
function createLines(heartbeat, lowest) {
  const waiting = [];
  let [size, dropped] = [0, 0];
  let [taken, carried, hurried] = [0, 0, 0]; // numbers of lines: the last, the last sent, and up to which beats hurry
  let [hurriedAt, sentAt, ended] = [-Infinity, -Infinity, false];
  let every = 0; // while somebody follows the log: ms between beats that carry new lines

  /** Lets go of lines up to this one. */
  function forget(line, lost) {
    while (waiting[0] && waiting[0].line <= line) {
      size -= waiting.shift().text.length;
      if (lost) dropped++;
    }
  }

  /** What goes with a beat: the oldest lines, or where there is little room the newest. */
  function next(room) {
    let left = room ?? BEAT_BYTES;
    const some = room ? waiting.slice(-BEAT_LINES).reverse() : waiting.slice(0, BEAT_LINES);
    const entries = [];
    for (const { line, at, level, text } of some) {
      const entry = [line, Math.round(clock() - at), level, heartbeat.mask(text).slice(0, LINE)];
      left -= Buffer.byteLength(JSON.stringify(entry));
      if (left < 0) break;
      entries.push(entry);
    }
    if (room) {
      entries.reverse();
      dropped += waiting.length - entries.length;
    }
    carried = entries[entries.length - 1]?.[0] ?? carried;
    return entries;
  }

  return {
    setLevel: (level) => void (lowest = level),
    add(level, values) {
      if (LEVELS.indexOf(level) < LEVELS.indexOf(lowest) || ended) return;
      let text;
      try {
        // A copy, for a part of a string keeps all of it in memory.
        text = stripVTControlCharacters(`${Buffer.from(format(...values).slice(0, 2 * LINE))}`);
      } catch {
        return; // an object that cannot be shown
      }
      waiting.push({ line: ++taken, at: clock(), level, text });
      size += text.length;
      while (waiting.length > WAITING_LINES || size > WAITING_SIZE) forget(waiting[0].line, true);
      if (every) heartbeat.beat(Math.max(0, sentAt + every - clock()));
    },

    fields({ final, bare, room }) {
      sentAt = clock();
      ended = final;
      // A text that the database cannot read would come back with every beat.
      if (bare) forget(carried, true);
      if (!taken) return undefined;
      if (!waiting.length || bare) return { logs_dropped: dropped };
      if (final || sentAt - hurriedAt > heartbeat.pace * 0.8) [hurried, hurriedAt] = [taken, sentAt];
      return Object.assign({ logs: next(room) }, { logs_dropped: dropped }); // in this order: next() may drop
    },

    answered({ logs_to, logs_every_s }) {
      const first = waiting[0]?.line ?? Infinity;
      // An answer that says nothing of lines keeps none: then they are not sent again either.
      if (carried >= first) forget(isNumber(logs_to) ? logs_to : carried);
      const left = waiting[0]?.line ?? Infinity;
      if (left > first && left <= hurried) heartbeat.beat();
      every = isNumber(logs_every_s) ? logs_every_s * 1000 : 0;
      if (every && waiting.length && !ended) heartbeat.beat(Math.max(0, sentAt + every - clock()));
    },
  };
}

const capturing = new Map();
let release;
let inside = false;

/** Takes over the console while somebody wants it, and gives it back after the last one. */
function capture() {
  if (capturing.size > 0 === !!release) return;
  if (release) return void (release(), (release = undefined));
  const undo = ['debug', 'log', 'info', 'warn', 'error'].map((method) => {
    const original = console[method];
    const replacement = (...values) => {
      // What is written while a line is written (by an object that is shown) is part of that line.
      const nested = inside;
      inside = true;
      try {
        original.apply(console, values);
        // A line of the core's own must not come back to the core.
        if (nested || values.some((value) => `${typeof value === 'string' && value}`.includes('[heartbeat] '))) return;
        for (const add of capturing.values()) add(method === 'log' ? 'info' : method, values);
      } finally {
        inside = nested;
      }
    };
    console[method] = replacement;
    return () => {
      if (console[method] === replacement) console[method] = original; // else somebody has replaced it since
    };
  });
  release = () => undo.forEach((one) => one());
}

const core = globalThis;
core[Symbol.for('lastseen.heartbeat')]?.join(logs);
