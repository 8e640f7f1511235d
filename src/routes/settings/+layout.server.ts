import { error } from '@sveltejs/kit';
import { requireMember } from '$lib/server/auth/member.ts';
import { sections as all, sectionsOf } from './sections.ts';
import type { LayoutServerLoad } from './$types';

/**
 * Decides who sees which section. A client can request a page's data without this function, so the database also checks the
 * role in its functions.
 */
export const load: LayoutServerLoad = async (event) => {
  const member = await requireMember(event);
  const sections = sectionsOf(member.role).map(({ path, name }) => ({ path, name }));
  const { pathname } = event.url;
  if (pathname !== '/settings' && !sections.some(({ path }) => pathname.startsWith(path)))
    error(403, {
      message: all.some(({ path, roles }) => pathname.startsWith(path) && roles.length > 1)
        ? 'This is for operators and owners'
        : 'This is for owners',
      advice: `Your role is ${member.role}. An owner can change it under Settings → Members.`,
    });
  return { member, sections };
};
