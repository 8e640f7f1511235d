import { answer } from '$lib/server/http/answer.ts';
import { Refused } from '$lib/server/database/refusal.ts';
import type { RequestHandler } from './$types';

/** A token for Realtime, valid for at least a minute. The refresh token stays in its cookie. */
export const GET: RequestHandler = ({ locals }) =>
  answer(async () => {
    const token = await locals.session.token();
    if (!token) throw new Refused('signed-out', 'no session');
    return token;
  });
