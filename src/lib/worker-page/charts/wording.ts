import { duration } from '../../time/wording.ts';
import { uptime, type Day, type Range } from './history.ts';

export const RANGE_TEXT: Readonly<Record<Range, { short: string; long: string }>> = {
  '1h': { short: '1 h', long: 'hour' },
  '24h': { short: '24 h', long: '24 hours' },
  '7d': { short: '7 d', long: '7 days' },
  '90d': { short: '90 d', long: '90 days' },
};

// One language for all, as on the rest of the page.
const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** A number with its significant digits: 0, 0.04, 0.4, 3.2, 12, 1,204, 98.8M. */
export function amount(value: number): string {
  const size = Math.abs(value);
  if (size >= 1_000_000) return compact.format(value);
  if (size >= 10 || Number.isInteger(value)) return grouped.format(value);
  return String(+value.toFixed(size >= 0.1 ? 1 : 2));
}

/** A level in percent, such as of a CPU: "42 %", "3.1 %". */
export function percent(value: number): string {
  return `${amount(value)} %`;
}

/** A duration in ms or a larger unit: "0.4 ms", "120 ms", "2.5 s", "3 min". */
export function milliseconds(value: number): string {
  if (value < 1000) return `${amount(value)} ms`;
  return value < 60_000 ? `${amount(value / 1000)} s` : duration(value);
}

/** A fraction as percent, rounded down: 0.99999 is "99.99 %", and only 1 is "100 %". */
export function share(part: number): string {
  const hundredths = Math.floor(part * 10_000 + 1e-6);
  if (hundredths >= 10_000 || hundredths <= 0)
    return hundredths <= 0 && part > 0 ? '0.01 %' : `${hundredths / 100} %`;
  return `${(hundredths / 100).toFixed(2)} %`;
}

/** The text of one day: "Sun 22 Nov 2026: up 99.31 %, down for 9 min; no data for 4 h". */
export function dayText(day: Day): string {
  const date = dayName(day.day);
  const part = uptime([day]);
  if (part === null) return `${date}: no data`;
  const down = day.knownSeconds - Math.min(day.upSeconds ?? 0, day.knownSeconds);
  const words = [`up ${share(part)}`];
  if (down >= 1) words.push(`down for ${duration(down * 1000)}`);
  const unknown = DAY_S - day.knownSeconds;
  return `${date}: ${words.join(', ')}${unknown >= 60 ? `; no data for ${duration(unknown * 1000)}` : ''}`;
}

const DAY_S = 86_400;
const dayFormat = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
});

/** "2026-11-22" as "Sun, 22 Nov 2026". */
export function dayName(day: string): string {
  return dayFormat.format(new Date(`${day}T00:00:00Z`));
}

/** The length of a step, for a sentence: "minute", "5 minutes", "hour", "6 hours". */
export function stepText(seconds: number): string {
  const [size, name] = seconds < 3600 ? [60, 'minute'] : seconds < DAY_S ? [3600, 'hour'] : [DAY_S, 'day'];
  const count = Math.round(seconds / size);
  return count === 1 ? name : `${count} ${name}s`;
}
