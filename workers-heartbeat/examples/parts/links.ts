const REFERENCE = /(?:<(a)\b[^>]*?\shref\s*=|\s(?:href|src)\s*=|\bimport\s*\()\s*(?:"([^"]*)"|'([^']*)')/gi;
const ENTITIES: Record<string, string> = { amp: '&', quot: '"', '#39': "'", '#x27': "'" };

/** The references of a page to its own site, each once, as paths with their query. */
export interface References {
  /** Targets of its links. */
  links: Set<string>;
  /** Parts that it loads: styles, scripts, pictures. */
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

/** The target of a reference, as a path on the page's own site; null for another site or scheme. */
export function sameSite(reference: string, page: URL): string | null {
  const url = URL.parse(reference, page);
  return url?.origin === page.origin ? url.pathname + url.search : null;
}
