import { favicon } from '../signs/favicon.ts';
import { bar, type Bar } from './bar.ts';
import { readSnapshot } from '../rules/message.ts';
import { ask } from '../server/database/ask.ts';
import { publicClient } from '../server/database/public-client.ts';
import { frameAncestors } from '../server/http/frame-ancestors.ts';
import { Refused } from '../server/database/refusal.ts';
import { remembered } from '../server/database/remembered.ts';
import type { Session } from '../server/auth/session.ts';

/** How long a status line is fresh, in seconds. */
export const BAR_LASTS_S = 5;

/** The form of keys from `hp_create_embed_key`. */
const EMBED_KEY = /^lsb_[0-9a-f]{64}$/;

export interface BarAnswer {
  /** With the tab's icon, made here, so that the page needs no code of the fleet page. */
  bar: Bar & { icon: string };
  /** Sites that may embed it, as CSP sources. */
  frameAncestors: readonly string[];
}

/** Fifty pages with the same line cost the database one query every few seconds. */
const withKey = remembered(BAR_LASTS_S, (key: string) => readLine(publicClient(), key));

/**
 * The status line, for an embed key; without one, for the signed-in member.
 *
 * @param key the address's `key`. With a key, the session does not count, so the response is the same for everybody with the
 *   address
 * @throws {Refused}
 */
export async function readBar(session: Session, key: string | null): Promise<BarAnswer> {
  if (key !== null) {
    // Reject an invalid key without a query, because anybody can try many.
    if (!EMBED_KEY.test(key)) throw new Refused('signed-out', 'no embed key');
    return withKey(key);
  }
  if (!(await session.token())) throw new Refused('signed-out', 'neither a session nor an embed key');
  return readLine(session.client);
}

/** The setting for all keys. Null if not read since this server started. */
let sites: readonly string[] | null = null;

/**
 * The sites that may frame an error, if known. A browser that may not show it keeps the browser's error page, and the line would
 * not recover by itself.
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
