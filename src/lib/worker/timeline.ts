import type { Level } from '../fleet/health.ts';
import { STATUSES, type LastExit, type Status } from '../fleet/worker.ts';
import { duration, lasting } from '../time/words.ts';
import type { WorkerEvent } from './events.ts';

/** An event as the timeline tells it. */
export interface Entry {
  readonly event: WorkerEvent;
  readonly level: Level;
  readonly title: string;
  /** Why, in the words of whoever said so: hostile until shown as text. */
  readonly reason: string | null;
  /** What was lost or left with it: ours, save for what stands in `quoted`. */
  readonly more: readonly { readonly label: string; readonly quoted: string }[];
  /** For how long the state that began here lasted; null where it is not one, or still lasts. */
  readonly lasted: number | null;
  /** The state began here, and is the one now. */
  readonly current: boolean;
}

/** What happened on one day, the latest first. */
export interface Day {
  /** "2026-11-22" in the viewer's zone. */
  readonly date: string;
  readonly entries: readonly Entry[];
}

/**
 * Tells events as a timeline: by days of a zone, each with how long its state lasted.
 *
 * @param events the latest first
 * @param whole whether the latest of all is among them: else nothing can be said of what is now
 */
export function timeline(events: readonly WorkerEvent[], zone: string, whole = true): readonly Day[] {
  /** The one after it of the same kind, by kind. */
  const later = new Map<string, WorkerEvent>();
  const days: { date: string; entries: Entry[] }[] = [];
  for (const event of events) {
    const kind = KINDS[event.type];
    const next = kind && later.get(kind);
    const entry = {
      ...words(event),
      event,
      lasted: kind && next ? Math.max(0, next.at.getTime() - event.at.getTime()) : null,
      current: Boolean(kind && !next && whole && !isPoint(event)),
    };
    if (kind) later.set(kind, event);
    const date = dayOf(event.at, zone);
    const day = days.at(-1);
    if (day?.date === date) day.entries.push(entry);
    else days.push({ date, entries: [entry] });
  }
  return days;
}

/** Events whose state lasts until the next of its kind. */
const KINDS: Partial<Record<WorkerEvent['type'], string>> = {
  status: 'status',
  breaker: 'breaker',
  conflict: 'conflict',
};

/** The end of something, of which it makes no sense to say for how long it has been ending. */
function isPoint({ type, to }: WorkerEvent): boolean {
  return (type === 'breaker' && to === 'closed') || (type === 'conflict' && to === 'ended');
}

const STATUS_TITLES: Record<Status, { title: string; level: Level }> = {
  unknown: { title: 'Declared, and not heard of yet', level: 'unknown' },
  starting: { title: 'Starting', level: 'warning' },
  idle: { title: 'Alive', level: 'healthy' },
  processing: { title: 'Alive', level: 'healthy' },
  running: { title: 'Alive', level: 'healthy' },
  error: { title: 'A run failed', level: 'critical' },
  stopping: { title: 'Stopping: finishing its work', level: 'warning' },
  stopped: { title: 'Stopped', level: 'inactive' },
  crashed: { title: 'Crashed', level: 'critical' },
};

const BREAKER_TITLES: Record<string, { title: string; level: Level }> = {
  open: { title: 'Circuit breaker opened', level: 'critical' },
  half_open: { title: 'Circuit breaker half open: trying one job', level: 'warning' },
  closed: { title: 'Circuit breaker closed', level: 'healthy' },
};

const WATCH_TITLES: Record<string, { title: string; level: Level }> = {
  impaired: { title: 'Lastseen’s own watch was impaired', level: 'unknown' },
  monitoring: { title: 'Lastseen watches again', level: 'healthy' },
  lost: { title: 'Those who had fallen silent together were given up', level: 'critical' },
};

