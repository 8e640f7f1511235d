import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The secrets of one embedded stack, created once per data directory and stored there. */
export interface Keys {
  /** Public: the role `anon`, or the signed-in user. */
  publishableKey: string;
  /** For servers: the role `service_role`. */
  secretKey: string;
  /** Signs sessions (HS256). */
  jwtSecret: string;
  /** The database superuser's. */
  databasePassword: string;
  /** Identifies the cluster of these keys, so that a cluster of a deleted data directory is recognized. */
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
    // example.com is reserved (RFC 2606), so no mail reaches a stranger.
    owner: { email: 'owner@example.com', password: token(18) },
  };
}

/** The keys in `folder`, or new keys, written with access for the process's user only. */
export function keptKeys(folder: string): { keys: Keys; made: boolean } {
  const file = join(folder, 'keys.json');
  try {
    return { keys: JSON.parse(readFileSync(file, 'utf8')) as Keys, made: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new Error(`${file} cannot be read. Remove its folder to start with new data.`, { cause: error });
    }
  }
  const keys = createKeys();
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
  return { keys, made: true };
}
