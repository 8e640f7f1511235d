import { isSecret, projectOf } from '../../src/lib/server/database/key-kind.ts';
import { fine, trouble, warning, type Finding } from './finding.ts';
import { key, type Key } from './project.ts';

const WHERE = 'Project Settings, API Keys shows both kinds.';

export interface Keys {
  publishable?: Key;
  secret?: Key;
}

/** Sorts the keys by what they are, whatever variable they stood in. */
export function sortKeys(values: string[]): Keys {
  const keys = values.map(key);
  return {
    publishable: keys.find(({ kind }) => kind === 'publishable' || kind === 'anon'),
    secret: keys.find(({ kind }) => kind === 'secret' || kind === 'service-role'),
  };
}

export interface NamedKey {
  /** Where it was found: `PUBLIC_SUPABASE_PUBLISHABLE_KEY`, `--key`. */
  name: string;
  value: string;
}

/** What can be told of keys by looking at them. */
export function inspectKeys(url: string, keys: NamedKey[]): Finding[] {
  if (keys.length === 0) {
    return [trouble('the keys', 'there is none', `Give --key, or set SUPABASE_SECRET_KEY. ${WHERE}`)];
  }
  return keys.map((one) => inspect(url, one));
}

function inspect(url: string, { name, value }: NamedKey): Finding {
  const found = key(value);
  const is = `is ${found.words}`;
  const here = projectOf(url);
  if (/^["'\s]|["'\s]$/.test(value)) {
    return trouble(name, 'begins or ends with a quote or a space', 'Set it without.');
  }
  if (found.kind === 'cut-off' || found.kind === 'unknown' || found.kind === 'account') {
    return trouble(name, is, `Put a key of the project there. ${WHERE}`);
  }
  if (found.project && here && found.project !== here) {
    return trouble(name, `belongs to the project ${found.project}, the address to ${here}`, WHERE);
  }
  if (name.includes('PUBLISHABLE') && isSecret(found)) {
    return trouble(
      name,
      `${is}, and what stands there is sent to every browser`,
      `Put the publishable key there. Has a dashboard run with it, revoke it. ${WHERE}`,
    );
  }
  if (/SECRET|SERVICE/.test(name) && !isSecret(found)) {
    return trouble(name, `${is}: it may not do what is asked with it`, `Put a secret key there. ${WHERE}`);
  }
  if (found.kind === 'anon' || found.kind === 'service-role') {
    return warning(name, `${is}; Supabase takes these out of use at the end of 2026`, WHERE);
  }
  return fine(name, is);
}
