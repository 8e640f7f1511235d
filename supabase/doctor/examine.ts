import { inspectClock } from './clock.ts';
import { askDatabase, inspectObjects, inspectPeopleAndWorkers } from './database.ts';
import { expected } from './expected.ts';
import { skipped, trouble, type Finding } from './finding.ts';
import { inspectKeys, sortKeys, type NamedKey } from './keys.ts';
import { inspectRealtime, type Person } from './live.ts';
import { inspectTick } from './tick.ts';
import { inspectToken, inspectTokens, type WorkerToken } from './token.ts';

export interface Patient {
  /** The project URL; undefined if none was given. */
  url: string | undefined;
  keys: NamedKey[];
  /** A member's account, to sign in and read the fleet as a page does. */
  person?: Person;
  /** A worker's token, and the worker's name. */
  token?: WorkerToken;
  /** Milliseconds to wait for a message. @default two digests, two ticks and 5 s */
  patienceMs?: number;
}

/** Runs all checks that the given keys allow, in the order of their dependencies. */
export async function* examine({
  url: given,
  keys: named,
  person,
  token,
  patienceMs,
}: Patient): AsyncGenerator<Finding> {
  const url = given?.replace(/\/+$/, '');
  const wrong = inspectUrl(url);
  if (wrong) yield wrong;
  yield* inspectKeys(url ?? '', named);
  if (!url || wrong?.level === 'trouble') return;
  const keys = sortKeys(named.map(({ value }) => value));

  const { findings, diagnosis, aheadMs } = await askDatabase(url, keys);
  yield* findings;
  if (findings.some(({ about, level }) => about === 'the project' && level === 'trouble')) return;
  yield inspectClock(aheadMs);
  if (diagnosis) {
    yield* inspectObjects(diagnosis, expected());
    yield* inspectTick(diagnosis);
    yield* inspectPeopleAndWorkers(diagnosis);
    yield* inspectTokens(diagnosis);
  }
  if (token && keys.publishable) yield* await inspectToken(url, keys.publishable, token);
  else
    yield skipped(
      'a worker’s token',
      'not checked: set HEARTBEAT_TOKEN, WORKER_NAME and the publishable key',
    );
  if (findings.some(({ level }) => level === 'trouble')) return; // Realtime would fail for the same reason
  const { digest_every_s: digest, tick } = diagnosis ?? {};
  yield* await inspectRealtime(url, keys, {
    person,
    patienceMs: patienceMs ?? (2 * (digest ?? 10) + 2 * (tick?.every_s ?? 5) + 5) * 1000,
  });
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

function inspectUrl(url: string | undefined): Finding | undefined {
  const where = 'Copy it from Project Settings → Data API: https://….supabase.co';
  if (!url) return trouble('the address', 'not set', `Set SUPABASE_URL, or pass --url. ${where}`);
  const parsed = URL.parse(url);
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    return trouble('the address', `${url} is not a URL`, where);
  if (parsed.protocol === 'http:' && !LOOPBACK.test(parsed.hostname)) {
    return trouble(
      'the address',
      `${url} has no https, so keys and sessions would be sent unencrypted`,
      where,
    );
  }
  if (parsed.pathname !== '/')
    return trouble('the address', `${url} has a path; a project’s address has none`, where);
  return undefined;
}
