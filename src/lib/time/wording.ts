const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The last instant of a Date, for PostgreSQL's `infinity`, as in "paused until further notice". */
export const FOREVER = new Date(8.64e15);

/** The largest first. */
const UNITS = [
  [DAY, 'day'],
  [HOUR, 'hour'],
  [MINUTE, 'minute'],
  [SECOND, 'second'],
] as const;

/**
 * A short duration: "0 s", "12 s", "3 min", "2 h 5 min", "4 d 2 h". Rounded down, so that it never shows more time than has
 * passed.
 *
 * @param ms milliseconds; below zero counts as zero
 */
export function duration(ms: number): string {
  const left = Math.max(0, ms);
  if (left < MINUTE) return `${Math.floor(left / SECOND)} s`;
  if (left < HOUR) return `${Math.floor(left / MINUTE)} min`;
  if (left < DAY) return pair(left, HOUR, 'h', MINUTE, 'min');
  return pair(left, DAY, 'd', HOUR, 'h');
}

/**
 * "2 seconds ago", for a sentence. The future counts as now, because the estimate of the server's clock may be off.
 *
 * @param ms how long ago, milliseconds
 */
export function ago(ms: number): string {
  return ms < SECOND ? 'just now' : `${lasting(ms)} ago`;
}

/**
 * How long something has lasted, for a sentence: "34 seconds", "2 hours". Rounded down.
 *
 * @param ms milliseconds; below zero counts as zero
 */
export function lasting(ms: number): string {
  const [size, name] = unitOf(ms);
  return count(Math.max(0, ms) / size, name);
}

/**
 * An exact duration in the largest unit with a whole number: "2 minutes", "90 seconds", "0.5 seconds".
 *
 * @param ms milliseconds; rounded to whole ones
 * @param beside a duration shown just before by {@link lasting}; with the same unit, its name is left out, as in
 * "12 minutes (every 2)"
 */
export function span(ms: number, beside?: number): string {
  const whole = Math.floor(ms + 0.5);
  if (beside !== undefined && whole % unitOf(beside)[0] === 0) return `${whole / unitOf(beside)[0]}`;
  const [size, name] = UNITS.find(([size]) => whole % size === 0) ?? [SECOND, 'second'];
  return `${whole / size} ${name}${whole === size ? '' : 's'}`;
}

/**
 * How long until something: "in 40 s", "in 3 h". Past counts as "now".
 *
 * @param ms milliseconds from now
 */
export function until(ms: number): string {
  return ms < SECOND ? 'now' : `in ${duration(ms)}`;
}

/**
 * The remaining time, with seconds below an hour: "34 s", "1 min 20 s", "2 h 5 min". Past counts as "0 s".
 *
 * @param ms milliseconds from now
 */
export function remaining(ms: number): string {
  const left = Math.max(0, ms);
  return left >= MINUTE && left < HOUR ? pair(left, MINUTE, 'min', SECOND, 's') : duration(left);
}

/**
 * A period as people set it: "10 s", "75 s", "2 min 30 s". Rounded to seconds.
 *
 * @param seconds above zero; below one counts as one
 */
export function every(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 120 ? `${whole} s` : remaining(whole * SECOND);
}

/** How long until something, for a label: "3h", "2h 59m", "45m", "40s". Past counts as "0s". */
export function countdown(ms: number): string {
  return duration(ms)
    .replace(/ (s|h|d)\b/g, '$1')
    .replace(/ min\b/, 'm');
}

/**
 * An instant with its zone, for people: "2026-11-22 03:05:12 UTC".
 *
 * @param zone an IANA name, such as "Europe/Berlin"
 */
export function absolute(date: Date, zone = 'UTC'): string {
  return `${inZone(zone).format(date)} ${zone}`;
}

/**
 * A short instant: "03:05:12 UTC" for today, else with the date.
 *
 * @param now epoch ms
 */
export function instant(date: Date, now: number, zone = 'UTC'): string {
  const words = absolute(date, zone);
  const today = absolute(new Date(now), zone).slice(0, DATE_LENGTH);
  return words.startsWith(today) ? words.slice(DATE_LENGTH) : words;
}

const DATE_LENGTH = '2026-11-22 '.length;

const formats = new Map<string, Intl.DateTimeFormat>();

function inZone(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    // Swedish dates have the form of ISO 8601.
    format = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', timeZone });
    formats.set(timeZone, format);
  }
  return format;
}

function unitOf(ms: number) {
  return UNITS.find(([size]) => ms >= size) ?? UNITS[3];
}

function count(value: number, unit: string): string {
  const whole = Math.floor(value);
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`;
}

function pair(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % big) / small);
  const whole = `${Math.floor(ms / big)} ${bigName}`;
  return rest === 0 ? whole : `${whole} ${rest} ${smallName}`;
}
