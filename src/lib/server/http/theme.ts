import type { RequestEvent } from '@sveltejs/kit';

/** Of the two a person may choose; without a choice the system's counts. A script of the page writes this cookie. */
export const THEME_COOKIE = 'theme';

/** Public pages are kept by caches for everybody: they follow each reader's system. */
const PUBLIC = /^\/(status|bar)(\/|$)/;

/** Writes the theme that was chosen into the page, so that it never shows in the other one first. */
export function withTheme({ cookies, route }: RequestEvent): (page: { html: string }) => string {
  const chosen = cookies.get(THEME_COOKIE);
  if ((chosen !== 'light' && chosen !== 'dark') || PUBLIC.test(route.id ?? '')) return ({ html }) => html;
  return ({ html }) => html.replace('<html lang="en">', `<html lang="en" data-theme="${chosen}">`);
}
