import { joinFleet } from './channel.ts';
import { fetchSnapshot, postWatch, tokenKeeper } from './requests.ts';
import type { FleetSource } from './source.ts';

/** Where Realtime is, and the key that lets one knock. The key is public; the token decides. */
export interface RealtimeAddress {
  readonly url: string;
  readonly publishableKey: string;
}

/** The fleet's news from Supabase: snapshots through our own server, messages through Realtime. */
export function supabaseSource({ url, publishableKey }: RealtimeAddress): FleetSource {
  return {
    snapshot: fetchSnapshot,
    watch: postWatch,
    listen: (listener) =>
      joinFleet(
        // A background tab's timers sleep, and with them the socket's heartbeat; a worker's don't.
        { endpoint: `${url}/realtime/v1`, apikey: publishableKey, token: tokenKeeper(), worker: true },
        listener,
      ),
  };
}
