import { request } from '../../realtime/http.ts';
import { anything, flag, list, record } from '../../fleet/shape.ts';
import type { Desk } from '../../worker/desk.svelte.ts';

const older = record({ list: list(anything), more: flag });

/** Fetches a page of what came before the oldest that is known. */
export async function fetchOlder(desk: Desk, kind: 'events' | 'commands'): Promise<void> {
  const query =
    kind === 'events'
      ? `after=${encodeURIComponent(desk.events.at(-1)?.cursor ?? '')}`
      : `before=${desk.commands.at(-1)?.id ?? ''}`;
  const path = `/api/workers/${encodeURIComponent(desk.name)}/${kind}?${query}`;
  const answer = older(await request(path));
  desk.older(kind, answer.list, answer.more);
}
