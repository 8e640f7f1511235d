import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { BenchStack } from './stack.ts';

/** What has come through the socket of a page since it joined. */
export interface Received {
  /** Broadcasts, by event: what Supabase counts. */
  messages: Record<string, number>;
  /** All that the socket received, frames and answers to the client's own heartbeats included. */
  bytes: number;
}

export interface Viewer {
  received(): Received;
  /** Resolves when the next message has come, or the next of that event. */
  next(event?: string): Promise<void>;
}

interface Frame {
  topic: string;
  event: string;
  payload: { event?: string; status?: string };
}

/** A member who does what an open page does: joins the fleet's channel, and says once a minute that somebody watches. */
export async function openViewer(scope: AsyncDisposableStack, stack: BenchStack): Promise<Viewer> {
  const { url, publishableKey: apikey, owner } = stack;
  const post = async (path: string, body: unknown, token = apikey) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { apikey, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${await response.text()}`);
    return (await response.json()) as { access_token: string };
  };
  const { access_token } = await post('/auth/v1/token?grant_type=password', owner);
  const watch = () => post('/rest/v1/rpc/hp_watch', {}, access_token);
  await watch();

  let tcp: Socket | undefined;
  const messages: Record<string, number> = {};
  const waiting: { event?: string; resolve(): void }[] = [];
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}/realtime/v1/websocket?apikey=${apikey}&vsn=1.0.0`,
    {
      perMessageDeflate: false, // hosted Realtime does not compress
      createConnection: () => (tcp = connect(Number(new URL(url).port), new URL(url).hostname)),
    },
  );
  const topic = 'realtime:hp:fleet';
  const send = (topic: string, event: string, payload: unknown) =>
    socket.send(JSON.stringify({ topic, event, payload, ref: '1', join_ref: '1' }));
  await new Promise<void>((joined, reject) => {
    socket.once('error', reject);
    socket.once('open', () =>
      send(topic, 'phx_join', { config: { broadcast: {}, private: true }, access_token }),
    );
    socket.on('message', (data: Buffer) => {
      const { topic: of, event, payload } = JSON.parse(data.toString()) as Frame;
      if (of !== topic) return;
      if (event === 'phx_reply') {
        if (payload.status === 'ok') joined();
        else reject(new Error(`The channel was refused: ${data.toString()}`));
      }
      if (event !== 'broadcast') return;
      const name = payload.event!;
      messages[name] = (messages[name] ?? 0) + 1;
      for (const one of waiting.splice(0)) {
        if ((one.event ?? name) === name) one.resolve();
        else waiting.push(one);
      }
    });
  });
  const timers = [
    setInterval(() => send('phoenix', 'heartbeat', {}), 25_000),
    setInterval(() => void watch().catch((error: unknown) => console.error(error)), 60_000),
  ];
  scope.defer(() => {
    timers.forEach(clearInterval);
    socket.terminate();
  });
  return {
    received: () => ({ messages: { ...messages }, bytes: tcp!.bytesRead }),
    next: (event) => new Promise((resolve) => waiting.push({ event, resolve })),
  };
}
