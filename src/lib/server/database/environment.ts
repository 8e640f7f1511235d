import { z } from 'zod';
import { isSecret, keyKind, projectOf } from './key-kind.ts';

/** The dashboard's environment variables. */
export interface Environment {
  url: string;
  publishableKey: string;
}

/** One variable that is missing or looks wrong. */
export interface Problem {
  name: string;
  /** The text after the name: "is not set". Never contains the value. */
  says: string;
  /** The dashboard can't work or must not work with it. */
  fatal: boolean;
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
/** The minimum of `/api/tick`. */
const SHORTEST_SECRET = 16;

/** A rule with its message, and whether the dashboard can work without a fix. */
function rule<T extends z.ZodType<string>>(
  type: T,
  check: (value: string) => string | undefined,
  fatal = true,
) {
  return type.check((context) => {
    const says = check(context.value);
    if (says) context.issues.push({ code: 'custom', message: says, input: '', params: { fatal } });
  });
}

const set = z.string({ error: 'is not set' }).min(1, { error: 'is not set', abort: true });

const url = rule(set, (value) => {
  const parsed = URL.parse(value);
  if (!parsed || !/^https?:$/.test(parsed.protocol)) return 'is not an address like https://….supabase.co';
  if (parsed.protocol === 'http:' && !LOOPBACK.test(parsed.hostname)) {
    return 'has no https, so sessions and keys would be sent unencrypted';
  }
  if (parsed.username || parsed.password) return 'contains a password, but is sent to every browser';
  if (parsed.pathname !== '/' || parsed.search) return 'has a path; the address of a project has none';
  return undefined;
});

const publishableKey = rule(
  rule(set, (value) => {
    const found = keyKind(value);
    if (isSecret(found))
      return `is ${found.words}, and would be sent to every browser. Set the publishable key instead`;
    if (found.kind === 'cut-off') return `is ${found.words}`;
    return found.kind === 'unknown'
      ? `is ${found.words}. A publishable key begins with sb_publishable_`
      : undefined;
  }),
  (value) => {
    const found = keyKind(value);
    if (found.kind !== 'anon') return undefined;
    return `is ${found.words}. Supabase stops accepting this kind at the end of 2026. Set a publishable key instead`;
  },
  false,
);

const secretKey = rule(
  z.string(),
  (value) => {
    const found = keyKind(value);
    if (value === '' || found.kind === 'secret' || found.kind === 'service-role') return undefined;
    if (found.kind === 'cut-off') return `is ${found.words}`;
    return `is ${found.words}. A secret key begins with sb_secret_. Only /api/tick uses it`;
  },
  false,
);

const cronSecret = rule(
  z.string(),
  (value) =>
    value === '' || value.length >= SHORTEST_SECRET
      ? undefined
      : `is shorter than ${SHORTEST_SECRET} characters, so /api/tick rejects every call`,
  false,
);

const schema = z
  .object({
    PUBLIC_SUPABASE_URL: url,
    PUBLIC_SUPABASE_PUBLISHABLE_KEY: publishableKey,
    SUPABASE_SECRET_KEY: secretKey.optional(),
    CRON_SECRET: cronSecret.optional(),
  })
  .check((context) => {
    const { PUBLIC_SUPABASE_URL: address, PUBLIC_SUPABASE_PUBLISHABLE_KEY: key } = context.value;
    const [here, its] = [projectOf(address), keyKind(key).project];
    if (!here || !its || here === its) return;
    const message = `belongs to the project ${its}, but PUBLIC_SUPABASE_URL to ${here}`;
    context.issues.push({
      code: 'custom',
      message,
      input: '',
      path: ['PUBLIC_SUPABASE_PUBLISHABLE_KEY'],
      params: { fatal: true },
    });
  });

/** Checks the environment. Returns the usable part, and one problem for each variable that is missing or looks wrong. */
export function readEnvironment(env: Record<string, string | undefined>): {
  environment: Environment | null;
  problems: Problem[];
} {
  const { data, error } = schema.safeParse(env);
  const problems: Problem[] = [];
  for (const issue of error?.issues ?? []) {
    const name = String(issue.path[0]);
    const fatal = issue.code !== 'custom' || issue.params?.fatal !== false;
    if (!problems.some((known) => known.name === name)) problems.push({ name, says: issue.message, fatal });
  }
  const usable = data ?? (problems.every(({ fatal }) => !fatal) ? env : null);
  return {
    environment: usable && {
      url: usable.PUBLIC_SUPABASE_URL!.replace(/\/+$/, ''),
      publishableKey: usable.PUBLIC_SUPABASE_PUBLISHABLE_KEY!,
    },
    problems,
  };
}
