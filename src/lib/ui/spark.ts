/** What stands for one value in each direction, in the units of the drawing: it is stretched to the room that it gets. */
const HEIGHT = 16;
/** The line is drawn half of its width to either side: at the edge it would be cut. */
const EDGE = 1;

/**
 * The line of a few values as the path of an SVG of `values.length - 1` by {@link HEIGHT}. A null is a gap, not a zero;
 * one value between two gaps is a dot.
 */
export function sparkPath(values: readonly (number | null)[]): string {
  const top = Math.max(1, ...values.map((value) => value ?? 0));
  const y = (value: number) => +(HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE)).toFixed(1);
  let path = '';
  values.forEach((value, x) => {
    if (value === null) return;
    path += `${x > 0 && values[x - 1] !== null ? 'L' : 'M'}${x} ${y(value)}`;
    // A stroke without a length is seen only where its ends are round, and where it is a stroke at all.
    if ((values[x - 1] ?? null) === null && (values[x + 1] ?? null) === null) path += 'h0';
  });
  return path;
}

/** The same for those who do not see it: "240 jobs in the last hour, at most 12 a minute". */
export function sparkText(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return 'no history of the last hour';
  const jobs = Math.round(known.reduce((sum, value) => sum + value, 0));
  return `${jobs} ${jobs === 1 ? 'job' : 'jobs'} in the last hour${jobs > 0 ? `, at most ${Math.round(Math.max(...known))} a minute` : ''}`;
}
