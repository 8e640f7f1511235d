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
    const path = url.pathname + url.search;
    // "//elsewhere", "/\elsewhere" and similar paths resolve to another origin. So may what is left of "/.//elsewhere" once
    // its dots are resolved, so the path is checked in the form in which it is sent.
    return url.origin === base && new URL(path, base).origin === base ? path : '/';
  } catch {
    return '/';
  }
}
