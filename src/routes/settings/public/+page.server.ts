import { error, fail } from '@sveltejs/kit';
import { advice } from '$lib/server/http/advice.ts';
import { refusal } from '$lib/server/database/refusal.ts';
import { requireMember } from '$lib/server/auth/member.ts';
import { absolute } from '$lib/time/wording.ts';
import type { Session } from '$lib/server/auth/session.ts';
import type { Actions, PageServerLoad } from './$types';

/** The Data API gives no more rows at once. */
const ROWS = 1000;

export const load: PageServerLoad = async (event) => {
  await requireMember(event);
  const { session } = event.locals;
  const { client } = session;
  const [settings, keys, workers] = await Promise.all([
    read(
      session,
      client.from('hp_setting').select('key, value').in('key', ['public_page', 'frame_ancestors']),
    ),
    read(
      session,
      client.from('hp_embed_key').select('id, label, created_at, last_used_at').order('created_at'),
    ),
    allWorkers(session),
  ]);
  const setting = (key: string) => settings.find((one) => one.key === key)?.value;
  return {
    origin: event.url.origin,
    shown: setting('public_page') === true,
    sources: String(setting('frame_ancestors') ?? "'self'"),
    // Words are made here: a page of settings adds nothing to what the fleet page loads.
    keys: keys.map(({ id, label, created_at, last_used_at }) => ({
      id,
      label,
      made: absolute(new Date(created_at)).slice(0, '2026-11-22'.length),
      used: last_used_at && absolute(new Date(last_used_at)),
    })),
    workers,
  };
};

export const actions: Actions = {
  async show({ request, locals }) {
    const form = await request.formData();
    const workers = form.getAll('worker').map(String);
    const { error: refused } = await locals.session.client.rpc('hp_set_public_page', {
      shown: form.get('shown') === 'on',
      workers,
    });
    return refused ? wrong('show', refused) : { saved: 'show' };
  },

  async frame({ request, locals }) {
    const sources = String((await request.formData()).get('sources') ?? '');
    const { error: refused } = await locals.session.client.rpc('hp_set_frame_ancestors', { sources });
    return refused ? wrong('frame', refused) : { saved: 'frame' };
  },

  async create({ request, locals }) {
    const label = String((await request.formData()).get('label') ?? '');
    const { data, error: refused } = await locals.session.client.rpc('hp_create_embed_key', { label });
    if (refused) return wrong('create', refused);
    const { key } = data as { key: string };
    return { saved: 'create', key };
  },

  async revoke({ request, locals }) {
    const id = String((await request.formData()).get('id') ?? '');
    const { error: refused } = await locals.session.client.rpc('hp_revoke_embed_key', { id });
    return refused ? wrong('revoke', refused) : { saved: 'revoke' };
  },
};

/** Which form it was, and what the database said: its refusals are written for people. */
function wrong(section: string, { code, message }: { code: string; message: string }) {
  const status = Number(/^PT(4\d\d)$/.exec(code)?.[1] ?? 503);
  return fail(status, {
    section,
    message: status === 503 ? 'The database did not save this. Try again.' : message,
  });
}

interface Answer<T> {
  data: T | null;
  error: { code: string; message: string } | null;
  status: number;
}

async function read<T>(session: Session, question: PromiseLike<Answer<T>>): Promise<T> {
  const { data, error: trouble, status } = await question;
  if (!trouble && data) return data;
  const refused = refusal(status, trouble?.code ?? '', trouble?.message ?? 'no answer');
  error(refused.status, await advice(refused, session));
}

/** All of them: what is saved is which workers are public, and one that the form does not know would be none. */
async function allWorkers(session: Session) {
  const workers: { worker_name: string; is_public: boolean }[] = [];
  for (;;) {
    const some = await read(
      session,
      session.client
        .from('hp_worker_status')
        .select('worker_name, is_public')
        .order('worker_name')
        .range(workers.length, workers.length + ROWS - 1),
    );
    workers.push(...some);
    if (some.length < ROWS) return workers;
  }
}
