/**
 * Repeats some work while the page is visible, and at once when the page becomes visible after a longer time. The period counts
 * from the end of the last run, plus a random tenth, so that a thousand pages don't send requests at the same time.
 *
 * @returns a function that stops it
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
