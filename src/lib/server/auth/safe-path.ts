/**
 * The path to go to after signing in: a path of this site, or `/`. The wished path comes from an address, which somebody else may
 * have written, so it must not lead to another site.
 *
 * @param wished the path in the address, such as "/?status=critical"
 */
export function safePath(wished: string | null): string {
  if (!wished?.startsWith('/')) return '/';
  const base = 'http://here.invalid';
  try {
    const url = new URL(wished, base);
    // "//elsewhere", "/\elsewhere" and similar paths resolve to another origin.
    return url.origin === base ? url.pathname + url.search : '/';
  } catch {
    return '/';
  }
}
