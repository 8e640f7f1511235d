import { isSecret, projectOf } from '../../src/lib/server/database/key-kind.ts';
import { fine, trouble, warning, type Finding } from './finding.ts';
import { key, type Key } from './project.ts';

const WHERE = 'Copy it from Project Settings → API Keys.';

export interface Keys {
  publishable?: Key;
  secret?: Key;
}

/** Sorts the keys by their kind, whatever variable holds them. */
export function sortKeys(values: string[]): Keys {
  const keys = values.map(key);
  return {
    publishable: keys.find(({ kind }) => kind === 'publishable' || kind === 'anon'),
    secret: keys.find(({ kind }) => kind === 'secret' || kind === 'service-role'),
  };
}

export interface NamedKey {
  /** Its source: `PUBLIC_SUPABASE_PUBLISHABLE_KEY`, `--key`. */
  name: string;
  value: string;
}

/** Checks the form of the keys, without a request. */
export function inspectKeys(url: string, keys: NamedKey[]): Finding[] {
  if (keys.length === 0) {
    return [trouble('the keys', 'not set', `Set SUPABASE_SECRET_KEY, or pass --key. ${WHERE}`)];
  }
  return keys.map((one) => inspect(url, one));
}

function inspect(url: string, { name, value }: NamedKey): Finding {
  const found = key(value);
  const is = `is ${found.words}`;
  const here = projectOf(url);
  if (/^["'\s]|["'\s]$/.test(value)) {
    return trouble(name, 'begins or ends with a quote or a space', 'Remove it.');
  }
  if (found.kind === 'cut-off' || found.kind === 'unknown' || found.kind === 'account') {
    return trouble(name, is, `Set a key of the project. ${WHERE}`);
  }
  if (found.project && here && found.project !== here) {
    return trouble(name, `belongs to the project ${found.project}, but the address to ${here}`, WHERE);
  }
  if (name.includes('PUBLISHABLE') && isSecret(found)) {
    return trouble(
      name,
      `${is}, and the dashboard sends this variable to every browser`,
      `Set the publishable key. If a dashboard ran with this one, revoke it. ${WHERE}`,
    );
  }
  if (/SECRET|SERVICE/.test(name) && !isSecret(found)) {
    return trouble(name, `${is}, which has too few rights here`, `Set a secret key. ${WHERE}`);
  }
  if (found.kind === 'anon' || found.kind === 'service-role') {
    return warning(name, `${is}; Supabase stops accepting this kind at the end of 2026`, WHERE);
  }
  return fine(name, is);
}
