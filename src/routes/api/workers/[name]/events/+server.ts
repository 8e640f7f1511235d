import { answer } from '$lib/server/http/answer.ts';
import { ofKnown, readEvents } from '$lib/worker-page/worker.server.ts';
import { z } from 'zod';
import type { RequestHandler } from './$types';

const wanted = z.object({ after: z.string().nullable(), kinds: z.array(z.string()) });

/** `?after=<at>~<id>&kind=status`: a page of older events. */
export const GET: RequestHandler = ({ locals, params, url: { searchParams } }) =>
  answer(() => {
    const { after, kinds } = wanted.parse({
      after: searchParams.get('after'),
      kinds: searchParams.getAll('kind'),
    });
    return ofKnown(
      locals.session,
      params.name,
      () => readEvents(locals.session, params.name, { after, kinds: kinds.length > 0 ? kinds : null }),
      // Events of the monitor come with every worker's.
      ({ list }) => list.some((event) => (event as { worker_name: string | null }).worker_name !== null),
    );
  });
