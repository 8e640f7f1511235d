import { error, redirect } from '@sveltejs/kit';
import { visible } from '$lib/worker/values.ts';
import { advice } from '$lib/server/advice.ts';
import { configuration } from '$lib/server/configuration.ts';
import { Refused } from '$lib/server/fleet.ts';
import { requireMember } from '$lib/server/member.ts';
import { readWorker } from '$lib/server/worker.ts';
import { markSeen, pause, request, unpause } from '$lib/server/worker-acts.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  const { params, locals } = event;
  if (params.name === '') redirect(307, '/');
  const member = await requireMember(event);
  const page = await readWorker(locals.session, params.name, event.url.searchParams.get('after')).catch(
    async (refused: unknown) => {
      if (!(refused instanceof Refused)) throw refused;
      if (refused.kind === 'not-found') noSuchWorker(params.name);
      error(refused.status, await advice(refused, locals.session));
    },
  );
  if (page.details === null) noSuchWorker(params.name);
  return { name: params.name, page, member, realtime: configuration() };
};

function noSuchWorker(name: string): never {
  error(404, {
    message: 'There is no such worker',
    advice: `No worker named ${visible(name)} has ever reported, or it was removed.`,
  });
}

/** Who may do what the database asks: each of its functions does, and records every try. */
export const actions: Actions = {
  command: async ({ request: asked, locals, params }) =>
    request(locals.session, params.name, await asked.formData()),
  pause: async ({ request: asked, locals, params }) =>
    pause(locals.session, { name: params.name }, await asked.formData()),
  unpause: ({ locals, params }) => unpause(locals.session, { name: params.name }),
  seen: ({ locals, params }) => markSeen(locals.session, params.name),
};
