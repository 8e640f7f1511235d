import { redirect } from '@sveltejs/kit';
import type { RequestHandler } from './$types';

/** Signs out here, or on every device where the form says so. */
export const POST: RequestHandler = async ({ request, locals }) => {
  const form = await request.formData().catch(() => null);
  const everywhere = form?.get('scope') === 'everywhere';
  const notified = await locals.session.end(everywhere ? 'global' : 'local');
  redirect(303, everywhere && !notified ? '/login?here' : '/login');
};
