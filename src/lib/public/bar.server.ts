import { favicon } from '../signs/favicon.ts';
import { bar, type Bar } from './bar.ts';
import { readSnapshot } from '../rules/message.ts';
import { ask } from '../server/database/ask.ts';
import { publicClient } from '../server/database/public-client.ts';
import { frameAncestors } from '../server/http/frame-ancestors.ts';
import { Refused } from '../server/database/refusal.ts';
import { remembered } from '../server/database/remembered.ts';
import type { Session } from '../server/auth/session.ts';

/** For how long a status line is as good as new, in seconds. */
export const BAR_LASTS_S = 5;

/** As `hp_create_embed_key` makes them. */
const EMBED_KEY = /^lsb_[0-9a-f]{64}$/;

export interface BarAnswer {
  /** With the icon of a tab that shows it, made here: the page would load what the fleet page loads as well. */
  bar: Bar & { icon: string };
  /** Who may embed it: sources of a CSP. */
  frameAncestors: readonly string[];
}

/** Fifty pages that embed the same line cost the database one question every few seconds. */
const withKey = remembered(BAR_LASTS_S, (key: string) => readLine(publicClient(), key));

/**
 * The status line, for whoever presents an embed key; without one, for the member who is signed in.
 *
 * @param key what the address gives as `key`. Where there is one, the session counts for nothing: the answer is then the same
 *   for whoever has the address
 * @throws {Refused}
 */
export async function readBar(session: Session, key: string | null): Promise<BarAnswer> {
  if (key !== null) {
    // What cannot be a key is refused without a question: anybody may try as many as they like.
    if (!EMBED_KEY.test(key)) throw new Refused('signed-out', 'no embed key');
    return withKey(key);
  }
  if (!(await session.token())) throw new Refused('signed-out', 'neither a session nor an embed key');
  return readLine(session.client);
}

/** The setting is one for all keys. Null: no answer has told it since this server started. */
let sites: readonly string[] | null = null;

/**
 * Who may frame an answer without a line, as far as that is known: a browser that may not show it shows a broken page for
 * good, and the line would not come back by itself.
 */
export const knownSites = (): readonly string[] | null => sites;

async function readLine(client: Session['client'], key?: string): Promise<BarAnswer> {
  const data = await ask<{ frame_ancestors: unknown }>(
    client.rpc('hp_bar', key === undefined ? {} : { embed_key: key }),
  );
  const { frame_ancestors: sources } = data;
  const line = bar(readSnapshot(data));
  sites = frameAncestors(sources);
  return { bar: { ...line, icon: favicon(line.level) }, frameAncestors: sites };
}
