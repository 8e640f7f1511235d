/**
 * The value below which a share of all values lies, by the nearest rank: always one that was measured.
 *
 * @param share 0 to 1
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** The middle one, so that a moment in which the machine was busy elsewhere does not count. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
