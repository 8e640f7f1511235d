import type { Expected } from './expected.ts';
import { fine, SET_UP, skipped, trouble, warning, type Finding } from './finding.ts';
import type { Keys } from './keys.ts';
import { rpc, type Answer } from './project.ts';

/** The result of `hp_diagnosis()`. */
export interface Diagnosis {
  now: string;
  server_version: string;
  cron: {
    available: boolean;
    job: {
      schedule?: string;
      active?: boolean;
      last_run?: { status: string; message: string | null } | null;
      error?: string;
    } | null;
  };
  tick: { age_s: number | null; every_s: number | null; impaired_since: string | null } | null;
  history: { failed_since: string | null; failure: string | null } | null;
  digest_every_s: number | null;
  objects: Record<string, string[]>;
  unguarded: string[];
  /** Names of the policies on realtime.messages. */
  policies: string[];
  /** The policies on our tables. */
  table_policies: [table: string, name: string][];
  members: number;
  owners: number;
  tokens: { valid: number; ending: string[]; refused: [label: string, why: string][] };
  workers: {
    all: number;
    never_reported: string[];
    conflicts: string[];
    skewed: [name: string, ms: number][];
  };
}

/** Checks that the project answers, accepts the keys, and has our functions. With the secret key, also returns the diagnosis. */
export async function askDatabase(
  url: string,
  { secret, publishable }: Keys,
): Promise<{ findings: Finding[]; diagnosis?: Diagnosis; aheadMs?: number }> {
  const first = secret ?? publishable;
  if (!first) return { findings: [] };
  const answer = await rpc(url, first.value, secret ? 'hp_diagnosis' : 'hp_fleet');
  const { aheadMs } = answer;
  if (answer.status === 0 || answer.status >= 502) return { findings: [away(url, answer)], aheadMs };
  const findings = [fine('the project', `${url} answers`)];

  if (invalidKey(answer)) return { findings: [...findings, refused(answer)], aheadMs };
  const other = secret && publishable && (await rpc(url, publishable.value, 'hp_fleet'));
  if (other && invalidKey(other)) findings.push(refused(other, 'publishable'));
  if (answer.status === 404) {
    findings.push(
      trouble(
        'the migrations',
        'the functions of Lastseen are missing, or belong to another version',
        SET_UP,
      ),
    );
  } else if (!secret) {
    findings.push(fine('the migrations', 'hp_fleet() exists, and rejects calls without a session'));
    findings.push(
      skipped('the rest of the database', 'not checked without a secret key: set SUPABASE_SECRET_KEY'),
    );
  } else if (answer.status === 200) {
    return { findings, diagnosis: answer.body as Diagnosis, aheadMs };
  } else if (/permission denied/.test(answer.message)) {
    findings.push(trouble('the grants', `the secret key is rejected: ${answer.message}`, SET_UP));
  } else {
    findings.push(trouble('the database', `hp_diagnosis() failed: ${answer.message}`, SET_UP));
  }
  return { findings, aheadMs };
}

function away(url: string, { message }: Answer): Finding {
  return trouble(
    'the project',
    `no answer from ${url}: ${message}`,
    'Compare the address with Project Settings → Data API.',
    'Check that the project is not paused. Supabase pauses free projects after a week without use.',
  );
}

/** The gateway rejected the key, before the request reached the database. */
function invalidKey({ status, message }: Answer): boolean {
  return status === 401 && !/permission denied/i.test(message);
}

function refused({ message }: Answer, which = ''): Finding {
  return trouble(
    which ? `the ${which} key` : 'the key',
    `the project rejects it: ${message}`,
    'The key belongs to another project, was revoked, or is incomplete. Copy it again from Project Settings → API Keys.',
  );
}

