import { answer } from '$lib/server/http/answer.ts';
import { ofKnown, readEvents } from '$lib/worker-page/worker.server.ts';
import type { RequestHandler } from './$types';

/** `?after=<at>~<id>&kind=status`: a page of older events. */
export const GET: RequestHandler = ({ locals, params, url }) =>
  answer(() =>
    ofKnown(
      locals.session,
      params.name,
      () =>
        readEvents(locals.session, params.name, {
          after: url.searchParams.get('after'),
          kinds: url.searchParams.has('kind') ? url.searchParams.getAll('kind') : null,
        }),
      // Those of the watch are told with every worker's.
      ({ list }) => list.some((event) => (event as { worker_name: string | null }).worker_name !== null),
    ),
  );
