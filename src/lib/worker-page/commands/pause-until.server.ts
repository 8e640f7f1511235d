import { z } from 'zod';
import { text } from '../../server/http/form.ts';
import { dayOf } from '../timeline/timeline.ts';
import { zoned } from '../../time/zoned.ts';

const SPANS: Readonly<Record<string, number>> = { '15m': 15 * 60, '1h': 3_600, '4h': 4 * 3_600 };

/** The form of `PauseTimes.svelte`. */
export const pauseForm = z.object({
  for: text,
  /** "2026-11-22T09:00", where the viewer chose a time of their own. */
  until: text,
  /** The viewer's. */
  zone: text,
  reason: text,
});

/**
 * Until when somebody wants a pause.
 *
 * @returns the instant, or in words what is wrong
 */
export function pauseUntil(form: Omit<z.infer<typeof pauseForm>, 'reason'>, now: Date): Date | string {
  const choice = form.for;
  const zone = form.zone || 'UTC';
  const seconds = Object.hasOwn(SPANS, choice) ? SPANS[choice] : undefined;
  if (seconds) return new Date(now.getTime() + seconds * 1000);
  if (choice === 'tomorrow')
    return zoned(`${dayAfter(now, zone)}T09:00`, zone) ?? 'There is no such time zone.';
  if (choice !== 'own') return 'Choose for how long.';
  const until = zoned(form.until, zone);
  if (!until) return 'Say until when: a date and a time.';
  return until > now ? until : 'That time is over; a pause ends in the future.';
}

/** The date of tomorrow where the viewer is. */
function dayAfter(now: Date, zone: string): string {
  let today: string;
  try {
    today = dayOf(now, zone);
  } catch {
    return '';
  }
  return new Date(Date.parse(`${today}T12:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
