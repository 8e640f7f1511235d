/** What a client asks for when it joins. */
export interface JoinConfig {
  isPrivate: boolean;
  /** Its own broadcasts too. */
  wantsOwn: boolean;
  /** An answer to each of its broadcasts. */
  wantsAck: boolean;
  /** The word that the database's messages flow. */
  wantsReady: boolean;
  wantsPresence: boolean;
  postgresChanges: Record<string, unknown>[];
  /** A session's token; without one the API key decides. */
  token?: string;
}

/** Whatever is not as it should be counts as not asked for, as on hosted. */
export function readJoinConfig(payload: Record<string, unknown>): JoinConfig {
  const config = object(payload.config);
  const broadcast = object(config.broadcast);
  const { access_token, user_token } = payload;
  // A key in the token's place is what a client without a session sends; hosted then takes the socket's key.
  const isKey = [access_token, user_token].some(
    (token) => typeof token === 'string' && token.startsWith('sb_'),
  );
  const token = [user_token, access_token].find((one) => typeof one === 'string' && one !== '');
  return {
    isPrivate: config.private === true,
    wantsOwn: broadcast.self === true,
    wantsAck: broadcast.ack === true,
    wantsReady: broadcast.replication_ready === true,
    wantsPresence: object(config.presence).enabled === true,
    postgresChanges: Array.isArray(config.postgres_changes) ? config.postgres_changes.map(object) : [],
    token: isKey ? undefined : (token as string | undefined),
  };
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
