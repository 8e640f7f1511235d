/**
 * An error in one line, for a terminal that five workers share. The page shows it too, as the worker's last error. What
 * `fetch` has to say ("fetch failed") is said by its cause.
 */
export function inOneLine(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { message, code } = cause as NodeJS.ErrnoException;
  return String(message || code || cause).split('\n', 1)[0]!;
}
