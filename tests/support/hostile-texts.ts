/** Texts that a worker might send to mislead whoever looks at them. */
export const HOSTILE = [
  '"><script>alert(1)</script>',
  "'/><image href=x onerror=alert(1)>&amp;",
  'safe\u202egnp.exe\u2066\u200f',
  'line\nbreak\u0000\u001b[31m\u009b\u2028end',
  'half \ud800 and tag \u{e0041}',
  'W'.repeat(8192),
  '漢'.repeat(8192),
  '',
];
