import type { Sparks, Throughput } from '../../rules/history-wire.ts';
import type { Session } from '../../server/auth/session.ts';
import { askAs } from '../../server/database/ask.ts';

/** The last hour of some workers, by `worker_id`. @throws {Refused} */
export function readSparks(session: Session, ids: number[]): Promise<Sparks> {
  return askAs(session, (client) => client.rpc('hp_sparks', { worker_ids: ids }));
}

/** The last hour of the whole fleet. @throws {Refused} */
export function readThroughput(session: Session): Promise<Throughput> {
  return askAs(session, (client) => client.rpc('hp_throughput'));
}
