/**
 * The headers that keep a page from being used against who reads it.
 *
 * SvelteKit writes a page's Content-Security-Policy, with a nonce for each of its own scripts (svelte.config.js). What
 * only the running server knows is added here: one build serves any project, so the project's address can't be in it.
 */
export function secure(
  headers: Headers,
  {
    connect,
    frameAncestors,
    https,
  }: {
    /** Origins that scripts may talk to, besides our own. */
    connect: readonly string[];
    /** Who may show this answer in a frame; empty: nobody. */
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
      : // JSON, a picture, a redirect: nothing in it is to be run or loaded, wherever it is opened.
        `default-src 'none'; ${ancestors}`,
  );
  // The older header knows only "nobody" and "ourselves".
  if (frameAncestors.length === 0) headers.set('x-frame-options', 'DENY');
  headers.set('x-content-type-options', 'nosniff');
  if (!headers.has('referrer-policy')) headers.set('referrer-policy', 'same-origin');
  headers.set('permissions-policy', NOTHING);
  headers.set('cross-origin-opener-policy', 'same-origin');
  // Two years, as browsers' preload lists ask. Without https it would be ignored, and a local name must stay usable.
  if (https) headers.set('strict-transport-security', 'max-age=63072000; includeSubDomains');
}

/** Powers of a browser that no page here has a use for. */
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
