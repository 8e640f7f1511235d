/** The kind of a Supabase API key, by its form. */
export interface KeyKind {
  kind: 'publishable' | 'secret' | 'anon' | 'service-role' | 'account' | 'cut-off' | 'unknown';
  /** For people: "a secret key (sb_secret_…)". Never the key itself. */
  words: string;
  /** The project that an older key was made for. */
  project?: string;
}

const TEXT = {
  publishable: 'a publishable key (sb_publishable_…)',
  secret: 'a secret key (sb_secret_…)',
  anon: 'an anon key, the older kind (a JWT)',
  'service-role': 'a service_role key, the older kind of secret key (a JWT)',
  account: 'an access token of a Supabase account (sbp_…)',
  'cut-off': 'incomplete, or the placeholder from the guide',
  unknown: 'not a Supabase API key',
} as const;

/** The kind of a key, without a request. */
export function keyKind(key: string): KeyKind {
  const named = (kind: KeyKind['kind'], project?: string): KeyKind => ({ kind, words: TEXT[kind], project });
  const [, kind, rest] = /^sb_(publishable|secret)_(.*)$/s.exec(key) ?? [];
  if (kind) return named(/^[\w-]{10,}$/.test(rest!) ? (kind as 'publishable' | 'secret') : 'cut-off');
  if (key.startsWith('sbp_')) return named('account');
  const claims = claimsOf(key);
  const project = typeof claims?.ref === 'string' ? claims.ref : undefined;
  if (claims?.role === 'anon') return named('anon', project);
  if (claims?.role === 'service_role') return named('service-role', project);
  return named('unknown');
}

/** Has all rights, so it must stay on servers. */
export function isSecret({ kind }: KeyKind): boolean {
  return kind === 'secret' || kind === 'service-role' || kind === 'account';
}

/** The project's reference in `https://<ref>.supabase.co`, if any. */
export function projectOf(url: string): string | undefined {
  return /^https:\/\/([a-z0-9]{20})\.supabase\.(co|in)\b/.exec(url)?.[1];
}

function claimsOf(token: string): Record<string, unknown> | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString());
    return claims && typeof claims === 'object' ? (claims as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
