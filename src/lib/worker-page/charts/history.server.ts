import {
  HISTORY_RANGES,
  type Sparks,
  type Throughput,
  type WorkerHistory,
} from '../../rules/history-wire.ts';
import { refusal, Refused } from '../../server/database/refusal.ts';
import type { Session } from '../../server/auth/session.ts';
import { mustBeName } from '../worker.server.ts';

/** Ids of workers in one question for spark lines. */
const MOST_SPARKS = 200;

/** One worker's history. @throws {Refused} 'not-found', 'invalid' among others */
export async function readHistory(session: Session, name: string, range: string): Promise<WorkerHistory> {
  if (!HISTORY_RANGES.some((known) => known === range))
    throw new Refused('invalid', `range must be one of ${HISTORY_RANGES.join(', ')}`);
  await signedIn(session);
  mustBeName(name);
  const { data, error, status } = await session.client.rpc('hp_worker_history', {
    worker_name: name,
    range,
  });
  if (error) throw refusal(status, error.code, error.message);
  const history = data as unknown as WorkerHistory;
  const iso = (instant: string) => new Date(instant).toISOString();
  return {
    ...history,
    from: iso(history.from),
    to: iso(history.to),
    kept_since: history.kept_since && iso(history.kept_since),
  };
}

/** The last hour of some workers. @param ids as they stand in an address: "1,2,3" @throws {Refused} */
export async function readSparks(session: Session, ids: string): Promise<Sparks> {
  const list = ids === '' ? [] : ids.split(',');
  if (list.length > MOST_SPARKS || !list.every((id) => /^[1-9]\d{0,14}$/.test(id)))
    throw new Refused('invalid', `ids must be at most ${MOST_SPARKS} numbers with commas between them`);
  await signedIn(session);
  const { data, error, status } = await session.client.rpc('hp_sparks', { worker_ids: list.map(Number) });
  if (error) throw refusal(status, error.code, error.message);
  return data as unknown as Sparks;
}

/** The last hour of the whole fleet. @throws {Refused} */
export async function readThroughput(session: Session): Promise<Throughput> {
  await signedIn(session);
  const { data, error, status } = await session.client.rpc('hp_throughput');
  if (error) throw refusal(status, error.code, error.message);
  return data as unknown as Throughput;
}

/** Without a session the database would be asked as anon, and answer that there is no such function. */
async function signedIn(session: Session): Promise<void> {
  if (!(await session.token())) throw new Refused('signed-out', 'no session');
}
