/**
 * A worker with one breaker and one job at a time, which changes on request and reports the time. Its other
 * message is the floor: the same request to a function that only broadcasts.
 */
import { circuitBreaker } from '../../workers-heartbeat/heartbeat-breaker.mjs';
import { startHeartbeat } from '../../workers-heartbeat/heartbeat.mjs';

export type Order =
  | { do: 'start a job' | 'say'; text: string }
  | { do: 'fail' | 'succeed' }
  | { do: 'broadcast'; text: string };

const { SUPABASE_URL, SUPABASE_SECRET_KEY = '' } = process.env;
const heartbeat = startHeartbeat();
circuitBreaker(heartbeat, { threshold: 1, cooldown: 0.001 });
let end: { succeed(): void; fail(error: Error): void } | undefined;

process.once('disconnect', () => process.exit());
process.on('message', (order: Order) => {
  const at = Date.now();
  process.send?.(at);
  carryOut(order).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});

async function carryOut(order: Order): Promise<void> {
  switch (order.do) {
    case 'start a job': {
      const work = () =>
        new Promise<void>((succeed, fail) => {
          end = { succeed, fail };
        });
      heartbeat.job({ status: order.text }, work).catch(() => {}); // a job that fails is what we are here for
      break;
    }
    case 'say':
      return heartbeat.setStatus(order.text);
    case 'succeed':
      return end?.succeed();
    case 'fail':
      return end?.fail(new Error('on purpose'));
    case 'broadcast': {
      const response = await fetch(`${SUPABASE_URL}/rest/v1/rpc/bench_say`, {
        method: 'POST',
        headers: { apikey: SUPABASE_SECRET_KEY, 'content-type': 'application/json' },
        body: JSON.stringify({ said: order.text }),
      });
      await response.text();
    }
  }
}
