import { dayOf } from '../timeline/timeline.ts';
import { zoned } from '../../time/zoned.ts';

const SPANS: Readonly<Record<string, number>> = { '15m': 15 * 60, '1h': 3_600, '4h': 4 * 3_600 };

/**
 * Until when somebody wants a pause, as the form of `PauseTimes.svelte` says it.
 *
 * @returns the instant, or in words what is wrong
 */
export function pauseUntil(form: FormData, now: Date): Date | string {
  const choice = text(form, 'for');
  const zone = text(form, 'zone') || 'UTC';
  const seconds = Object.hasOwn(SPANS, choice) ? SPANS[choice] : undefined;
  if (seconds) return new Date(now.getTime() + seconds * 1000);
  if (choice === 'tomorrow')
    return zoned(`${dayAfter(now, zone)}T09:00`, zone) ?? 'This time zone does not exist.';
  if (choice !== 'own') return 'Choose how long the pause lasts.';
  const until = zoned(text(form, 'until'), zone);
  if (!until) return 'Enter a date and a time.';
  return until > now ? until : 'This time is in the past. Enter a time in the future.';
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

function text(form: FormData, field: string): string {
  const value = form.get(field);
  return typeof value === 'string' ? value : '';
}
