import { fail } from '@sveltejs/kit';
import { z } from 'zod';
import type { Session } from '../../server/auth/session.ts';
import type { Json } from '../../server/database/database.types.ts';
import { readForm, refuseForm, text, type DatabaseAnswer } from '../../server/http/form.ts';
import { pauseForm, pauseUntil } from './pause-until.server.ts';

const commandForm = z.object({
  command: text,
  reason: text,
  level: text,
  /** The process on the page. The command is not for a later one. */
  instance: text,
});

/** Sends a command from the worker page's form. */
export async function request(session: Session, name: string, request: Request) {
  const { level, command, reason, instance } = await readForm(request, commandForm);
  return formAnswer(
    await session.client.rpc('hp_request_command', {
      worker_name: name,
      command,
      reason,
      args: (level ? { level } : {}) as Json,
      instance_id: instance || undefined,
    }),
  );
}

/** Pauses a worker, or a whole group. */
export async function pause(
  session: Session,
  whom: { name: string } | { type: string },
  form: z.infer<typeof pauseForm>,
) {
  const until = pauseUntil(form, new Date());
  if (typeof until === 'string') return fail(400, { message: until, hint: null });
  return formAnswer(
    await session.client.rpc('hp_pause', {
      ...target(whom),
      until: until.toISOString(),
      reason: form.reason,
    }),
  );
}

/** Ends the pause of a worker, or of a whole group. */
export async function unpause(session: Session, whom: { name: string } | { type: string }) {
  return formAnswer(await session.client.rpc('hp_unpause', target(whom)));
}

/** Marks a worker's trouble as seen. */
export async function markSeen(session: Session, name: string) {
  return formAnswer(await session.client.rpc('hp_mark_seen', { worker_name: name }));
}

function target(whom: { name: string } | { type: string }) {
  return 'name' in whom ? { worker_name: whom.name } : { worker_type: whom.type };
}

/** The recorded action, or the error. */
function formAnswer(answer: DatabaseAnswer & { data: unknown }) {
  return answer.error ? refuseForm(answer) : { command: answer.data };
}
