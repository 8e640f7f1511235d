/** A message to a channel's clients: an event, and its payload as it arrived, without parsing. */
export interface Broadcast {
  event: string;
  /** JSON text, or bytes, which need version 2.0.0 of the protocol. */
  payload: string | Uint8Array;
  /** `{ id }` of the row in realtime.messages, for messages from the database. */
  meta?: Record<string, unknown>;
}

/**
 * The largest payload in bytes, as on hosted's free plan. Larger messages are lost there, so they must not arrive here.
 *
 * @see https://supabase.com/docs/guides/realtime/limits
 */
export const PAYLOAD_LIMIT = 256_000;

export function payloadSize({ payload }: Broadcast): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;
}
