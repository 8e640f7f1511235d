import { requireMember } from '$lib/server/auth/member.ts';
import type { Session } from '$lib/server/auth/session.ts';
import { ask } from '$lib/server/database/ask.ts';
import type { Database } from '$lib/server/database/database.types.ts';
import { orAdvice } from '$lib/server/http/advice.ts';
import { readForm, refuseForm, several, text } from '$lib/server/http/form.ts';
import { absolute } from '$lib/time/wording.ts';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

type Tables = Database['public']['Tables'];
type Row<T extends keyof Tables> = Tables[T]['Row'];

/** The Data API's limit of rows in a response. */
const ROWS = 1000;

export const load: PageServerLoad = async (event) => {
  await requireMember(event);
  const { client } = event.locals.session;
  const [settings, keys, workers] = await orAdvice(
    event.locals.session,
    Promise.all([
      ask<Pick<Row<'hp_setting'>, 'key' | 'value'>[]>(
        client.from('hp_setting').select('key, value').in('key', ['public_page', 'frame_ancestors']),
      ),
      ask<Pick<Row<'hp_embed_key'>, 'id' | 'label' | 'created_at' | 'last_used_at'>[]>(
        client.from('hp_embed_key').select('id, label, created_at, last_used_at').order('created_at'),
      ),
      allWorkers(client),
    ]),
  );
  const setting = (key: string) => settings.find((one) => one.key === key)?.value;
  return {
    origin: event.url.origin,
    shown: setting('public_page') === true,
    sources: String(setting('frame_ancestors') ?? "'self'"),
    // Formatted here, so that a settings page adds no code to the fleet page.
    keys: keys.map(({ id, label, created_at, last_used_at }) => ({
      id,
      label,
      made: absolute(new Date(created_at)).slice(0, '2026-11-22'.length),
      used: last_used_at && absolute(new Date(last_used_at)),
    })),
    workers,
  };
};

const publicPage = z.object({ shown: text, worker: several });
const sites = z.object({ sources: text });
const newKey = z.object({ label: text });
const oldKey = z.object({ id: text });

export const actions: Actions = {
  async show({ request, locals }) {
    const { shown, worker: workers } = await readForm(request, publicPage);
    const answer = await locals.session.client.rpc('hp_set_public_page', { shown: shown === 'on', workers });
    return answer.error ? refuseForm(answer, { section: 'show' }) : { saved: 'show' };
  },

  async frame({ request, locals }) {
    const { sources } = await readForm(request, sites);
    const answer = await locals.session.client.rpc('hp_set_frame_ancestors', { sources });
    return answer.error ? refuseForm(answer, { section: 'frame' }) : { saved: 'frame' };
  },

  async create({ request, locals }) {
    const { label } = await readForm(request, newKey);
    const answer = await locals.session.client.rpc('hp_create_embed_key', { label });
    if (answer.error) return refuseForm(answer, { section: 'create' });
    return { saved: 'create', key: (answer.data as { key: string }).key };
  },

  async revoke({ request, locals }) {
    const { id } = await readForm(request, oldKey);
    const answer = await locals.session.client.rpc('hp_revoke_embed_key', { id });
    return answer.error ? refuseForm(answer, { section: 'revoke' }) : { saved: 'revoke' };
  },
};

/** All workers, because saving the form makes every worker private that is not in it. */
async function allWorkers(client: Session['client']) {
  const workers: Pick<Row<'hp_worker_status'>, 'worker_name' | 'is_public'>[] = [];
  for (;;) {
    const some = await ask<typeof workers>(
      client
        .from('hp_worker_status')
        .select('worker_name, is_public')
        .order('worker_name')
        .range(workers.length, workers.length + ROWS - 1),
    );
    workers.push(...some);
    if (some.length < ROWS) return workers;
  }
}
