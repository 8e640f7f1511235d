import { answer } from '$lib/server/answer.ts';
import { readEvents } from '$lib/server/worker.ts';
import type { RequestHandler } from './$types';

/** `?after=<at>~<id>&kind=status`: a page of older events. */
export const GET: RequestHandler = ({ locals, params, url }) =>
  answer(() =>
    readEvents(locals.session, params.name, {
      after: url.searchParams.get('after'),
      kinds: url.searchParams.has('kind') ? url.searchParams.getAll('kind') : null,
    }),
  );
