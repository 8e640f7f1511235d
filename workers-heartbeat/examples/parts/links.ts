const REFERENCE = /(?:\s(?:href|src)\s*=\s*|\bimport\s*\()\s*(?:"([^"]*)"|'([^']*)')/gi;
const ENTITIES: Record<string, string> = { amp: '&', quot: '"', '#39': "'", '#x27': "'" };

/** What a page refers to on its own site, links and scripts alike, each once: as paths with their query. */
export function linksOf(html: string, page: URL): Set<string> {
  const paths = new Set<string>();
  for (const [, double, single] of html.matchAll(REFERENCE)) {
    const written = (double ?? single ?? '').replace(/&(\w+|#\w+);/g, (all, name) => ENTITIES[name] ?? all);
    const path = sameSite(written, page);
    if (path) paths.add(path);
  }
  return paths;
}

/** Where a reference on a page leads, as a path of the page's own site; null for any other site or scheme. */
export function sameSite(reference: string, page: URL): string | null {
  const url = URL.parse(reference, page);
  return url?.origin === page.origin ? url.pathname + url.search : null;
}
