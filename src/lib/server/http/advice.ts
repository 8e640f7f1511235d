import { error } from '@sveltejs/kit';
import { Refused } from '../database/refusal.ts';
import type { Session } from '../auth/session.ts';

const LOOPBACK = /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/;

/**
 * The error page's text for each refusal. Here and not on that page, because the browser loads that page with every other one.
 *
 * @param session its address is shown to a person who is not a member
 */
export async function advice({ kind, detail }: Refused, session: Pick<Session, 'email'>): Promise<App.Error> {
  switch (kind) {
    case 'not-a-member': {
      const email = await session.email();
      return {
        message: 'You are not a member',
        advice: `You are signed in${email ? ` as ${email}` : ''}, but this account is not a member. An owner can invite this address under Settings → Members; the invitation works after the address is confirmed. Add the first owner in the SQL editor:`,
        command: `select hp_add_member('${(email || 'you@example.com').replaceAll("'", "''")}', 'owner');`,
        signOut: true,
      };
    }
    case 'unreachable':
      return LOOPBACK.test(detail)
        ? {
            message: 'Supabase is unreachable',
            advice: `No answer from ${detail}. If the local stack is not running, start it:`,
            command: 'npm run stack',
          }
        : {
            message: 'Supabase is unreachable',
            advice: `No answer from ${detail}. The project may be paused: open it at supabase.com, and resume it.`,
          };
    case 'migrations-missing':
      return {
        message: 'The database is not set up',
        advice: 'The project answers, but Lastseen’s tables and functions are missing. Apply the migrations:',
        command: 'npx supabase db push',
      };
    default:
      return { message: 'The database answered with an error', advice: 'Its message:', command: detail };
  }
}

/** Returns the result of `work`. If the database refuses, shows the error page with advice. */
export async function orAdvice<T>(session: Pick<Session, 'email'>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    error(refused.status, await advice(refused, session));
  }
}
