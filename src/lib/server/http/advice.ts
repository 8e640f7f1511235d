import { error } from '@sveltejs/kit';
import { Refused } from '../database/refusal.ts';
import type { Session } from '../auth/session.ts';

const LOOPBACK = /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/;

/**
 * What the error page says of each refusal. Here and not there, for the browser loads that page beside every other.
 *
 * @param session whose address a stranger is to be invited by; what the database said is none
 */
export async function advice({ kind, detail }: Refused, session: Pick<Session, 'email'>): Promise<App.Error> {
  switch (kind) {
    case 'not-a-member': {
      const email = await session.email();
      return {
        message: 'You are not a member',
        advice: `You are signed in${email ? ` as ${email}` : ''}, but this account may not see these workers. An owner can invite this address under Settings, Members; an invite counts once the address is confirmed. The first owner of all is made in the SQL editor:`,
        command: `select hp_add_member('${(email || 'you@example.com').replaceAll("'", "''")}', 'owner');`,
        signOut: true,
      };
    }
    case 'unreachable':
      return LOOPBACK.test(detail)
        ? {
            message: 'Supabase is unreachable',
            advice: `No answer from ${detail}. Is the local stack not running? It starts with:`,
            command: 'npm run stack',
          }
        : {
            message: 'Supabase is unreachable',
            advice: `No answer from ${detail}. Is the project paused? Its page at Supabase says so, and resumes it.`,
          };
    case 'migrations-missing':
      return {
        message: 'The database is not set up',
        advice:
          'The project answers, but Lastseen’s tables and functions are not there. Apply the migrations:',
        command: 'npx supabase db push',
      };
    default:
      return { message: 'The database answered with an error', advice: 'It said:', command: detail };
  }
}

/** What `work` gives; where the database refuses it, the error page with advice. */
export async function orAdvice<T>(session: Pick<Session, 'email'>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    error(refused.status, await advice(refused, session));
  }
}
