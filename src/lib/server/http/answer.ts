import { Refused } from '../database/refusal.ts';
import { jsonText } from './json-text.ts';

/** Answers requests for data. A refusal has its status and kind. */
export async function answer(work: () => Promise<unknown>): Promise<Response> {
  try {
    return jsonAnswer(await work());
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return jsonAnswer({ kind: error.kind, message: error.detail }, error.status);
  }
}

/** The same for the public, without the cause of an error, which is for members. */
export function answerPublic(work: () => Promise<unknown>): Promise<Response> {
  return answer(() =>
    work().catch((error: unknown) => {
      throw error instanceof Refused ? publicRefusal(error) : error;
    }),
  );
}

/** A refusal without the database's message and address. */
export function publicRefusal({ kind }: Refused): Refused {
  if (kind === 'signed-out') return new Refused(kind, 'There is no such embed key; it may have been revoked');
  return new Refused('unreachable', 'The status is not available. Try again in a moment');
}

/** @param status HTTP @default 200 */
export function jsonAnswer(value: unknown, status = 200): Response {
  return new Response(jsonText(value), { status, headers: { 'content-type': 'application/json' } });
}

/**
 * Lets the reader's own browser keep an answer, and nobody else, for data that changes at most once a minute. Errors are not
 * kept.
 */
export function keptFor(seconds: number, response: Response): Response {
  if (response.ok) {
    response.headers.set('cache-control', `private, max-age=${seconds}`);
    response.headers.set('vary', 'cookie'); // another person may sign in
  }
  return response;
}
