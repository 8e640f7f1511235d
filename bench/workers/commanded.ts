/** An idle worker that reports when it receives a command, and when it receives a bare broadcast. */
import { createClient } from '@supabase/supabase-js';
import { commands } from '../../workers-heartbeat/heartbeat-commands.mjs';
import { startHeartbeat } from '../../workers-heartbeat/heartbeat.mjs';

const { SUPABASE_URL, PUBLISHABLE_KEY, CLIENT } = process.env;
const say = (what: string) => process.send?.({ what, at: Date.now() });
const client = CLIENT ? createClient(SUPABASE_URL!, PUBLISHABLE_KEY!) : undefined;
const heartbeat = startHeartbeat();
commands(heartbeat, { supabase: client, onCommand: () => void say('command') });
heartbeat.idle();
await heartbeat.flush();
if (client) {
  // The channel of the commands is joined by the first answer; ours is joined after it.
  await new Promise<void>((done) =>
    client
      .channel('bench')
      .on('broadcast', { event: 'say' }, () => say('broadcast'))
      .subscribe((status) => status === 'SUBSCRIBED' && done()),
  );
  while (client.getChannels().some(({ state }) => state !== 'joined'))
    await new Promise((done) => setTimeout(done, 50));
}
process.once('disconnect', () => process.exit());
say('ready');
