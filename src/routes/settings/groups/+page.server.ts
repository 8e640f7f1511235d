import { ask } from '$lib/server/database/ask.ts';
import type { Database } from '$lib/server/database/database.types.ts';
import { orAdvice } from '$lib/server/http/advice.ts';
import { fieldsOf, readForm, refuseForm, text, trimmed, type DatabaseAnswer } from '$lib/server/http/form.ts';
import { absolute } from '$lib/time/wording.ts';
import { pause, unpause } from '$lib/worker-page/commands/commands.server.ts';
import { pauseForm } from '$lib/worker-page/commands/pause-until.server.ts';
import { fail } from '@sveltejs/kit';
import { z } from 'zod';
import type { Actions, PageServerLoad } from './$types';

type Tables = Database['public']['Tables'];
type GroupHealthRow = Database['public']['Views']['hp_worker_group_health']['Row'];
type GroupRow = Tables['hp_worker_group']['Row'];

export const load: PageServerLoad = async ({ locals: { session }, parent }) => {
  await parent(); // rejects people without access
  const [known, settings] = await orAdvice(
    session,
    Promise.all([
      ask<GroupHealthRow[]>(session.client.from('hp_worker_group_health').select('*').order('worker_type')),
      ask<GroupRow[]>(session.client.from('hp_worker_group').select('*')),
    ]),
  );
  const now = Date.now();
  return {
    groups: known.map((group) => {
      const type = group.worker_type!;
      const set = settings.find(({ worker_type }) => worker_type === type);
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
        // Formatted here, because a clock in the page would add to every page's code.
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

const COUNTS = 'Desired and minimum must be whole numbers from 0 to 1,000,000.';
const INTERVAL = 'The heartbeat interval must be from 1 to 3,600 seconds.';

/** An empty field is null; other texts than numbers are rejected with the rule's message. */
const figure = (rule: (number: z.ZodNumber) => z.ZodNumber, error: string) =>
  trimmed
    .transform((value) => (value === '' ? null : Number(value)))
    .pipe(rule(z.number({ error })).nullable());
const headcount = figure(
  (number) => number.int({ error: COUNTS }).min(0, { error: COUNTS }).max(1e6, { error: COUNTS }),
  COUNTS,
);
const note = (field: string) =>
  trimmed
    .refine((value) => value.length <= 500, { error: `${field} can have at most 500 characters.` })
    .transform((value) => value || null);

const groupName = z.object({ type: text });

/** The rules of the table's checks, with messages for people. */
const groupSettings = z
  .object({
    desired: headcount,
    minimum: headcount,
    heartbeat_interval_s: figure(
      (number) => number.min(1, { error: INTERVAL }).max(3600, { error: INTERVAL }),
      INTERVAL,
    ),
    description: note('The description'),
    restart_hint: note('The start command'),
    job_url_template: trimmed
      .refine((value) => value === '' || /^https?:\/\/\S{1,1990}$/i.test(value), {
        error: 'The job address must begin with http:// or https://, and have no spaces.',
      })
      .transform((value) => value || null),
  })
  .refine(({ desired, minimum }) => desired === null || minimum === null || minimum <= desired, {
    error: 'The minimum must not be higher than the desired number.',
  });

/** The table's policies decide who may write a group, and hp_pause who may pause it. */
export const actions: Actions = {
  save: async ({ request, locals }) => {
    const fields = await fieldsOf(request);
    const { type } = groupName.parse(fields);
    const { data: row, error } = groupSettings.safeParse(fields);
    if (error) return fail(400, { type, message: error.issues[0]!.message });
    const answer = await locals.session.client.from('hp_worker_group').upsert({ worker_type: type, ...row });
    return answer.error ? refuse(type, answer) : { type, done: `${type} is saved.` };
  },
  remove: async ({ request, locals }) => {
    const { type } = await readForm(request, groupName);
    const answer = await locals.session.client
      .from('hp_worker_group')
      .delete({ count: 'exact' })
      .eq('worker_type', type);
    if (answer.error) return refuse(type, answer);
    if (!answer.count)
      return fail(403, {
        type,
        message: 'Nothing was removed. Only operators and owners can remove settings.',
      });
    return { type, done: `The settings of ${type} are removed. Its workers are unchanged.` };
  },
  pause: async ({ request, locals }) => {
    const { type, ...form } = await readForm(request, groupName.extend(pauseForm.shape));
    const result = await pause(locals.session, { type }, form);
    return 'command' in result
      ? { type, done: `${type} is paused.` }
      : fail(result.status, { type, ...result.data });
  },
  unpause: async ({ request, locals }) => {
    const { type } = await readForm(request, groupName);
    const result = await unpause(locals.session, { type });
    return 'command' in result
      ? { type, done: `${type} is no longer paused.` }
      : fail(result.status, { type, ...result.data });
  },
};

function refuse(type: string, answer: DatabaseAnswer) {
  if (answer.error!.code === '42501')
    return fail(403, { type, message: 'Only operators and owners can edit groups.' });
  return refuseForm(answer, { type });
}
