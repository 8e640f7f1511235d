// An idle worker with or without a heartbeat; reports its cost on request.
const { HEARTBEAT, INTERVAL = '1', SUPABASE_URL, SUPABASE_SECRET_KEY = '' } = process.env;

if (HEARTBEAT === 'module') {
  const { startHeartbeat } = await import('../../workers-heartbeat/heartbeat.mjs');
  startHeartbeat({ interval: Number(INTERVAL) });
} else if (HEARTBEAT === 'fetch') {
  // The least that reports anything.
  setInterval(
    async () => {
      const response = await fetch(`${SUPABASE_URL}/rest/v1/rpc/hp_heartbeat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', apikey: SUPABASE_SECRET_KEY },
        body: JSON.stringify({ beats: [{ worker_name: 'idle', status: 'idle' }] }),
      });
      await response.text();
    },
    Number(INTERVAL) * 1000,
  );
}

process.once('disconnect', () => process.exit());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1000, rss: process.memoryUsage.rss() });
});
process.send?.('started');
