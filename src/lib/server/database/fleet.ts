import type { SnapshotWire } from '../../rules/message.ts';
import type { Session } from '../auth/session.ts';
import { ask, askAs } from './ask.ts';
import { bearer } from './public-client.ts';
import { Refused } from './refusal.ts';

/** The whole fleet at one instant. @throws {Refused} */
export function readFleet(session: Session): Promise<SnapshotWire> {
  return askAs(session, (client) => client.rpc('hp_fleet'));
}

/** The same for a script that brings a member's access token itself; the database verifies it. @throws {Refused} */
export function readFleetWith(accessToken: string): Promise<SnapshotWire> {
  return ask(bearer(accessToken).rpc('hp_fleet'));
}

/**
 * Reports a viewer, so that digests flow. Every open page does once a minute: so this also finds those who were signed out
 * from another device. The database itself finds those who were removed from the members.
 *
 * @throws {Refused}
 */
export async function keepWatching(session: Session): Promise<{ now: string; tick_at: string | null }> {
  if ((await session.token()) && !(await session.isAlive())) throw new Refused('signed-out', 'signed out');
  return askAs(session, (client) => client.rpc('hp_watch'));
}
