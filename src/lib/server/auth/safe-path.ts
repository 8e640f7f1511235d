/**
 * Where to go after signing in: a path of this site, or its start. Whatever comes from an address may have been put
 * there by somebody else, so it must not lead anywhere else.
 *
 * @param wished what the address asks for, such as "/?status=critical"
 */
export function safePath(wished: string | null): string {
  if (!wished?.startsWith('/')) return '/';
  const base = 'http://here.invalid';
  try {
    const url = new URL(wished, base);
    // "//elsewhere", "/\elsewhere" and the like have another origin once they are resolved.
    return url.origin === base ? url.pathname + url.search : '/';
  } catch {
    return '/';
  }
}
