import { json } from '@sveltejs/kit';
import { Refused } from './fleet.ts';

/** Answers the page's own requests; a refusal gets its status and says its kind. */
export async function answer(work: () => Promise<unknown>): Promise<Response> {
  try {
    return json(await work());
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return json({ kind: error.kind, message: error.detail }, { status: error.status });
  }
}
