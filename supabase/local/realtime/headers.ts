/** The headers for policies (`request.headers`): as on hosted, those that begin with `x-`. */
export function headersForPolicies(
  headers: Iterable<[string, string | string[] | undefined]>,
): Record<string, string> {
  const seen = [...headers].filter(([name]) => name.startsWith('x-') && name !== 'x-api-key');
  return Object.fromEntries(seen.map(([name, value]) => [name, String(value)]));
}
