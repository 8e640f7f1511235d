/**
 * Does something every so often while the page can be seen, and at once when it comes to sight after such a time. The next time
 * counts from the end of the last one; a tenth by chance, so that a thousand pages do not ask at once.
 *
 * @returns what ends it
 */
export function repeat(seconds: number, work: () => Promise<unknown>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = false;
  let ended = false;
  const next = () => {
    if (ended) return;
    due = false;
    timer = setTimeout(run, seconds * 1000 * (1 + Math.random() / 10));
  };
  const run = () => {
    if (document.hidden) due = true;
    else void work().finally(next);
  };
  const seen = () => {
    if (due && !document.hidden) {
      due = false;
      run();
    }
  };
  document.addEventListener('visibilitychange', seen);
  next();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}
