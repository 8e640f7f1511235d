/**
 * The steps that a scale may go by. 2.5 is none of them: {@link amount} has one decimal, and 0.25, 0.5, 0.75 would read
 * 0.3, 0.5, 0.8. Below 0.1 none is needed, for a scale reaches to 1 at least.
 */
export const STEPS: readonly number[] = steps(-1, 11);

/** The same, where only whole numbers make sense. */
export const WHOLE_STEPS: readonly number[] = steps(0, 11);

function steps(from: number, to: number): number[] {
  // By text: 2 * 10 ** -1 is not always 0.2.
  const tens = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return tens.flatMap((ten) => [1, 2, 5].map((n) => Number(`${n}e${ten}`)));
}
