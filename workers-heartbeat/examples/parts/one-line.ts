/**
 * An error in one line, for a terminal that five workers share. The page also shows the line, as the worker's last error.
 * Includes the cause, because `fetch` itself only says "fetch failed".
 */
export function inOneLine(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { message, code } = cause as NodeJS.ErrnoException;
  return String(message || code || cause).split('\n', 1)[0]!;
}
