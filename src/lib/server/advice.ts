import type { Refused } from './fleet.ts';

/** What the error page says of each refusal. Here and not there, for the browser loads that page beside every other. */
export function advice({ kind, detail }: Refused): App.Error {
  switch (kind) {
    case 'not-a-member':
      return {
        message: 'You are not a member',
        advice: `You are signed in${detail && ` as ${detail}`}, but this account may not see these workers. An owner can invite this address under Settings, Members; an invite counts once the address is confirmed. The first owner of all is made in the SQL editor:`,
        command: `select hp_add_member('${(detail || 'you@example.com').replaceAll("'", "''")}', 'owner');`,
        signOut: true,
      };
    case 'unreachable':
      return {
        message: 'Supabase is unreachable',
        advice: `No answer from ${detail}. Is the project paused, or the local stack not running? That starts with:`,
        command: 'npm run stack',
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
