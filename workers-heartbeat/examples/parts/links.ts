const REFERENCE = /(?:<(a)\b[^>]*?\shref\s*=|\s(?:href|src)\s*=|\bimport\s*\()\s*(?:"([^"]*)"|'([^']*)')/gi;
const ENTITIES: Record<string, string> = { amp: '&', quot: '"', '#39': "'", '#x27': "'" };

/** What a page refers to on its own site, each once: as paths with their query. */
export interface References {
  /** Where its links lead. */
  links: Set<string>;
  /** What it loads: styles, scripts, pictures. */
  parts: Set<string>;
}

export function referencesIn(html: string, page: URL): References {
  const found: References = { links: new Set(), parts: new Set() };
  for (const [, anchor, double, single] of html.matchAll(REFERENCE)) {
    const written = (double ?? single ?? '').replace(/&(\w+|#\w+);/g, (all, name) => ENTITIES[name] ?? all);
    const path = sameSite(written, page);
    if (path) (anchor ? found.links : found.parts).add(path);
  }
  return found;
}

/** Where a reference on a page leads, as a path of the page's own site; null for any other site or scheme. */
export function sameSite(reference: string, page: URL): string | null {
  const url = URL.parse(reference, page);
  return url?.origin === page.origin ? url.pathname + url.search : null;
}
