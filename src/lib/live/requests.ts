import { readSnapshotInSlices, type Snapshot } from '../rules/message.ts';
import { maybe, number, record, text, type Shape } from '../rules/wire-reader.ts';
import { nextTask } from './next-task.ts';
import { SignedOut } from './source.ts';

/** A request that takes longer is aborted and repeated. */
const TIME_LIMIT_MS = 15_000;

const watchAnswer = record({ now: text, tick_at: maybe(text) });
const session = record({ accessToken: text, expiresAt: number });

/** @throws {SignedOut} */
export async function fetchSnapshot(): Promise<Snapshot> {
  return readSnapshotInSlices(await request('/api/fleet'), nextTask);
}

/** @throws {SignedOut} */
export async function postWatch(path = '/api/watch'): Promise<{ now: Date; tickAt: Date | null }> {
  const answer = watchAnswer(await request(path, { method: 'POST' }));
  return { now: new Date(answer.now), tickAt: answer.tick_at ? new Date(answer.tick_at) : null };
}

/**
 * Returns the access token for Realtime, and fetches a new one before it expires.
 *
 * @returns a function that returns a token valid for at least a minute; it throws {@link SignedOut}
 */
export function tokenKeeper(): () => Promise<string> {
  let token: Shape<typeof session> | null = null;
  let pending: Promise<string> | null = null;
  return () => {
    if (token && token.expiresAt * 1000 - Date.now() > RENEW_BEFORE_MS)
      return Promise.resolve(token.accessToken);
    return (pending ??= request('/api/session')
      .then((answer) => (token = session(answer)).accessToken)
      .finally(() => (pending = null)));
  };
}

/**
 * realtime-js requests a token at every heartbeat (25 s), and a channel with an expired token is closed. The server renews a
 * session in its last 90 s; before that it would return the same token.
 */
const RENEW_BEFORE_MS = 75_000;

/** Requests data from our own server. @throws {SignedOut} without a session or membership, else {@link NoAnswer} */
export async function request(path: string, init?: RequestInit): Promise<unknown> {
  const response = await fetch(path, {
    ...init,
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(TIME_LIMIT_MS),
  });
  const { status } = response;
  if (status === 401 || status === 403) throw new SignedOut(`${path}: ${status}`, status === 403);
  if (!response.ok) throw new NoAnswer(`${path}: HTTP ${status}`, status);
  return response.json();
}

/** Our own server refused or failed. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Why there is no answer. Each needs another action by the reader. */
export type Trouble = 'signed-out' | 'removed' | 'gone' | 'unreachable';

export function troubleOf(error: unknown): Trouble {
  if (error instanceof SignedOut) return error.removed ? 'removed' : 'signed-out';
  return error instanceof NoAnswer && error.status === 404 ? 'gone' : 'unreachable';
}
