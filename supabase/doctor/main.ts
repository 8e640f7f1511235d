/** `npm run doctor`: checks a project, and says what is wrong and what to do. */
import { parseArgs } from 'node:util';
import { examine, type Patient } from './examine.ts';
import type { Finding } from './finding.ts';

const USAGE = `npm run doctor -- [--url URL] [--key KEY]… [--json]

Checks a Supabase project with Lastseen, and says what is wrong and what to do. Reads the environment variables of
dashboard and workers, so that no key has to be in the shell's history:

  SUPABASE_URL, PUBLIC_SUPABASE_URL           the project; --url
  SUPABASE_SECRET_KEY, SUPABASE_SERVICE_KEY   for most checks; --key
  PUBLIC_SUPABASE_PUBLISHABLE_KEY, SUPABASE_PUBLISHABLE_KEY
                                              the key of strangers, members and workers with a token; --key, too
  HEARTBEAT_TOKEN, WORKER_NAME                checks a worker's token
  LASTSEEN_EMAIL, LASTSEEN_PASSWORD           signs in as this member, and reads the fleet as a page does

The doctor counts as an open page for 150 s, so the database sends some messages. It changes nothing else.
Exit code: 0 all is well, 1 there is trouble, 2 wrong option.`;

const KEY_VARIABLES = [
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SERVICE_KEY',
  'PUBLIC_SUPABASE_PUBLISHABLE_KEY',
  'SUPABASE_PUBLISHABLE_KEY',
];
const MARKS = { fine: '✓', warning: '!', trouble: '✗', skipped: '–' } as const;

const flags = understood();
if (flags.help) {
  console.log(USAGE);
  process.exit();
}
const findings: Finding[] = [];
for await (const finding of examine(patient())) {
  findings.push(finding);
  if (!flags.json) console.log(line(finding));
}
const troubles = findings.filter(({ level }) => level === 'trouble').length;
if (flags.json) console.log(JSON.stringify({ ok: troubles === 0, findings }));
else
  console.log(
    troubles === 0
      ? '\nNo trouble found.'
      : `\nFix ${troubles} ${troubles === 1 ? 'problem' : 'problems'} (✗).`,
  );
process.exit(troubles === 0 ? 0 : 1);

function understood() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string' },
        key: { type: 'string', multiple: true },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function patient(): Patient {
  const { env } = process;
  const given = (flags.key ?? []).map((value) => ({ name: '--key', value }));
  const found = KEY_VARIABLES.map((name) => ({ name, value: env[name] ?? '' })).filter(({ value }) => value);
  const {
    HEARTBEAT_TOKEN: token,
    WORKER_NAME: name,
    LASTSEEN_EMAIL: email,
    LASTSEEN_PASSWORD: password,
  } = env;
  return {
    url: flags.url ?? (env.SUPABASE_URL || env.PUBLIC_SUPABASE_URL),
    keys: given.length > 0 ? given : found,
    person: email && password ? { email, password } : undefined,
    token: token && name ? { value: token, name } : undefined,
  };
}

function line({ level, about, says, todo = [] }: Finding): string {
  return [`${MARKS[level]} ${about}: ${says}`, ...todo.map((step) => `    → ${step}`)].join('\n');
}
