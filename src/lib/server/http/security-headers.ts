/**
 * The security headers of a response.
 *
 * SvelteKit writes a page's Content-Security-Policy, with a nonce for each of its own scripts (svelte.config.js). The project's
 * address is added here, because one build works for any project.
 */
export function secure(
  headers: Headers,
  {
    connect,
    frameAncestors,
    https,
  }: {
    /** Origins that scripts may connect to, besides our own. */
    connect: readonly string[];
    /** Sites that may show this response in a frame; empty: none. */
    frameAncestors: readonly string[];
    https: boolean;
  },
): void {
  const ancestors = `frame-ancestors ${frameAncestors.length > 0 ? frameAncestors.join(' ') : "'none'"}`;
  const page = headers.get('content-security-policy');
  headers.set(
    'content-security-policy',
    page
      ? `${page}; connect-src 'self'${connect.map((origin) => ` ${origin}`).join('')}; ${ancestors}`
      : // JSON, an image or a redirect must not run or load anything, wherever it is opened.
        `default-src 'none'; ${ancestors}`,
  );
  // The older header has only "nobody" and "same origin".
  if (frameAncestors.length === 0) headers.set('x-frame-options', 'DENY');
  headers.set('x-content-type-options', 'nosniff');
  if (!headers.has('referrer-policy')) headers.set('referrer-policy', 'same-origin');
  headers.set('permissions-policy', NOTHING);
  headers.set('cross-origin-opener-policy', 'same-origin');
  // Two years, as browsers' preload lists require. Not without https, so that local names stay usable.
  if (https) headers.set('strict-transport-security', 'max-age=63072000; includeSubDomains');
}

/** Browser features that no page here uses. */
const NOTHING = [
  'camera',
  'display-capture',
  'geolocation',
  'microphone',
  'payment',
  'publickey-credentials-get',
  'usb',
]
  .map((power) => `${power}=()`)
  .join(', ');
