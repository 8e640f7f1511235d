import type { RealtimeClient } from '@supabase/realtime-js';
import { anything, flag, list, record } from '../rules/wire-reader.ts';
import type { WorkerListener, WorkerSource, WorkerPageData } from './source.ts';
import { joinFleet } from '../live/channel.ts';
import { postWatch, request, tokenKeeper } from '../live/requests.ts';
import type { RealtimeAddress } from '../live/supabase.ts';

const pageWire = record({
  snapshot: anything,
  details: anything,
  events: list(anything),
  eventsCut: flag,
  commands: list(anything),
  moreCommands: flag,
});

/** One worker from Supabase: its page through our own server, messages through Realtime on one socket. */
export function workerSource({ url, publishableKey }: RealtimeAddress, name: string): WorkerSource {
  const path = `/api/workers/${encodeURIComponent(name)}`;
  return {
    page: async () => pageWire(await request(path)) as WorkerPageData,
    watch: () => postWatch(`${path}/watch`),
    listen: (listener, news) =>
      joinFleet(
        {
          endpoint: `${url}/realtime/v1`,
          apikey: publishableKey,
          token: tokenKeeper(),
          worker: true,
          beside: (client) => joinWorker(client, name, news),
        },
        listener,
      ),
  };
}

/** Joins the worker's own channel. It ends with its client. */
function joinWorker(client: RealtimeClient, name: string, news: WorkerListener): void {
  const channel = client.channel(`hp:worker:${name}`, {
    config: { private: true, broadcast: { replication_ready: true } },
  });
  channel.on('broadcast', { event: 'event' }, ({ payload }) => news.event(payload?.event));
  channel.on('broadcast', { event: 'command' }, ({ payload }) => news.command(payload?.command));
  channel.on('broadcast', { event: 'log' }, ({ payload }) => news.log(payload));
  channel.on('system', {}, (payload: { extension?: string; status?: string }) => {
    if (payload.extension === 'system' && payload.status === 'ok') news.joined();
  });
  channel.subscribe((status) => {
    if (status === 'SUBSCRIBED') news.joined();
  });
}
