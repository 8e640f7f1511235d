import { fail } from '@sveltejs/kit';
import type { Json } from '../../server/database/database.types.ts';
import { pauseUntil } from './pause-until.ts';
import type { Session } from '../../server/auth/session.ts';

/** What the database answered: the record of what was asked, or why not. */
interface Answer {
  data: unknown;
  error: { code: string; message: string; hint?: string | null } | null;
  status: number;
}

/** Asks something of a worker, as its page's form says. */
export async function request(session: Session, name: string, form: FormData) {
  const level = text(form, 'level');
  return formAnswer(
    await session.client.rpc('hp_request_command', {
      worker_name: name,
      command: text(form, 'command'),
      reason: text(form, 'reason'),
      args: (level ? { level } : {}) as Json,
      // The process that was shown: what came after it was not meant.
      instance_id: text(form, 'instance') || undefined,
    }),
  );
}

/** Pauses a worker, or a whole group. */
export async function pause(session: Session, whom: { name: string } | { type: string }, form: FormData) {
  const until = pauseUntil(form, new Date());
  if (typeof until === 'string') return fail(400, { message: until, hint: null });
  return formAnswer(
    await session.client.rpc('hp_pause', {
      ...target(whom),
      until: until.toISOString(),
      reason: text(form, 'reason'),
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

function formAnswer({ data, error, status }: Answer) {
  if (!error) return { command: data };
  if (status === 401) return fail(401, { message: 'Your session has ended. Sign in again.', hint: null });
  // Ours name what is wrong in words; others are not for people.
  if (!error.code?.startsWith('PT'))
    return fail(502, { message: 'The database answered with an unexpected error. Try again.', hint: null });
  const { message, hint } = error;
  return fail(status, { message: `${message[0]!.toUpperCase()}${message.slice(1)}.`, hint: hint || null });
}

function text(form: FormData, field: string): string {
  const value = form.get(field);
  return typeof value === 'string' ? value : '';
}
