import type { Role } from '$lib/server/auth/member.ts';

/** The sections of the settings: the tabs from left to right, with the roles that see each. */
export const sections = [
  { path: '/settings/account', name: 'Account', roles: ['viewer', 'operator', 'owner'] },
  { path: '/settings/members', name: 'Members', roles: ['owner'] },
  { path: '/settings/groups', name: 'Groups', roles: ['operator', 'owner'] },
  { path: '/settings/tokens', name: 'Worker tokens', roles: ['owner'] },
  { path: '/settings/public', name: 'Public page', roles: ['owner'] },
] as const satisfies readonly { path: string; name: string; roles: readonly Role[] }[];

/** The sections of a role. */
export function sectionsOf(role: Role) {
  return sections.filter(({ roles }) => (roles as readonly Role[]).includes(role));
}
