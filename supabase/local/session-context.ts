/** Who asks, as the Data API and Realtime's authorisation tell the database. */
export interface RequestContext {
  /** The user's id: the claim `sub`. */
  uid?: string | null;
  /** @default 'anon' */
  role?: string;
  jwt?: Record<string, unknown> | null;
}

// Hosted: `alter role … set statement_timeout`; service_role through the API has the authenticator's.
const timeouts: Record<string, string> = { anon: '3s' };
const otherTimeout = '8s';

/** The settings of a transaction in which row level security, `auth.uid()` and `auth.jwt()` see the one who asks. */
export function sessionContext({ uid, role = 'anon', jwt }: RequestContext): Record<string, string> {
  return {
    role,
    'request.jwt.claim.sub': uid ?? '',
    'request.jwt.claim.role': role,
    'request.jwt.claims': JSON.stringify(jwt ?? { role }),
    statement_timeout: timeouts[role] ?? otherTimeout,
  };
}
