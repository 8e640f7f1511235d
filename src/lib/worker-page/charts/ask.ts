/** A request that takes longer is aborted. */
const TIME_LIMIT_MS = 15_000;

/** Why the server gave no data. Each needs another action by the reader. */
export type Trouble = 'signed-out' | 'removed' | 'gone' | 'unreachable';

export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly trouble: Trouble;

  constructor(trouble: Trouble, detail: string) {
    super(detail);
    this.trouble = trouble;
  }
}

/** Requests data from our own server. @throws {NoAnswer}, and the errors of `read` */
export async function ask<T>(path: string, read: (value: unknown) => T): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
  } catch (error) {
    throw new NoAnswer('unreachable', String(error));
  }
  const { status } = response;
  if (status === 401) throw new NoAnswer('signed-out', `HTTP ${status}`);
  if (status === 403) throw new NoAnswer('removed', `HTTP ${status}`);
  if (status === 404) throw new NoAnswer('gone', `HTTP ${status}`);
  if (!response.ok) throw new NoAnswer('unreachable', `HTTP ${status}`);
  return read(await response.json());
}

/** The trouble to show for an error. */
export function troubleOf(error: unknown): Trouble {
  return error instanceof NoAnswer ? error.trouble : 'unreachable';
}
