/**
 * Preloaded into what `npm run dev` starts: a `kill -9` of `npm run dev` runs no code of its own, but it closes the
 * channel between the two. The process then ends as by SIGTERM, with its drain and its goodbye, or after five seconds.
 */
process.once('disconnect', () => {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5000).unref();
  process.kill(process.pid, 'SIGTERM');
});
// Listening alone must not keep a worker alive that has nothing left to do.
process.channel?.unref();
