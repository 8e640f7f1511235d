import type { RequestEvent } from '@sveltejs/kit';

/** The chosen theme; without it the system's theme applies. A script of the page writes this cookie. */
export const THEME_COOKIE = 'theme';

/** Public pages are cached for everybody, so they follow each reader's system. */
const PUBLIC = /^\/(status|bar)(\/|$)/;

/** Writes the chosen theme into the page, so that the page never flashes in the other one. */
export function withTheme({ cookies, route }: RequestEvent): (page: { html: string }) => string {
  const chosen = cookies.get(THEME_COOKIE);
  if ((chosen !== 'light' && chosen !== 'dark') || PUBLIC.test(route.id ?? '')) return ({ html }) => html;
  return ({ html }) => html.replace('<html lang="en">', `<html lang="en" data-theme="${chosen}">`);
}
