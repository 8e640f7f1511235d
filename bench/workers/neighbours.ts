/**
 * The rest of the fleet: each beats at its interval of 30 s in a request of its own, all of them spread evenly over
 * it, as processes do that were started at different times.
 */
import { introduce, Reporter } from '../parts/reporter.ts';

const INTERVAL_MS = 30_000;
const { SUPABASE_URL, SUPABASE_SECRET_KEY = '', NAMES = '[]' } = process.env;

const reporters = (JSON.parse(NAMES) as string[]).map(
  (name, index) => new Reporter(name, name.startsWith('bench-') ? { type: `group ${index % 8}` } : {}),
);
process.once('disconnect', () => process.exit());
await introduce(reporters, rpc);
process.send?.('introduced');

let next = 0;
setInterval(() => {
  const reporter = reporters[next++ % reporters.length]!;
  rpc('hp_heartbeat', { beats: [reporter.next()] }).then(
    (answers) => reporter.heard((answers as never[])[0]!),
    () => process.exit(1),
  );
}, INTERVAL_MS / reporters.length);

async function rpc(name: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${SUPABASE_URL}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: { apikey: SUPABASE_SECRET_KEY, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
  return response.json();
}
