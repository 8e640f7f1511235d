import { request } from '../../realtime/http.ts';
import type { Desk } from '../../worker/desk.svelte.ts';

/** Fetches a page of what came before the oldest that is known. */
export async function fetchOlder(desk: Desk, kind: 'events' | 'commands'): Promise<void> {
  const query =
    kind === 'events'
      ? `after=${encodeURIComponent(desk.events.at(-1)?.cursor ?? '')}`
      : `before=${desk.commands.at(-1)?.id ?? ''}`;
  const path = `/api/workers/${encodeURIComponent(desk.name)}/${kind}?${query}`;
  desk.older(kind, (await request(path)) as unknown[]);
}
