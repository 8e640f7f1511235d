import type { SnapshotWire } from '$lib/fleet/message.ts';
import { bearer } from './anyone.ts';
import { configuration } from './configuration.ts';
import type { Session } from './session.ts';

/** Why the database gave no answer. `status` is the HTTP status to answer with. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly kind:
    'signed-out' | 'not-a-member' | 'unreachable' | 'migrations-missing' | 'not-found' | 'invalid' | 'broken';
  readonly status: number;
  readonly detail: string;

  constructor(kind: Refused['kind'], detail: string) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    this.status = STATUS[kind];
    this.detail = detail;
  }
}

const STATUS = {
  'signed-out': 401,
  'not-a-member': 403,
  unreachable: 503,
  'migrations-missing': 503,
  'not-found': 404,
  invalid: 400,
  broken: 502,
} as const;

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

/** PostgreSQL's codes for what is no number, no time, out of range or no text (a zero byte): its own words are not for people. */
const UNREADABLE = ['22P02', '22007', '22008', '22003', '22P05', '22021'];

/** What an error of the Data API means for whoever asked. */
export function refusal(status: number, code: string, message: string): Refused {
  // Status 0 is what postgrest-js makes of a request that never got an answer.
  if (status === 0 || status >= 502) return new Refused('unreachable', configuration().url);
  if (status === 401) return new Refused('signed-out', message);
  if (status === 403) return new Refused('not-a-member', message);
  // Ours, about what was asked for; 404 without it: there is no such function.
  if (code === 'PT404') return new Refused('not-found', message);
  if (code === 'PT400') return new Refused('invalid', message);
  if (UNREADABLE.includes(code)) return new Refused('invalid', 'something asked for is no such value');
  if (status === 404 || code === '42P01' || code === '42883')
    return new Refused('migrations-missing', message);
  return new Refused('broken', message);
}
