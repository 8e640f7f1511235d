import { redirect } from '@sveltejs/kit';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ parent }) => {
  const { sections } = await parent();
  redirect(303, (sections.find(({ path }) => path === '/settings/members') ?? sections[0]!).path);
};
