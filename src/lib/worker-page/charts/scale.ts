/**
 * The steps of a scale. 2.5 is not among them, because {@link amount} has one decimal, and 0.25, 0.5, 0.75 would appear as 0.3,
 * 0.5, 0.8. No step below 0.1 is needed, because a scale reaches at least 1.
 */
export const STEPS: readonly number[] = steps(-1, 11);

/** The steps for whole numbers. */
export const WHOLE_STEPS: readonly number[] = steps(0, 11);

function steps(from: number, to: number): number[] {
  // From text, because 2 * 10 ** -1 is not always 0.2.
  const tens = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return tens.flatMap((ten) => [1, 2, 5].map((n) => Number(`${n}e${ten}`)));
}
