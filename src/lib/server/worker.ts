import type { SnapshotWire } from '$lib/fleet/message.ts';
import { PAGE_OF } from '$lib/worker/page-of.ts';
import type { WorkerPage } from '$lib/worker/source.ts';
import { keepWatching, refusal, Refused } from './fleet.ts';
import type { Session } from './session.ts';

/** All that the page of one worker shows; without workers where there is none of that name. @throws {Refused} */
export async function readWorker(session: Session, name: string): Promise<WorkerPage> {
  const [page, events, commands] = await Promise.all([
    ask(session, (client) => client.rpc('hp_worker_page', { worker_name: name })),
    readEvents(session, name, {}),
    readCommands(session, name, null),
  ]);
  const { details, ...snapshot } = page as unknown as SnapshotWire & { details: unknown };
  return { snapshot, details, events, commands };
}

export interface EventsWanted {
  /** Those after this one, going back: `2026-11-22T03:05:12.123456+00:00~41`. */
  readonly after?: string | null;
  readonly kinds?: readonly string[] | null;
}

/** A page of a worker's events, the latest first. @throws {Refused} */
export async function readEvents(
  session: Session,
  name: string,
  { after, kinds }: EventsWanted,
): Promise<unknown[]> {
  const [at, id] = after?.split('~') ?? [];
  const before = at && !Number.isNaN(Date.parse(at)) ? at : undefined;
  const beforeId = /^\d{1,15}$/.test(id ?? '') ? Number(id) : undefined;
  const events = await ask(session, (client) =>
    client.rpc('hp_worker_events', {
      worker_name: name,
      before,
      before_id: beforeId,
      kinds: kinds ? [...kinds] : undefined,
      max_count: PAGE_OF,
    }),
  );
  return events as unknown[];
}

/**
 * A page of what was asked of a worker, the latest first.
 *
 * @param before the id of the last one that is known already
 * @throws {Refused}
 */
export async function readCommands(
  _session: Session,
  _name: string,
  _before: number | null,
): Promise<unknown[]> {
  return [];
}

/** Says that somebody watches the fleet and this worker. @throws {Refused} */
export async function keepWatchingWorker(session: Session, _name: string) {
  return keepWatching(session);
}

type Answer = PromiseLike<{
  data: unknown;
  error: { code: string; message: string } | null;
  status: number;
}>;

/** Asks the database as the one who is signed in. @throws {Refused} */
export async function ask(
  session: Session,
  question: (client: Session['client']) => Answer,
): Promise<unknown> {
  if (!(await session.token())) throw new Refused('signed-out', 'no session');
  const { data, error, status } = await question(session.client);
  if (error) throw refusal(status, error.code, error.message);
  return data;
}
