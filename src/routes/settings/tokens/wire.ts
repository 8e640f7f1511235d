/** A token from `hp_list_worker_tokens()`; times are ISO 8601. */
export interface Token {
  token_id: number;
  /** Its first ten characters. */
  token_start: string;
  label: string;
  /** `%` stands for any characters. */
  name_pattern: string;
  /** The address of the owner who made it; null if made with the secret key, or if the account is gone. */
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
  /** Valid tokens first. */
  tokens: Token[];
  /** Attempts with tokens that begin like none of these. */
  unknown: { count: number; at: string | null };
}

/** The result of `hp_create_worker_token()`, shown once. */
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
