/** The options of a join. */
export interface JoinConfig {
  isPrivate: boolean;
  /** Receive its own broadcasts, too. */
  wantsOwn: boolean;
  /** Receive an answer to each of its broadcasts. */
  wantsAck: boolean;
  /** Receive a message when the database's messages are connected. */
  wantsReady: boolean;
  wantsPresence: boolean;
  postgresChanges: Record<string, unknown>[];
  /** A session's token. Without one, the API key decides. */
  token?: string;
}

/** Ignores invalid options, as on hosted. */
export function readJoinConfig(payload: Record<string, unknown>): JoinConfig {
  const config = object(payload.config);
  const broadcast = object(config.broadcast);
  const { access_token, user_token } = payload;
  // A client without a session sends its key as the token. As on hosted, the socket's key decides then.
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
