import type { SnapshotWire } from '../../rules/message.ts';
import type { Session } from '../auth/session.ts';
import { ask, askAs } from './ask.ts';
import { bearer } from './public-client.ts';
import { Refused } from './refusal.ts';

/** The whole fleet at one instant. @throws {Refused} */
export function readFleet(session: Session): Promise<SnapshotWire> {
  return askAs(session, (client) => client.rpc('hp_fleet'));
}

/** The same for a script with a member's access token, which the database verifies. @throws {Refused} */
export function readFleetWith(accessToken: string): Promise<SnapshotWire> {
  return ask(bearer(accessToken).rpc('hp_fleet'));
}

/**
 * Reports a viewer, so that the database sends digests. Every open page calls this about once a minute, so this also detects people
 * who were signed out from another device. The database detects removed members.
 *
 * @throws {Refused}
 */
export async function keepWatching(session: Session): Promise<{ now: string; tick_at: string | null }> {
  if ((await session.token()) && !(await session.isAlive())) throw new Refused('signed-out', 'signed out');
  return askAs(session, (client) => client.rpc('hp_watch'));
}
