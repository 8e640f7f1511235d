import { z } from 'zod';
import { text } from '../../server/http/form.ts';
import { dayOf } from '../timeline/timeline.ts';
import { zoned } from '../../time/zoned.ts';

const SPANS: Readonly<Record<string, number>> = { '15m': 15 * 60, '1h': 3_600, '4h': 4 * 3_600 };

/** The form of `PauseTimes.svelte`. */
export const pauseForm = z.object({
  for: text,
  /** "2026-11-22T09:00", if the viewer chose another time. */
  until: text,
  /** The viewer's time zone. */
  zone: text,
  reason: text,
});

/**
 * The end of the pause in a form.
 *
 * @returns the instant, or an error message
 */
export function pauseUntil(form: Omit<z.infer<typeof pauseForm>, 'reason'>, now: Date): Date | string {
  const choice = form.for;
  const zone = form.zone || 'UTC';
  const seconds = Object.hasOwn(SPANS, choice) ? SPANS[choice] : undefined;
  if (seconds) return new Date(now.getTime() + seconds * 1000);
  if (choice === 'tomorrow')
    return zoned(`${dayAfter(now, zone)}T09:00`, zone) ?? 'This time zone does not exist.';
  if (choice !== 'own') return 'Choose how long the pause lasts.';
  const until = zoned(form.until, zone);
  if (!until) return 'Enter a date and a time.';
  return until > now ? until : 'This time is in the past. Enter a time in the future.';
}

/** Tomorrow's date in the viewer's zone. */
function dayAfter(now: Date, zone: string): string {
  let today: string;
  try {
    today = dayOf(now, zone);
  } catch {
    return '';
  }
  return new Date(Date.parse(`${today}T12:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
