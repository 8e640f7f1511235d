/** The height of the drawing in its own units; it is stretched to its element. */
const HEIGHT = 16;
/** Margin for half of the line's width, which would be cut off at the edge. */
const EDGE = 1;

/**
 * The values as an SVG path in a box of `values.length - 1` by {@link HEIGHT}. Null is a gap, not a zero. A value between two
 * gaps is a dot.
 */
export function sparkPath(values: readonly (number | null)[]): string {
  const top = Math.max(1, ...values.map((value) => value ?? 0));
  const y = (value: number) => +(HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE)).toFixed(1);
  let path = '';
  values.forEach((value, x) => {
    if (value === null) return;
    path += `${x > 0 && values[x - 1] !== null ? 'L' : 'M'}${x} ${y(value)}`;
    // A stroke of length zero is visible only with round ends.
    if ((values[x - 1] ?? null) === null && (values[x + 1] ?? null) === null) path += 'h0';
  });
  return path;
}

/** The same as text, for screen readers: "240 jobs in the last hour, at most 12 a minute". */
export function sparkText(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return 'no history of the last hour';
  const jobs = Math.round(known.reduce((sum, value) => sum + value, 0));
  return `${jobs} ${jobs === 1 ? 'job' : 'jobs'} in the last hour${jobs > 0 ? `, at most ${Math.round(Math.max(...known))} a minute` : ''}`;
}
