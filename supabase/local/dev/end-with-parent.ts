/**
 * Preloaded into the children of `npm run dev`. After a `kill -9`, `npm run dev` can't stop its children, but its channel to
 * them closes. The child then ends as after SIGTERM, with drain and exit report, or after five seconds.
 */
process.once('disconnect', () => {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5000).unref();
  process.kill(process.pid, 'SIGTERM');
});
// The listener alone must not keep a finished worker alive.
process.channel?.unref();
