import type { SnapshotWire } from '../rules/message.ts';
import type { Session } from '../server/auth/session.ts';
import { askAs } from '../server/database/ask.ts';
import { keepWatching } from '../server/database/fleet.ts';
import { Refused } from '../server/database/refusal.ts';
import { PAGE_OF, type WorkerPageData } from './source.ts';

/**
 * The data of one worker page; without workers if the worker does not exist.
 *
 * @param before events before this one ({@link EventsWanted}), instead of the latest events
 * @throws {Refused}
 */
export async function readWorker(
  session: Session,
  name: string,
  before: string | null = null,
): Promise<WorkerPageData> {
  mustBeName(name);
  const [page, events, commands] = await Promise.all([
    askAs<SnapshotWire & { details: unknown }>(session, (client) =>
      client.rpc('hp_worker_page', { worker_name: name }),
    ),
    readEvents(session, name, { before }),
    readCommands(session, name),
  ]);
  const { details, ...snapshot } = page;
  return {
    snapshot,
    details,
    events: events.list,
    eventsCut: before !== null,
    commands: commands.list,
    moreCommands: commands.more,
  };
}

/** A page of older entries. */
export interface Older {
  readonly list: unknown[];
  /** Whether there are older entries. */
  readonly more: boolean;
}

export interface EventsWanted {
  /** Events older than this cursor: `2026-11-22T03:05:12.123456+00:00~41`. */
  readonly before?: string | null;
  readonly kinds?: readonly string[] | null;
}

/** A page of a worker's events, latest first. @throws {Refused} */
export async function readEvents(
  session: Session,
  name: string,
  { before, kinds }: EventsWanted,
): Promise<Older> {
  const [at, id] = before?.split('~') ?? [];
  const list = await askAs<unknown[]>(session, (client) =>
    client.rpc('hp_worker_events', {
      worker_name: name,
      before: at && !Number.isNaN(Date.parse(at)) ? at : undefined,
      before_id: /^\d{1,15}$/.test(id ?? '') ? Number(id) : undefined,
      kinds: kinds ? [...kinds] : undefined,
      max_count: PAGE_OF,
    }),
  );
  return { list, more: list.length >= PAGE_OF };
}

/**
 * A page of a worker's commands, latest first.
 *
 * @param before the id of the oldest known command
 * @throws {Refused}
 */
export async function readCommands(session: Session, name: string, before?: number): Promise<Older> {
  const { commands, more } = await askAs<{ commands: unknown[]; more: boolean }>(session, (client) =>
    client.rpc('hp_worker_commands', { worker_name: name, before, most: COMMANDS_OF }),
  );
  return { list: commands, more };
}

/**
 * Reads data of a worker. Data outlives its worker, so the worker counts as missing only if there is no data either.
 *
 * @param something whether there is any data
 * @throws {Refused} 'not-found' among others
 */
export async function ofKnown<T>(
  session: Session,
  name: string,
  read: () => Promise<T>,
  something: (found: T) => boolean,
): Promise<T> {
  mustBeName(name);
  const found = await read();
  if (something(found)) return found;
  const rows = await askAs<unknown[]>(session, (client) =>
    client.from('hp_worker_status').select('worker_id').eq('worker_name', name),
  );
  if (rows.length === 0) throw new Refused('not-found', `there is no worker named ${name}`);
  return found;
}

/** Rejects a zero byte, which PostgreSQL allows in no text. @throws {Refused} */
export function mustBeName(name: string): void {
  if (name.includes('\0')) throw new Refused('not-found', 'there is no worker of that name');
}

/** Commands in one page. */
const COMMANDS_OF = 20;

/** Reports a viewer of the fleet and of this worker. @throws {Refused} */
export async function keepWatchingWorker(session: Session, name: string) {
  const [answer] = await Promise.all([
    keepWatching(session),
    askAs(session, (client) => client.rpc('hp_watch_worker', { worker_name: name })).catch(
      (refused: unknown) => {
        // A removed worker has no more news; the fleet's messages report that it is gone.
        if (!(refused instanceof Refused && refused.kind === 'not-found')) throw refused;
      },
    ),
  ]);
  return answer;
}