/** Checks that everything in the migrations exists, with the rights that they grant. */
export function inspectObjects(
  { objects, unguarded, policies = [], table_policies: onTables = [], server_version: version }: Diagnosis,
  { objects: wanted, rights, policies: meant, tablePolicies }: Expected,
): Finding[] {
  const findings: Finding[] = [];
  const missing = [...wanted].filter(([name]) => !(name in objects));
  if (missing.length > 0) {
    const files = [...new Set(missing.map(([, file]) => file))];
    findings.push(
      trouble(
        'the migrations',
        `${some(missing.map(([name]) => name))} missing, from ${some(files)}`,
        SET_UP,
      ),
    );
  } else {
    findings.push(
      fine('the migrations', `all ${wanted.size} tables, views and functions exist (PostgreSQL ${version})`),
    );
  }

  const ungranted: string[] = [];
  const open: string[] = [];
  const others: string[] = [];
  for (const [name, has] of Object.entries(objects)) {
    const should = rights.get(name) ?? new Set<string>();
    ungranted.push(
      ...[...should].filter((right) => !has.includes(right)).map((right) => `${name} (${right})`),
    );
    open.push(
      ...has
        .filter((right) => /^(public|anon|authenticated) /.test(right) && !should.has(right))
        .map((right) => `${name} (${right})`),
    );
    others.push(
      ...has
        .filter((right) => !/^(public|anon|authenticated|service_role) /.test(right))
        .map((right) => `${name} (${right})`),
    );
  }
  if (ungranted.length > 0) {
    findings.push(
      trouble(
        'the grants',
        `${some(ungranted)} not granted, so some calls fail with “permission denied”`,
        SET_UP,
      ),
    );
  }
  if (open.length > 0 || unguarded.length > 0) {
    const what = [...open, ...unguarded.map((name) => `${name} (no row level security)`)];
    findings.push(trouble('the grants', `too many rights: ${some(what)}`, SET_UP));
  }
  if (ungranted.length + open.length + unguarded.length === 0) {
    findings.push(fine('the grants', 'every role has exactly its rights'));
  }
  if (others.length > 0) {
    findings.push(
      warning(
        'the grants',
        `to roles that Lastseen does not use: ${others.join(', ')}`,
        'Revoke those that you did not grant.',
      ),
    );
  }
  const foreign = onTables
    .map(([table, name]) => `${table}: ${name}`)
    .filter((policy) => !tablePolicies.has(policy));
  if (foreign.length > 0) {
    findings.push(
      warning(
        'the policies',
        `not of Lastseen, on its tables: ${foreign.join(', ')}`,
        'They let nobody read who is no member, but nobody needs them. Remove each: drop policy "name" on table;',
      ),
    );
  }
  for (const name of meant.filter((name) => !policies.includes(name))) {
    const says = `the policy “${name}” on realtime.messages is missing`;
    findings.push(
      name.startsWith('ours')
        ? trouble('Realtime', `${says}, so policies of others may open Lastseen’s channels`, SET_UP)
        : name.startsWith('members')
          ? trouble('Realtime', `${says}, so pages load but never go live`, SET_UP)
          : warning('Realtime', `${says}, so commands wait for the worker’s next beat`, SET_UP),
    );
  }
  return findings;
}

/** Checks members, and workers that never reported, conflict, or have a wrong clock. */
export function inspectPeopleAndWorkers({ owners, members, workers }: Diagnosis): Finding[] {
  const findings = [
    owners > 0
      ? fine(
          'the members',
          `${members} ${members === 1 ? 'member' : 'members'}, ${owners} of them ${owners === 1 ? 'owner' : 'owners'}`,
        )
      : trouble(
          'the members',
          'there is no owner, so nobody can use the dashboard',
          "Add a user under Authentication → Users. Then run: select hp_add_member('you@example.com', 'owner');",
        ),
  ];
  const { never_reported: unknown, conflicts, skewed, all } = workers;
  if (unknown.length > 0) {
    findings.push(
      warning(
        'the workers',
        `${some(unknown)} never reported, and the page shows “Unknown”`,
        'Start the worker, and read its log: one [heartbeat] line says what is missing or why the report was rejected.',
        'Check that WORKER_NAME is exactly this name.',
        "If the worker is not meant to run: update hp_worker_status set expected = false where worker_name = '…';",
      ),
    );
  }
  if (conflicts.length > 0) {
    findings.push(
      warning(
        'the workers',
        `${some(conflicts)}: two processes report under one name and overwrite each other’s state`,
        'Stop one, or give each its own name. If several do the same work: startHeartbeat({ type, replicas: true }).',
      ),
    );
  }
  if (skewed.length > 0) {
    findings.push(
      warning(
        'the workers',
        `clocks are wrong on the machines of ${some(skewed.map(([name, ms]) => `${name} (${Math.round(ms / 1000)} s)`))}`,
        'The page does not depend on them, but logs and certificates do. On that machine: timedatectl set-ntp true',
      ),
    );
  }
  if (unknown.length + conflicts.length + skewed.length === 0)
    findings.push(fine('the workers', `${all}, no problems`));
  return findings;
}

export function some(names: string[]): string {
  const shown = names.slice(0, 4).join(', ');
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}
