import type { Expected } from './expected.ts';
import { fine, SET_UP, skipped, trouble, warning, type Finding } from './finding.ts';
import type { Keys } from './keys.ts';
import { rpc, type Answer } from './project.ts';

/** What `hp_diagnosis()` gives. */
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
  /** Names of those on realtime.messages. */
  policies: string[];
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

/** Whether the project answers, takes the keys, and has our functions. Gives the facts, where it is given the secret key. */
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
      trouble('the migrations', 'the functions of Lastseen are not there, or not this version’s', SET_UP),
    );
  } else if (!secret) {
    findings.push(fine('the migrations', 'hp_fleet() is there, and closed to whoever is not signed in'));
    findings.push(
      skipped('the rest of the database', 'only the secret key may ask: set SUPABASE_SECRET_KEY'),
    );
  } else if (answer.status === 200) {
    return { findings, diagnosis: answer.body as Diagnosis, aheadMs };
  } else if (/permission denied/.test(answer.message)) {
    findings.push(trouble('the grants', `the secret key is refused: ${answer.message}`, SET_UP));
  } else {
    findings.push(trouble('the database', `it said: ${answer.message}`, SET_UP));
  }
  return { findings, aheadMs };
}

function away(url: string, { message }: Answer): Finding {
  return trouble(
    'the project',
    `no answer from ${url}: ${message}`,
    'Is the address that of Project Settings, Data API? Is the project paused (free ones are after a week without use)?',
  );
}

/** Said by the gateway before the database, hosted and here: what it is asked for does not matter. */
function invalidKey({ status, message }: Answer): boolean {
  return status === 401 && !/permission denied/i.test(message);
}

function refused({ message }: Answer, which = ''): Finding {
  return trouble(
    which ? `the ${which} key` : 'the key',
    `the project refuses it: ${message}`,
    'It is of another project, was revoked, or a character is missing. Project Settings, API Keys has the right one.',
  );
}

/** Whether all that the migrations declare is there, and open to whom they say. */
export function inspectObjects(
  { objects, unguarded, policies = [], server_version: version }: Diagnosis,
  { objects: wanted, rights, policies: meant }: Expected,
): Finding[] {
  const findings: Finding[] = [];
  const missing = [...wanted].filter(([name]) => !(name in objects));
  if (missing.length > 0) {
    const files = [...new Set(missing.map(([, file]) => file))];
    findings.push(
      trouble('the migrations', `${some(missing.map(([name]) => name))} missing, of ${some(files)}`, SET_UP),
    );
  } else {
    findings.push(
      fine(
        'the migrations',
        `all ${wanted.size} tables, views and functions are there (PostgreSQL ${version})`,
      ),
    );
  }

  const ungranted: string[] = [];
  const open: string[] = [];
  for (const [name, has] of Object.entries(objects)) {
    const should = rights.get(name) ?? new Set<string>();
    ungranted.push(
      ...[...should].filter((right) => !has.includes(right)).map((right) => `${name} (${right})`),
    );
    open.push(
      ...has
        .filter((right) => /^(anon|authenticated) /.test(right) && !should.has(right))
        .map((right) => `${name} (${right})`),
    );
  }
  if (ungranted.length > 0) {
    findings.push(
      trouble('the grants', `“permission denied” for some: ${some(ungranted)} not granted`, SET_UP),
    );
  }
  if (open.length > 0 || unguarded.length > 0) {
    const what = [...open, ...unguarded.map((name) => `${name} (no row level security)`)];
    findings.push(trouble('the grants', `open to more than meant: ${some(what)}`, SET_UP));
  }
  if (ungranted.length + open.length + unguarded.length === 0) {
    findings.push(fine('the grants', 'everybody may do what is meant, and no more'));
  }
  for (const name of meant.filter((name) => !policies.includes(name))) {
    const says = `the policy “${name}” on realtime.messages is missing`;
    findings.push(
      name.startsWith('members')
        ? trouble('Realtime', `${says}: pages load, and never go live`, SET_UP)
        : warning('Realtime', `${says}: commands wait for the next beat of their worker`, SET_UP),
    );
  }
  return findings;
}

/** Members, and workers whose state a person may wonder about. */
export function inspectPeopleAndWorkers({ owners, members, workers }: Diagnosis): Finding[] {
  const findings = [
    owners > 0
      ? fine('the members', `${members}, of whom ${owners} ${owners === 1 ? 'owns' : 'own'}`)
      : trouble(
          'the members',
          'there is no owner, so nobody gets in',
          "Add yourself under Authentication, Users; then: select hp_add_member('you@example.com', 'owner');",
        ),
  ];
  const { never_reported: unknown, conflicts, skewed, all } = workers;
  if (unknown.length > 0) {
    findings.push(
      warning(
        'the workers',
        `${some(unknown)} ${unknown.length === 1 ? 'is' : 'are'} declared and never reported: “Unknown”`,
        'Start it, and read what heartbeat.mjs logs: it says in one line what is missing or who refused.',
        "Is WORKER_NAME exactly this name? One that is not meant to run: update hp_worker_status set expected = false where worker_name = '…';",
      ),
    );
  }
  if (conflicts.length > 0) {
    findings.push(
      warning(
        'the workers',
        `${some(conflicts)}: two processes report under one name, and each other’s state is shown`,
        'Stop one, or name them apart; for several that do the same work: startHeartbeat({ type, replicas: true }).',
      ),
    );
  }
  if (skewed.length > 0) {
    findings.push(
      warning(
        'the workers',
        `clocks are wrong on the machines of ${some(skewed.map(([name, ms]) => `${name} (${Math.round(ms / 1000)} s)`))}`,
        'No time on the page depends on them, but logs and certificates do: timedatectl set-ntp true',
      ),
    );
  }
  if (unknown.length + conflicts.length + skewed.length === 0)
    findings.push(fine('the workers', `${all}, nothing odd`));
  return findings;
}

export function some(names: string[]): string {
  const shown = names.slice(0, 4).join(', ');
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}
