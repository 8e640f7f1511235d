import type { Diagnosis } from './database.ts';
import { fine, trouble, warning, type Finding } from './finding.ts';
import { rpc, type Key } from './project.ts';

export interface WorkerToken {
  value: string;
  /** The name that its worker reports under. */
  name: string;
}

/** Whether a worker with this token would be let in, told by a beat that is let in and then found to say nothing. */
export async function inspectToken(
  url: string,
  publishable: Key,
  { value, name }: WorkerToken,
): Promise<Finding[]> {
  const about = 'the worker’s token';
  const beats = [{ worker_name: name }];
  const answer = await rpc(url, publishable.value, 'hp_heartbeat', { beats }, { 'x-worker-token': value });
  if (answer.status === 200) {
    const [first] = answer.body as { error?: { field?: string; message: string } }[];
    if (first?.error?.field === 'worker_name') {
      return [trouble(about, `is taken, and not for ${name}: ${first.error.message}`, NEW)];
    }
    return [fine(about, `is taken for ${name}`)];
  }
  const todo = /permission denied/.test(answer.message)
    ? ['This installation takes no worker tokens: run supabase/setup.sql again.']
    : [NEW];
  return [trouble(about, `is refused (${answer.status}): ${answer.message}`, ...todo)];
}

/** Tokens that somebody tried in vain lately, or that end soon. */
export function inspectTokens({ tokens: { valid, ending, refused } }: Diagnosis): Finding[] {
  const about = 'the tokens';
  const findings = refused.map(([label, why]) =>
    warning(
      about,
      `“${label}” was refused within a day: ${why}`,
      'Which worker still carries it? Its own log says so.',
      NEW,
    ),
  );
  for (const label of ending) {
    findings.push(warning(about, `“${label}” ends within two weeks, and its workers fall silent then`, NEW));
  }
  return findings.length > 0 ? findings : [fine(about, `${valid} in use, none refused of late`)];
}

const NEW =
  'Settings, Worker tokens shows what each is for; make another there, and set HEARTBEAT_TOKEN to it.';
