/** What a channel's listeners get: an event with a payload, kept as it came, so that nothing is parsed on the way. */
export interface Broadcast {
  event: string;
  /** JSON text, or bytes that only version 2.0.0 of the protocol can carry. */
  payload: string | Uint8Array;
  /** `{ id }` of the row in realtime.messages, where the database sent it. */
  meta?: Record<string, unknown>;
}

/**
 * The largest payload, in bytes, as on hosted's free plan: what is lost there must not arrive here.
 *
 * @see https://supabase.com/docs/guides/realtime/limits
 */
export const PAYLOAD_LIMIT = 256_000;

export function payloadSize({ payload }: Broadcast): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;
}
