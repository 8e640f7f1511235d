/** A request that takes longer is given up. */
const TIME_LIMIT_MS = 15_000;

/** Why our own server gave no answer: what the reader can do about it differs. */
export type Trouble = 'signed-out' | 'removed' | 'gone' | 'unreachable';

export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly trouble: Trouble;

  constructor(trouble: Trouble, detail: string) {
    super(detail);
    this.trouble = trouble;
  }
}

/** Asks our own server for data. @throws {NoAnswer} and whatever `read` throws of what it can't read */
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

/** What to show of any error. */
export function troubleOf(error: unknown): Trouble {
  return error instanceof NoAnswer ? error.trouble : 'unreachable';
}
