import type { Level } from '../../rules/health.ts';
import { STATUSES, type LastExit, type Status } from '../../rules/worker.ts';
import { duration, lasting } from '../../time/wording.ts';
import type { WorkerEvent } from './events.ts';

/** An event in the timeline. */
export interface Entry {
  readonly event: WorkerEvent;
  readonly level: Level;
  readonly title: string;
  /** The reason, possibly written by a worker: untrusted, show it as text only. */
  readonly reason: string | null;
  /** Details. The texts in `quoted` are untrusted. */
  readonly more: readonly { readonly label: string; readonly quoted: string }[];
  /** How long the state lasted that began here; null if it still lasts, or if the event begins no state. */
  readonly lasted: number | null;
  /** The current state began here. */
  readonly current: boolean;
}

/** The events of one day, latest first. */
export interface Day {
  /** "2026-11-22" in the viewer's zone. */
  readonly date: string;
  readonly entries: readonly Entry[];
}

/**
 * A timeline of events: by days of a zone, each with the duration of its state.
 *
 * @param events latest first
 * @param whole whether the latest event is included; without it, the current state is not known
 */
export function timeline(events: readonly WorkerEvent[], zone: string, whole = true): readonly Day[] {
  /** The next event of the same kind, by kind. */
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

/** Whether the event is an end, which has no duration. */
function isPoint({ type, to }: WorkerEvent): boolean {
  return (type === 'breaker' && to === 'closed') || (type === 'conflict' && to === 'ended');
}

const STATUS_TITLES: Record<Status, { title: string; level: Level }> = {
  unknown: { title: 'Declared, never reported', level: 'unknown' },
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
  impaired: { title: 'Monitor impaired', level: 'unknown' },
  monitoring: { title: 'Monitor works again', level: 'healthy' },
  failed: { title: 'A part of the monitor failed', level: 'warning' },
  lost: { title: 'Workers that fell silent together are marked crashed', level: 'critical' },
};

function words(event: WorkerEvent): Pick<Entry, 'level' | 'title' | 'reason' | 'more'> {
  const { type, to, from, reason } = event;
  const more: { label: string; quoted: string }[] = [];
  switch (type) {
    case 'status': {
      const status = STATUSES.find((one) => one === to) ?? 'unknown';
      // The reason of a crash is repeated in its exit report; show it once.
      if (event.lastExit) more.push(...exitText(event.lastExit, reason));
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
          ? 'No process has this name any more'
          : from === null
            ? 'First process reported'
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
        ...(WATCH_TITLES[to ?? ''] ?? { title: 'Monitor', level: 'unknown' }),
        reason,
        more,
      };
  }
}

/** An exit report as pairs, without texts that the reason already contains. */
export function exitText(exit: LastExit, known: string | null = null): { label: string; quoted: string }[] {
  const pairs: { label: string; quoted: string }[] = [];
  if (exit.code !== null && !known?.includes(`exit code ${exit.code}`))
    pairs.push({ label: 'exit code', quoted: String(exit.code) });
  if (exit.signal !== null && !known?.includes(exit.signal))
    pairs.push({ label: 'signal', quoted: exit.signal });
  if (exit.drainMs !== null)
    pairs.push({
      label: 'drained in',
      quoted: exit.drainMs < 1000 ? `${Math.round(exit.drainMs)} ms` : duration(exit.drainMs),
    });
  if (exit.abandonedJob !== null) pairs.push({ label: 'abandoned job', quoted: exit.abandonedJob });
  if (exit.error !== null && exit.error !== known) pairs.push({ label: 'error', quoted: exit.error });
  return pairs;
}

/** "for 12 minutes", for a past state; null if unknown. */
export function lastedText({ lasted }: Pick<Entry, 'lasted'>): string | null {
  return lasted === null ? null : lasted < 1000 ? 'for less than a second' : `for ${lasting(lasted)}`;
}

const dayFormats = new Map<string, Intl.DateTimeFormat>();

/** "2026-11-22", the day of an instant in a zone. */
export function dayOf(date: Date, zone: string): string {
  let format = dayFormats.get(zone);
  if (!format) {
    // Swedish dates have the form of ISO 8601.
    format = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeZone: zone });
    dayFormats.set(zone, format);
  }
  return format.format(date);
}

/** "Today", "Yesterday", or "Sunday, 22 November 2026". */
export function dayText(date: string, now: number, zone: string): string {
  if (date === dayOf(new Date(now), zone)) return 'Today';
  if (date === dayOf(new Date(now - 24 * 3_600_000), zone)) return 'Yesterday';
  const noon = new Date(`${date}T12:00:00Z`);
  return `${weekday.format(noon)}, ${longDate.format(noon)}`;
}

// Separate formats, because servers and browsers differ in the comma between them.
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' });
const longDate = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
});
