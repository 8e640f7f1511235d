import { Refused } from './fleet.ts';
import { jsonText } from './json-text.ts';

/** Answers requests for data; a refusal gets its status and says its kind. */
export async function answer(work: () => Promise<unknown>): Promise<Response> {
  try {
    return jsonAnswer(await work());
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return jsonAnswer({ kind: error.kind, message: error.detail }, error.status);
  }
}

/** @param status HTTP @default 200 */
export function jsonAnswer(value: unknown, status = 200): Response {
  return new Response(jsonText(value), { status, headers: { 'content-type': 'application/json' } });
}

/**
 * Lets the browser of the one who asked keep an answer, and nobody else: for what changes once a minute at most. A refusal is
 * kept by nobody.
 */
export function keptFor(seconds: number, response: Response): Response {
  if (response.ok) {
    response.headers.set('cache-control', `private, max-age=${seconds}`);
    response.headers.set('vary', 'cookie'); // somebody else may sign in meanwhile
  }
  return response;
}
