import { request } from '../live/requests.ts';
import { anything, flag, list, record } from '../rules/wire-reader.ts';
import type { WorkerPage } from './worker-page.svelte.ts';

const older = record({ list: list(anything), more: flag });

/** Fetches a page of older events or commands. */
export async function fetchOlder(view: WorkerPage, kind: 'events' | 'commands'): Promise<void> {
  const before = kind === 'events' ? view.events.at(-1)?.cursor : view.commands.at(-1)?.id;
  const path = `/api/workers/${encodeURIComponent(view.name)}/${kind}?before=${encodeURIComponent(before ?? '')}`;
  const answer = older(await request(path));
  view.older(kind, answer.list, answer.more);
}
