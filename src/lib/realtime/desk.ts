import type { RealtimeClient } from '@supabase/realtime-js';
import { list, maybe, number, record, text, anything } from '../fleet/shape.ts';
import type { DeskNews, DeskSource, LogLine, WorkerPage } from '../worker/source.ts';
import { joinFleet } from './channel.ts';
import { request, tokenKeeper } from './http.ts';
import type { RealtimeAddress } from './supabase.ts';

const pageWire = record({
  snapshot: anything,
  details: anything,
  events: list(anything),
  commands: list(anything),
});
const watchWire = record({ now: text, tick_at: maybe(text) });
const linesWire = record({ lines: list(anything), dropped: maybe(number) });

/** One worker's news from Supabase: pages of it through our own server, messages through Realtime on one socket. */
export function deskSource({ url, publishableKey }: RealtimeAddress, name: string): DeskSource {
  const path = `/api/workers/${encodeURIComponent(name)}`;
  return {
    page: async () => pageWire(await request(path)) as WorkerPage,
    watch: async () => {
      const answer = watchWire(await request(`${path}/watch`, { method: 'POST' }));
      return { now: new Date(answer.now), tickAt: answer.tick_at ? new Date(answer.tick_at) : null };
    },
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
function joinWorker(client: RealtimeClient, name: string, news: DeskNews): void {
  const channel = client.channel(`hp:worker:${name}`, {
    config: { private: true, broadcast: { replication_ready: true } },
  });
  channel.on('broadcast', { event: 'event' }, ({ payload }) => news.event(payload));
  channel.on('broadcast', { event: 'command' }, ({ payload }) => news.command(payload));
  channel.on('broadcast', { event: 'log' }, ({ payload }) => {
    try {
      news.log(linesWire(payload).lines as LogLine[]);
    } catch {
      // Lines that cannot be read are in the table all the same.
    }
  });
  channel.on('system', {}, (payload: { extension?: string; status?: string }) => {
    if (payload.extension === 'system' && payload.status === 'ok') news.joined();
  });
  channel.subscribe((status) => {
    if (status === 'SUBSCRIBED') news.joined();
  });
}
