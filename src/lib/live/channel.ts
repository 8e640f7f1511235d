import { RealtimeClient } from '@supabase/realtime-js';
import { readMessage, type Message } from '../rules/message.ts';
import { SignedOut, type Listener } from './source.ts';

export interface FleetChannel {
  /** `…/realtime/v1` */
  readonly endpoint: string;
  readonly apikey: string;
  /** Returns a valid access token. @throws {SignedOut} */
  readonly token: () => Promise<string>;
  /** Whether a Web Worker sends the socket's heartbeat; false outside a browser. */
  readonly worker: boolean;
  /** Joins more channels on the same socket, with the same token. */
  readonly beside?: (client: RealtimeClient) => void;
}

const TOPIC = 'hp:fleet';
/** How long a snapshot waits until the database's messages are connected. */
const READY_PATIENCE_MS = 300;
const EVENTS = ['transition', 'activity', 'digest'] as const;

/**
 * Joins the fleet's channel until the returned function is called.
 *
 * Each call creates its own client, because a closed channel cannot be joined again.
 */
export function joinFleet(
  { endpoint, apikey, token, worker, beside }: FleetChannel,
  listener: Listener,
): () => void {
  let stopped = false;
  const client = new RealtimeClient(endpoint, {
    params: { apikey },
    accessToken: async () => {
      try {
        return await token();
      } catch (error) {
        // realtime-js ignores the error and continues with the old token.
        if (error instanceof SignedOut) listener.signedOut();
        throw error;
      }
    },
    worker,
  });

  const channel = client.channel(TOPIC, {
    config: { private: true, broadcast: { replication_ready: true } },
  });
  for (const event of EVENTS) {
    channel.on('broadcast', { event }, ({ payload }) => {
      const message = read(payload);
      if (message) listener.message(message);
      else listener.garbled();
    });
  }

  // A join is answered before the database's messages are connected, and messages in between are lost. So the snapshot waits
  // for the system message that they are. That message comes at once, or, if the database's connection is still being built,
  // much later; then a first snapshot is taken in between.
  let ready = false;
  let patience: ReturnType<typeof setTimeout> | undefined;
  channel.on('system', {}, (payload: { extension?: string; status?: string }) => {
    if (stopped || payload.extension !== 'system' || payload.status !== 'ok') return;
    ready = true;
    clearTimeout(patience);
    listener.joined();
  });

  const subscribe = () =>
    channel.subscribe((status) => {
      if (stopped) return;
      clearTimeout(patience);
      if (status === 'SUBSCRIBED') {
        if (!ready) patience = setTimeout(() => listener.joined(), READY_PATIENCE_MS);
        return;
      }
      ready = false;
      if (status === 'CLOSED') listener.closed();
      else listener.left();
    });

  // Gets the token first: a join without one is rejected, and repeated only seconds later.
  token()
    .then(() => client.setAuth())
    .then(() => {
      if (stopped) return;
      subscribe();
      beside?.(client);
    })
    .catch((error: unknown) => {
      if (stopped) return;
      if (error instanceof SignedOut) listener.signedOut();
      else listener.closed();
    });

  return () => {
    stopped = true;
    clearTimeout(patience);
    void client.removeAllChannels();
  };
}

function read(payload: unknown): Message | null {
  try {
    return readMessage(payload);
  } catch {
    return null;
  }
}
