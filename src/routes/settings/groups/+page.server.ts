import { error, fail } from '@sveltejs/kit';
import { advice } from '$lib/server/http/advice.ts';
import { refusal } from '$lib/server/database/refusal.ts';
import { pause, unpause } from '$lib/worker-page/commands/commands.server.ts';
import { absolute } from '$lib/time/wording.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ locals, parent }) => {
  await parent(); // says who may be here, in words
  const { client } = locals.session;
  const [known, settings] = await Promise.all([
    client.from('hp_worker_group_health').select('*').order('worker_type'),
    client.from('hp_worker_group').select('*'),
  ]);
  for (const { error: trouble, status } of [known, settings]) {
    if (!trouble) continue;
    const refused = refusal(status, trouble.code, trouble.message);
    error(refused.status, await advice(refused, locals.session));
  }
  const now = Date.now();
  return {
    groups: (known.data ?? []).map((group) => {
      const type = group.worker_type!;
      const set = settings.data?.find(({ worker_type }) => worker_type === type);
      const until = set?.paused_until ?? null;
      return {
        type,
        isSet: set !== undefined,
        running: `${group.alive}/${group.expected} running`,
        level: group.level!,
        reason: group.reason ?? '',
        desired: set?.desired ?? null,
        minimum: set?.minimum ?? null,
        description: set?.description ?? '',
        jobUrlTemplate: set?.job_url_template ?? '',
        restartHint: set?.restart_hint ?? '',
        intervalSeconds: set?.heartbeat_interval_s ?? null,
        // The words are made here: a clock in the page would add to what every page loads.
        paused:
          until && (until === 'infinity' || Date.parse(until) > now)
            ? {
                until: until === 'infinity' ? 'further notice' : absolute(new Date(until)),
                reason: set?.paused_reason ?? '',
              }
            : null,
      };
    }),
  };
};

/** Who may write a group is asked by its policies, and by hp_pause. */
export const actions: Actions = {
  save: async ({ request, locals }) => {
    const form = await request.formData();
    const type = text(form, 'type');
    const row = {
      desired: whole(form, 'desired'),
      minimum: whole(form, 'minimum'),
      description: text(form, 'description').trim() || null,
      job_url_template: text(form, 'job_url_template').trim() || null,
      restart_hint: text(form, 'restart_hint').trim() || null,
      heartbeat_interval_s: figure(form, 'heartbeat_interval_s'),
    };
    const wrong = problem(row);
    if (wrong) return fail(400, { type, message: wrong });
    const { client } = locals.session;
    const { error: trouble, status } = await client
      .from('hp_worker_group')
      .upsert({ worker_type: type, ...row });
    return trouble ? refuse(type, trouble, status) : { type, done: `${type} is saved.` };
  },
  remove: async ({ request, locals }) => {
    const type = text(await request.formData(), 'type');
    const { client } = locals.session;
    const {
      error: trouble,
      status,
      count,
    } = await client.from('hp_worker_group').delete({ count: 'exact' }).eq('worker_type', type);
    if (trouble) return refuse(type, trouble, status);
    if (!count)
      return fail(403, {
        type,
        message: 'Nothing was removed. Only operators and owners can remove settings.',
      });
    return { type, done: `The settings of ${type} are removed. Its workers are unchanged.` };
  },
  pause: async ({ request, locals }) => {
    const form = await request.formData();
    const type = text(form, 'type');
    const came = await pause(locals.session, { type }, form);
    return 'command' in came
      ? { type, done: `${type} is paused.` }
      : fail(came.status, { type, ...came.data });
  },
  unpause: async ({ request, locals }) => {
    const type = text(await request.formData(), 'type');
    const came = await unpause(locals.session, { type });
    return 'command' in came
      ? { type, done: `${type} is no longer paused.` }
      : fail(came.status, { type, ...came.data });
  },
};

interface Edited {
  desired: number | null;
  minimum: number | null;
  description: string | null;
  job_url_template: string | null;
  restart_hint: string | null;
  heartbeat_interval_s: number | null;
}

/** What the table's checks would refuse, in words for people. */
function problem(row: Edited): string | null {
  const { desired, minimum, heartbeat_interval_s: interval } = row;
  if (outside(desired, 0, 1e6) || outside(minimum, 0, 1e6))
    return 'Desired and minimum must be whole numbers from 0 to 1,000,000.';
  if (minimum !== null && desired !== null && minimum > desired)
    return 'The minimum must not be higher than the desired number.';
  if (outside(interval, 1, 3600)) return 'The heartbeat interval must be from 1 to 3,600 seconds.';
  if ((row.description?.length ?? 0) > 500) return 'The description can have at most 500 characters.';
  if ((row.restart_hint?.length ?? 0) > 500) return 'The start command can have at most 500 characters.';
  if (row.job_url_template !== null && !/^https?:\/\/\S{1,1990}$/i.test(row.job_url_template))
    return 'The job address must begin with http:// or https://, and have no spaces.';
  return null;
}

function outside(value: number | null, least: number, most: number): boolean {
  return value !== null && !(value >= least && value <= most);
}

function refuse(type: string, { code }: { code: string }, status: number) {
  if (status === 401) return fail(401, { type, message: 'Your session has ended. Sign in again.' });
  if (status === 403 || code === '42501')
    return fail(403, { type, message: 'Only operators and owners can edit groups.' });
  return fail(502, { type, message: 'The database did not save this. Try again.' });
}

function text(form: FormData, field: string): string {
  const value = form.get(field);
  return typeof value === 'string' ? value : '';
}

/** NaN, which no range holds, for what is no number; null for nothing. */
function figure(form: FormData, field: string): number | null {
  const value = text(form, field).trim();
  return value === '' ? null : Number(value);
}

function whole(form: FormData, field: string): number | null {
  const value = figure(form, field);
  return value === null || Number.isInteger(value) ? value : NaN;
}
