import { joinFleet } from './channel.ts';
import { fetchSnapshot, postWatch, tokenKeeper } from './requests.ts';
import type { FleetSource } from './source.ts';

/** The address of Realtime, and the publishable key. The token decides about access. */
export interface RealtimeAddress {
  readonly url: string;
  readonly publishableKey: string;
}

/** The fleet from Supabase: snapshots through our own server, messages through Realtime. */
export function supabaseSource({ url, publishableKey }: RealtimeAddress): FleetSource {
  return {
    snapshot: fetchSnapshot,
    watch: () => postWatch(),
    listen: (listener) =>
      joinFleet(
        // The timers of a background tab are slowed down; a Web Worker's are not.
        { endpoint: `${url}/realtime/v1`, apikey: publishableKey, token: tokenKeeper(), worker: true },
        listener,
      ),
  };
}
