import type { HistoryRange, WorkerHistory } from '../../rules/history-wire.ts';
import type { Session } from '../../server/auth/session.ts';
import { askAs } from '../../server/database/ask.ts';
import { mustBeName } from '../worker.server.ts';

/** One worker's history. @throws {Refused} 'not-found' among others */
export async function readHistory(
  session: Session,
  name: string,
  range: HistoryRange,
): Promise<WorkerHistory> {
  mustBeName(name);
  const history = await askAs<WorkerHistory>(session, (client) =>
    client.rpc('hp_worker_history', { worker_name: name, range }),
  );
  const iso = (instant: string) => new Date(instant).toISOString();
  return {
    ...history,
    from: iso(history.from),
    to: iso(history.to),
    kept_since: history.kept_since && iso(history.kept_since),
  };
}
