import type { Diagnosis } from './database.ts';
import { fine, trouble, warning, type Finding } from './finding.ts';
import { rpc, type Key } from './project.ts';

export interface WorkerToken {
  value: string;
  /** The worker's name. */
  name: string;
}

/** Tries the token with an incomplete beat: the database accepts the token, and then rejects the beat without a change. */
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
      return [trouble(about, `valid, but not for ${name}: ${first.error.message}`, NEW)];
    }
    return [fine(about, `valid for ${name}`)];
  }
  const todo = /permission denied/.test(answer.message)
    ? ['This installation has no worker tokens yet: run supabase/setup.sql again.']
    : [NEW];
  return [trouble(about, `rejected (${answer.status}): ${answer.message}`, ...todo)];
}

/** Tokens that were rejected within a day, or expire soon. */
export function inspectTokens({ tokens: { valid, ending, refused } }: Diagnosis): Finding[] {
  const about = 'the tokens';
  const findings = refused.map(([label, why]) =>
    warning(
      about,
      `“${label}” was rejected within the last day: ${why}`,
      'Look for the message in the workers’ logs to find the worker with this token.',
      NEW,
    ),
  );
  for (const label of ending) {
    findings.push(
      warning(about, `“${label}” expires within two weeks, and its workers can’t report then`, NEW),
    );
  }
  return findings.length > 0 ? findings : [fine(about, `${valid} valid, none rejected within the last day`)];
}

const NEW = 'Make a new token under Settings → Worker tokens, and set HEARTBEAT_TOKEN.';
