import type { PublicStatus } from './status.ts';
import { ask } from '../server/database/ask.ts';
import { publicClient } from '../server/database/public-client.ts';
import { remembered } from '../server/database/remembered.ts';

/** How long caches may keep the public page, in seconds. */
export const PUBLIC_STATUS_LASTS_S = 10;

const readStatus = remembered(5, async (): Promise<PublicStatus | null> => {
  const status = await ask<PublicStatus | null>(publicClient().rpc('hp_public_status'));
  if (status === null) return null;
  const { now, workers } = status;
  const iso = (instant: string) => new Date(instant).toISOString();
  return {
    now: iso(now),
    workers: workers.map(({ name, level, words, last_seen, uptime, uptime_days }) => ({
      name,
      level,
      words,
      last_seen: last_seen && iso(last_seen),
      // A dashboard may be newer than its database, which then has no uptime.
      uptime: uptime ?? null,
      uptime_days: uptime_days ?? [],
    })),
  };
});

/** The public data of the fleet; null while the public page is off. @throws {Refused} */
export const publicStatus = (): Promise<PublicStatus | null> => readStatus(undefined);
