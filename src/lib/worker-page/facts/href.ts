/** The address of a worker's page. Names hold slashes, dots and colons: one segment, encoded. */
export function hrefOf(name: string): string {
  return `/workers/${encodeURIComponent(name)}`;
}
