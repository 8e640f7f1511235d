import { list, maybe, number, oneOf, record, text, flag, type Read } from '../../rules/wire-reader.ts';

/** The mildest first. A level includes all worse ones. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** Numbers of lines to show. The database keeps 500 lines of a worker by default. */
export const AMOUNTS = [10, 50, 100, 250, 500] as const;
export const FIRST_AMOUNT = 100;

export interface Line {
  /** Increases in the order of arrival. */
  readonly id: number;
  readonly at: Date;
  readonly level: Level;
  readonly message: string;
  /** The process that wrote it. */
  readonly instance: string;
  /** The number of missing lines of that process before this one. */
  readonly dropped: number;
}

/** Filter and size of a log. */
export interface Wanted {
  readonly level: Level;
  /** Case-insensitive; empty: everything. */
  readonly search: string;
  readonly amount: number;
}

/** The path of a log's last lines, or with a format, of a download of all stored lines. */
export function logPath(name: string, { level, search, amount }: Wanted, format?: 'txt'): string {
  const query = new URLSearchParams({ level });
  if (search) query.set('search', search);
  if (format) query.set('format', format);
  else query.set('limit', String(amount));
  return `/api/workers/${encodeURIComponent(name)}/logs?${query}`;
}

/** A message on a worker's channel: new lines, or only that there are some. */
export interface News {
  /** The line before the first one, and the last one; null if missing. */
  readonly after: number | null;
  readonly to: number | null;
  /** Null: the lines must be requested. */
  readonly lines: readonly Line[] | null;
}

const line: Read<Line> = (() => {
  const wire = record({
    id: number,
    at: text,
    level: oneOf(LEVELS),
    message: text,
    instance_id: text,
    dropped: maybe(number),
  });
  return (value) => {
    const { id, at, level, message, instance_id: instance, dropped } = wire(value);
    return { id, at: new Date(at), level, message, instance, dropped: dropped ?? 0 };
  };
})();
const answer = record({ lines: list(line), more: maybe(flag) });
const message = record({ after: maybe(number), to: maybe(number), lines: maybe(list(line)) });

/** Reads the response of /api/workers/[name]/logs, oldest line first. @throws {TypeError} */
export function readLines(value: unknown): { lines: Line[]; more: boolean } {
  const { lines, more } = answer(value);
  return { lines, more: more ?? false };
}

/** Reads a message of the channel. An unreadable message still means that there are new lines. */
export function readNews(value: unknown): News {
  try {
    const { after, to, lines } = message(Array.isArray(value) ? { lines: value } : value);
    return { after: after ?? null, to: to ?? null, lines: lines ?? null };
  } catch {
    return { after: null, to: null, lines: null };
  }
}

/** The lines of both, each once, in order of arrival; at most the last `atMost`. */
export function joined(known: readonly Line[], fresh: readonly Line[], atMost: number): Line[] {
  const byId = new Map([...known, ...fresh].map((one) => [one.id, one]));
  return [...byId.values()].sort((a, b) => a.id - b.id).slice(-atMost);
}

/**
 * The matching lines. Lines dropped before a hidden line are counted with the next visible line of its process, as in the
 * database.
 */
export function wantedOf(lines: readonly Line[], { level, search }: Wanted): Line[] {
  const least = LEVELS.indexOf(level);
  const sought = search.toLowerCase();
  const untold = new Map<string, number>();
  return lines.flatMap((one) => {
    const dropped = one.dropped + (untold.get(one.instance) ?? 0);
    if (LEVELS.indexOf(one.level) < least || !one.message.toLowerCase().includes(sought)) {
      untold.set(one.instance, dropped);
      return [];
    }
    untold.delete(one.instance);
    return [dropped === one.dropped ? one : { ...one, dropped }];
  });
}
