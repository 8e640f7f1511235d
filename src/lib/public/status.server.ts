import type { PublicStatus } from './status.ts';
import { publicClient } from '../server/database/public-client.ts';
import { refusal } from '../server/database/refusal.ts';
import { remembered } from '../server/database/remembered.ts';

/** For how long caches may keep what the public page shows, in seconds. */
export const PUBLIC_STATUS_LASTS_S = 10;

const ask = remembered(5, async (): Promise<PublicStatus | null> => {
  const { data, error, status } = await publicClient().rpc('hp_public_status');
  if (error) throw refusal(status, error.code, error.message);
  if (data === null) return null;
  const { now, workers } = data as unknown as PublicStatus;
  const iso = (instant: string) => new Date(instant).toISOString();
  return {
    now: iso(now),
    workers: workers.map(({ name, level, words, last_seen, uptime, uptime_days }) => ({
      name,
      level,
      words,
      last_seen: last_seen && iso(last_seen),
      // A dashboard may be newer than its database, which then tells no uptime.
      uptime: uptime ?? null,
      uptime_days: uptime_days ?? [],
    })),
  };
});

/** What anyone may know of the fleet; null while the public page is off. @throws {Refused} */
export const publicStatus = (): Promise<PublicStatus | null> => ask(undefined);
