import { env as secret } from '$env/dynamic/private';
import { env } from '$env/dynamic/public';
import { tickFor } from '$lib/server/database/tick.ts';
import { json } from '@sveltejs/kit';
import type { RequestHandler } from './$types';

/** Runs the tick for any cron, if the database has no pg_cron: docs/scheduling.md. */
export const GET: RequestHandler = async ({ request }) => {
  const { status, body } = await tickFor(request.headers.get('authorization'), {
    cronSecret: secret.CRON_SECRET,
    url: env.PUBLIC_SUPABASE_URL,
    secretKey: secret.SUPABASE_SECRET_KEY,
  });
  return json(body, { status });
};
