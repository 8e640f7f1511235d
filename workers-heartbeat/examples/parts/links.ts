const ENTITIES: Record<string, string> = { amp: '&', quot: '"', '#39': "'", '#x27': "'" };

/**
 * The pages and files of the same site that a page refers to, as paths. Without their query: a list sorted another way
 * is the same list, and following every combination would never end.
 */
export function linksOf(html: string, page: URL): Set<string> {
  const paths = new Set<string>();
  for (const [, double, single] of html.matchAll(/\s(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)) {
    const written = (double ?? single ?? '').replace(/&(\w+|#\w+);/g, (all, name) => ENTITIES[name] ?? all);
    const path = sameSite(written, page);
    if (path) paths.add(path);
  }
  return paths;
}

/** Where a reference on a page leads, as a path of the page's own site; null for any other site or scheme. */
export function sameSite(reference: string, page: URL): string | null {
  const url = URL.parse(reference, page);
  return url?.origin === page.origin ? url.pathname : null;
}
