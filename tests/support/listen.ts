import type {
  RealtimeChannel,
  RealtimeChannelOptions,
  REALTIME_SUBSCRIBE_STATES,
  SupabaseClient,
} from '@supabase/supabase-js';
import { until } from './until.ts';

export interface Broadcast {
  event: string;
  payload: Record<string, unknown>;
  meta?: Record<string, unknown>;
}

/** A channel and all that came through it. */
export interface Listening {
  channel: RealtimeChannel;
  states: `${REALTIME_SUBSCRIBE_STATES}`[];
  /** Of the states that are errors. */
  errors: string[];
  broadcasts: Broadcast[];
  system: Record<string, unknown>[];
}

/** Joins, or is refused: waits for the first answer. */
export async function listen(
  client: SupabaseClient,
  topic: string,
  config: RealtimeChannelOptions['config'] = {},
): Promise<Listening> {
  const channel = client.channel(topic, { config });
  const heard: Listening = { channel, states: [], errors: [], broadcasts: [], system: [] };
  channel
    .on('broadcast', { event: '*' }, (message) => heard.broadcasts.push(message as unknown as Broadcast))
    .on('system', {}, (message: Record<string, unknown>) => heard.system.push(message))
    .subscribe((state, error) => {
      heard.states.push(state);
      if (error) heard.errors.push(error.message);
    });
  await until(() => heard.states.length, { what: `an answer to joining ${topic}` });
  return heard;
}
