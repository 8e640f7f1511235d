/** The identity that the Data API and Realtime pass to the database. */
export interface RequestContext {
  /** The user's id: the claim `sub`. */
  uid?: string | null;
  /** @default 'anon' */
  role?: string;
  jwt?: Record<string, unknown> | null;
}

// As on hosted (`alter role … set statement_timeout`). service_role has the authenticator's limit.
const timeouts: Record<string, string> = { anon: '3s' };
const otherTimeout = '8s';

/** The settings of a transaction for row level security, `auth.uid()` and `auth.jwt()`. */
export function sessionContext({ uid, role = 'anon', jwt }: RequestContext): Record<string, string> {
  return {
    role,
    'request.jwt.claim.sub': uid ?? '',
    'request.jwt.claim.role': role,
    'request.jwt.claims': JSON.stringify(jwt ?? { role }),
    statement_timeout: timeouts[role] ?? otherTimeout,
  };
}
