import { z } from 'zod';
import { LEVELS, readLines, type Line } from './lines.ts';
import { visible } from './visible.ts';
import { askAs } from '../../server/database/ask.ts';
import type { Session } from '../../server/auth/session.ts';

/** The database's limit of lines in a response. */
const MOST_LINES = 500;
/** The limit of a download, which has all stored lines: 500 by default. */
const MOST_IN_A_FILE = 20_000;

/** The query of a log. Invalid values count as missing, except for the level, because a reader must not take a part for all. */
export const logsWanted = z.object({
  /** This level and worse ones. */
  level: z.enum(LEVELS, { error: `level must be one of ${LEVELS.join(', ')}` }).default('debug'),
  search: z
    .string()
    .transform((text) => text.slice(0, 200))
    .default(''),
  limit: z.coerce
    .number()
    .catch(100)
    .transform((limit) => Math.min(MOST_LINES, Math.max(10, Math.trunc(limit) || 100)))
    .default(100),
  /** Only lines before the one with this id. */
  before: z.coerce.number().int().nullable().catch(null).default(null),
});

export type LogsWanted = z.infer<typeof logsWanted>;

/** Lines of a worker's log, oldest first. @throws {Refused} */
export async function readLogs(
  session: Session,
  name: string,
  { level, search, limit, before }: LogsWanted,
): Promise<{ lines: unknown[] }> {
  return askAs(session, (client) =>
    client.rpc('hp_worker_logs', {
      worker_name: name,
      most: limit,
      level,
      ...(search && { search }),
      ...(before !== null && { before }),
    }),
  );
}

/** All stored lines as text. @throws {Refused} */
export async function logText(session: Session, name: string, wanted: LogsWanted): Promise<string> {
  const pages: Line[][] = [];
  let count = 0;
  let before = wanted.before;
  do {
    const { lines, more } = readLines(
      await readLogs(session, name, { ...wanted, limit: MOST_LINES, before }),
    );
    pages.unshift(lines);
    count += lines.length;
    before = more && lines[0] ? lines[0].id : null;
  } while (before !== null && count < MOST_IN_A_FILE);
  return pages.flat().map(textOf).join('');
}

/**
 * A line of the file, or several if the message has several. Continuation lines are indented, so that a message can't imitate
 * another line, and nothing in it can control a terminal.
 */
function textOf({ at, level, message, dropped }: Line): string {
  const missing =
    dropped > 0 ? `(${dropped} ${dropped === 1 ? 'line was' : 'lines were'} dropped here)\n` : '';
  const indented = visible(message).replaceAll('\n', '\n    ');
  return `${missing}${at.toISOString()} ${level.toUpperCase().padEnd(5)} ${indented}\n`;
}

/** A file name from a worker name, which may contain slashes and colons. */
export function fileNameOf(name: string, ending: string): string {
  return `${name.replace(/[^A-Za-z0-9._-]+/g, '-')}${ending}`;
}
