const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * How long something took or lasts, short: "0 s", "12 s", "3 min", "2 h 5 min", "4 d 2 h".
 * Rounded down, so that a duration is never claimed before it has passed.
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
 * "2 seconds ago", for a sentence. The future counts as now: it is our estimate of the server's clock that is off.
 *
 * @param ms how long ago, milliseconds
 */
export function ago(ms: number): string {
  if (ms < SECOND) return 'just now';
  if (ms < MINUTE) return `${count(ms / SECOND, 'second')} ago`;
  if (ms < HOUR) return `${count(ms / MINUTE, 'minute')} ago`;
  if (ms < DAY) return `${count(ms / HOUR, 'hour')} ago`;
  return `${count(ms / DAY, 'day')} ago`;
}

/**
 * How long until something: "in 40 s", "in 3 h". Past counts as "now".
 *
 * @param ms milliseconds from now
 */
export function until(ms: number): string {
  return ms < SECOND ? 'now' : `in ${duration(ms)}`;
}

/** An instant for people and for every time zone: "2026-11-22 03:05:12 UTC". */
export function absolute(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
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
