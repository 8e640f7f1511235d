import { error, redirect, type RequestEvent } from '@sveltejs/kit';
import { z } from 'zod';
import { visible } from '$lib/worker-page/metadata/values.ts';
import { orAdvice } from '$lib/server/http/advice.ts';
import { configuration } from '$lib/server/database/configuration.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import { queryOf } from '$lib/server/http/query.ts';
import { readForm } from '$lib/server/http/form.ts';
import { pauseForm } from '$lib/worker-page/commands/pause-until.server.ts';
import { requireMember } from '$lib/server/auth/member.ts';
import { readWorker } from '$lib/worker-page/worker.server.ts';
import { markSeen, pause, request, unpause } from '$lib/worker-page/commands/commands.server.ts';
import type { Actions, PageServerLoad } from './$types';

/** The cursor of older events, for use without JavaScript. */
const query = z.object({ before: z.string().nullable().default(null) });

export const load: PageServerLoad = async (event) => {
  const { params, locals } = event;
  if (params.name === '') redirect(307, '/');
  const member = await requireMember(event);
  const { before } = queryOf(event.url, query);
  const page = await orAdvice(
    locals.session,
    readWorker(locals.session, params.name, before).catch((refused: unknown) => {
      if (refused instanceof Refused && refused.kind === 'not-found') noSuchWorker(params.name);
      throw refused;
    }),
  );
  if (page.details === null) noSuchWorker(params.name);
  return { name: params.name, page, member, realtime: configuration() };
};

function noSuchWorker(name: string): never {
  error(404, {
    message: 'There is no such worker',
    advice: `No worker named ${visible(name)} has reported, or it was removed.`,
  });
}

/** The database decides who may do what, and its functions record every attempt. */
export const actions: Actions = {
  command: async (event) =>
    answer(event, await request(event.locals.session, event.params.name, event.request)),
  pause: async (event) => {
    const form = await readForm(event.request, pauseForm);
    return answer(event, await pause(event.locals.session, { name: event.params.name }, form));
  },
  unpause: async (event) => answer(event, await unpause(event.locals.session, { name: event.params.name })),
  seen: async (event) => answer(event, await markSeen(event.locals.session, event.params.name)),
};

/** Without JavaScript, a success redirects, so that a reload does not send the form again. */
function answer<T extends object>({ request, url }: RequestEvent, result: T): T {
  const byScript = request.headers.get('x-sveltekit-action') === 'true';
  if (!byScript && 'command' in result) redirect(303, `${url.pathname}?action=done`);
  return result;
}
