import { list, maybe, number, oneOf, record, text, flag, type Read } from '../../rules/wire-reader.ts';

/** The mildest first. Who asks for one gets what is worse, too. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** So many lines can be shown; what is kept of a worker is 500 unless its project says otherwise. */
export const AMOUNTS = [10, 50, 100, 250, 500] as const;
export const FIRST_AMOUNT = 100;

export interface Line {
  /** Grows in the order of coming. */
  readonly id: number;
  readonly at: Date;
  readonly level: Level;
  readonly message: string;
  /** The process that safeText it. */
  readonly instance: string;
  /** So many lines of that process are missing before this one. */
  readonly dropped: number;
}

/** What to show of a log. */
export interface Wanted {
  readonly level: Level;
  /** Found in any case; empty: everything. */
  readonly search: string;
  readonly amount: number;
}

/** Where the last lines of a log are; as a text it is a download of all that is kept. */
export function logPath(name: string, { level, search, amount }: Wanted, format?: 'txt'): string {
  const query = new URLSearchParams({ level });
  if (search) query.set('search', search);
  if (format) query.set('format', format);
  else query.set('limit', String(amount));
  return `/api/workers/${encodeURIComponent(name)}/logs?${query}`;
}

/** News of a worker's channel: new lines, or only that something is new. */
export interface News {
  /** The line before the first of these, and the last of them; absent where it is not said. */
  readonly after: number | null;
  readonly to: number | null;
  /** Null: they have to be asked for. */
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

/** Reads the answer of /api/workers/[name]/logs, the oldest line first. @throws {TypeError} */
export function readLines(value: unknown): { lines: Line[]; more: boolean } {
  const { lines, more } = answer(value);
  return { lines, more: more ?? false };
}

/** Reads what came by the channel. What can't be read is news all the same: that something is there. */
export function readNews(value: unknown): News {
  try {
    const { after, to, lines } = message(Array.isArray(value) ? { lines: value } : value);
    return { after: after ?? null, to: to ?? null, lines: lines ?? null };
  } catch {
    return { after: null, to: null, lines: null };
  }
}

/** Lines of both, each once, in the order of coming; of many the last. */
export function joined(known: readonly Line[], fresh: readonly Line[], atMost: number): Line[] {
  const byId = new Map([...known, ...fresh].map((one) => [one.id, one]));
  return [...byId.values()].sort((a, b) => a.id - b.id).slice(-atMost);
}

/**
 * Those that are wanted. What was dropped before one that is hidden is told with the next of its process that is not, as
 * the database does.
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
