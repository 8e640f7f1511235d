import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The secrets of one embedded stack: made once per data directory and kept in it. */
export interface Keys {
  /** For anyone: the role `anon`, or the signed-in user. */
  publishableKey: string;
  /** For servers: the role `service_role`. */
  secretKey: string;
  /** Signs sessions (HS256). */
  jwtSecret: string;
  /** The database superuser's. */
  databasePassword: string;
  /** Tells a cluster that belongs to these keys from one that an earlier, deleted data directory left. */
  clusterId: string;
  owner: { email: string; password: string };
}

export function createKeys(): Keys {
  const token = (bytes: number) => randomBytes(bytes).toString('base64url');
  return {
    publishableKey: `sb_publishable_${token(24)}`,
    secretKey: `sb_secret_${token(24)}`,
    jwtSecret: token(48),
    databasePassword: token(24),
    clusterId: token(12),
    // example.com is reserved (RFC 2606): no mail can ever reach a stranger.
    owner: { email: 'owner@example.com', password: token(18) },
  };
}

/** The keys kept in `folder`, or new ones written there for the owner of the process alone. */
export function keptKeys(folder: string): { keys: Keys; made: boolean } {
  const file = join(folder, 'keys.json');
  try {
    return { keys: JSON.parse(readFileSync(file, 'utf8')) as Keys, made: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new Error(`${file} cannot be read; remove its folder to begin anew.`, { cause: error });
    }
  }
  const keys = createKeys();
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
  return { keys, made: true };
}
