import { answer } from '$lib/server/http/answer.ts';
import { ofKnown, readEvents } from '$lib/worker-page/worker.server.ts';
import { z } from 'zod';
import type { RequestHandler } from './$types';

const wanted = z.object({ before: z.string().nullable(), kinds: z.array(z.string()) });

/** `?before=<at>~<id>&kind=status`: a page of older events. */
export const GET: RequestHandler = ({ locals, params, url: { searchParams } }) =>
  answer(() => {
    const { before, kinds } = wanted.parse({
      before: searchParams.get('before'),
      kinds: searchParams.getAll('kind'),
    });
    return ofKnown(
      locals.session,
      params.name,
      () => readEvents(locals.session, params.name, { before, kinds: kinds.length > 0 ? kinds : null }),
      // Events of the monitor come with every worker's.
      ({ list }) => list.some((event) => (event as { worker_name: string | null }).worker_name !== null),
    );
  });
