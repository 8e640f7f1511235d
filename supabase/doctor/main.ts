/** `npm run doctor`: looks at a project, and says what is wrong and what to do. */
import { parseArgs } from 'node:util';
import { examine, type Patient } from './examine.ts';
import type { Finding } from './finding.ts';

const USAGE = `npm run doctor -- [--url URL] [--key KEY]… [--json]

Looks at a Supabase project with Lastseen on it, and says what is wrong and what to do about it. It reads the same
variables as dashboard and workers, which keeps keys out of the shell's history:

  SUPABASE_URL, PUBLIC_SUPABASE_URL           the project; --url
  SUPABASE_SECRET_KEY, SUPABASE_SERVICE_KEY   sees the most; --key
  PUBLIC_SUPABASE_PUBLISHABLE_KEY, SUPABASE_PUBLISHABLE_KEY
                                              what strangers, members and workers with a token come with; --key, too
  HEARTBEAT_TOKEN, WORKER_NAME                a worker's token, to try it
  LASTSEEN_EMAIL, LASTSEEN_PASSWORD           somebody who may sign in, to try what a page does

It marks the fleet as watched for 150 s, which sends some messages, and changes nothing else.
The exit code is 1 where there is trouble, 2 for a wrong option.`;

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
else console.log(troubles === 0 ? '\nNothing stands in the way.' : `\n${troubles} to see to.`);
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
