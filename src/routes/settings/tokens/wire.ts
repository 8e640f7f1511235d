/** A token as `hp_list_worker_tokens()` tells of it; instants are ISO 8601. */
export interface Token {
  token_id: number;
  /** Its first ten characters. */
  token_start: string;
  label: string;
  /** `%` stands for any characters. */
  name_pattern: string;
  /** An owner's address; null where it was made with the secret key, or its maker's account is gone. */
  created_by: string | null;
  by_secret_key: boolean;
  created_at: string;
  last_used_at: string | null;
  expires_at: string | null;
  revoked_at: string | null;
  refused_count: number;
  refused_at: string | null;
  refused_why: string | null;
  state: 'valid' | 'expired' | 'revoked';
}

export interface Listed {
  /** The valid ones first. */
  tokens: Token[];
  /** Tries with tokens that begin like none of these. */
  unknown: { count: number; at: string | null };
}

/** What `hp_create_worker_token()` answers, this once. */
export interface Made {
  token: string;
  token_id: number;
  label: string;
  name_pattern: string;
}

/** A pattern as people write it. */
export function visiblePattern(pattern: string): string {
  return pattern.replaceAll('%', '*');
}
