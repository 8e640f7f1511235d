import { redirect } from '@sveltejs/kit';
import { readForm, text } from '$lib/server/http/form.ts';
import { z } from 'zod';
import type { RequestHandler } from './$types';

const form = z.object({ scope: text });

/** Signs out here, or on every device, as the form says. */
export const POST: RequestHandler = async ({ request, locals }) => {
  const everywhere = await readForm(request, form).then(
    ({ scope }) => scope === 'everywhere',
    () => false, // a request without a form signs out here
  );
  const notified = await locals.session.end(everywhere ? 'global' : 'local');
  redirect(303, everywhere && !notified ? '/login?here' : '/login');
};