function words(event: WorkerEvent): Pick<Entry, 'level' | 'title' | 'reason' | 'more'> {
  const { type, to, from, reason } = event;
  const more: { label: string; quoted: string }[] = [];
  switch (type) {
    case 'status': {
      const status = STATUSES.find((one) => one === to) ?? 'unknown';
      // The last words of a crash come back in its exit; said once.
      if (event.lastExit) more.push(...exitWords(event.lastExit, reason));
      const lost = status === 'crashed' || status === 'stopped';
      if (lost && event.activity) more.push({ label: 'was', quoted: event.activity });
      if (lost && event.jobId && event.lastExit?.abandonedJob !== event.jobId)
        more.push({ label: `${event.jobType ?? 'job'}`, quoted: event.jobId });
      return { ...STATUS_TITLES[status], reason, more };
    }
    case 'breaker': {
      if (to === 'open' && event.failures !== null)
        more.push({
          label: 'after',
          quoted: `${event.failures} ${event.failures === 1 ? 'failure' : 'failures'} in a row`,
        });
      return {
        ...(BREAKER_TITLES[to ?? ''] ?? { title: 'Circuit breaker', level: 'unknown' }),
        reason: to === 'closed' ? null : reason,
        more,
      };
    }
    case 'instance': {
      const title =
        to === null
          ? 'No process holds its name any more'
          : from === null
            ? 'Its first process reported'
            : reason !== null
              ? 'An older process has the name again'
              : 'A new process took over';
      return { title, level: 'unknown', reason, more };
    }
    case 'conflict':
      return to === 'ended'
        ? { title: 'Name conflict ended', level: 'healthy', reason, more }
        : { title: 'Name conflict', level: 'warning', reason, more };
    case 'monitor':
      return {
        ...(WATCH_TITLES[to ?? ''] ?? { title: 'Lastseen’s own watch', level: 'unknown' }),
        reason,
        more,
      };
  }
}

/** Last words as pairs, without what the reason says already. */
export function exitWords(exit: LastExit, said: string | null = null): { label: string; quoted: string }[] {
  const pairs: { label: string; quoted: string }[] = [];
  if (exit.code !== null && !said?.includes(`exit code ${exit.code}`))
    pairs.push({ label: 'exit code', quoted: String(exit.code) });
  if (exit.signal !== null && !said?.includes(exit.signal))
    pairs.push({ label: 'signal', quoted: exit.signal });
  if (exit.drainMs !== null)
    pairs.push({
      label: 'drained in',
      quoted: exit.drainMs < 1000 ? `${Math.round(exit.drainMs)} ms` : duration(exit.drainMs),
    });
  if (exit.abandonedJob !== null) pairs.push({ label: 'abandoned job', quoted: exit.abandonedJob });
  if (exit.error !== null && exit.error !== said) pairs.push({ label: 'error', quoted: exit.error });
  return pairs;
}

/** "for 12 minutes", of a state that is over; null where nothing can be said. */
export function lastedWords({ lasted }: Pick<Entry, 'lasted'>): string | null {
  return lasted === null ? null : lasted < 1000 ? 'for less than a second' : `for ${lasting(lasted)}`;
}

const dayFormats = new Map<string, Intl.DateTimeFormat>();

/** "2026-11-22", the day of an instant in a zone. */
export function dayOf(date: Date, zone: string): string {
  let format = dayFormats.get(zone);
  if (!format) {
    // Swedish writes dates as ISO 8601 does.
    format = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeZone: zone });
    dayFormats.set(zone, format);
  }
  return format.format(date);
}

/** "Today", "Yesterday", or "Sunday, 22 November 2026". */
export function dayWords(date: string, now: number, zone: string): string {
  if (date === dayOf(new Date(now), zone)) return 'Today';
  if (date === dayOf(new Date(now - 24 * 3_600_000), zone)) return 'Yesterday';
  const noon = new Date(`${date}T12:00:00Z`);
  return `${weekday.format(noon)}, ${longDate.format(noon)}`;
}

// Apart, for servers and browsers do not agree on the comma between them.
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' });
const longDate = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
});
