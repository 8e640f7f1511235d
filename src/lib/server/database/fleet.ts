import type { SnapshotWire } from '../../rules/message.ts';
import { bearer } from './public-client.ts';
import { refusal, Refused } from './refusal.ts';
import type { Session } from '../auth/session.ts';

/** The whole fleet at one instant. @throws {Refused} */
export async function readFleet(session: Session): Promise<SnapshotWire> {
  return (await call(session, 'hp_fleet')) as SnapshotWire;
}

/** The same for a script that brings a member's access token itself; the database verifies it. @throws {Refused} */
export async function readFleetWith(accessToken: string): Promise<SnapshotWire> {
  return (await ask(bearer(accessToken), 'hp_fleet')) as SnapshotWire;
}

/**
 * Says that somebody watches, so that digests flow. Every open page does once a minute: so this is also where those are
 * found out who were signed out from another device. Who was removed from the members is told by the database itself.
 *
 * @throws {Refused}
 */
export async function keepWatching(session: Session): Promise<{ now: string; tick_at: string | null }> {
  if ((await session.token()) && !(await session.isAlive())) throw new Refused('signed-out', 'signed out');
  return (await call(session, 'hp_watch')) as { now: string; tick_at: string | null };
}

async function call(session: Session, name: 'hp_fleet' | 'hp_watch'): Promise<unknown> {
  if (!(await session.token())) throw new Refused('signed-out', 'no session');
  return ask(session.client, name);
}

async function ask(client: Session['client'], name: 'hp_fleet' | 'hp_watch'): Promise<unknown> {
  const { data, error, status } = await client.rpc(name);
  if (!error) return data;
  throw refusal(status, error.code, error.message);
}
