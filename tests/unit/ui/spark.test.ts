import { describe, expect, it } from 'vitest';
import { sparkPath, sparkText } from '../../../src/lib/ui/spark.ts';

describe('a spark line', () => {
  it('rises with the values, with the highest at the top', () => {
    expect(sparkPath([0, 5, 10])).toBe('M0 15L1 8L2 1');
  });

  it('has a gap without data, and a dot for a single value', () => {
    expect(sparkPath([10, 10, null, 0, null, null, 10])).toBe('M0 1L1 1M3 15h0M6 1h0');
  });

  it('is at the bottom for zero jobs, and absent without data', () => {
    expect(sparkPath([0, 0])).toBe('M0 15L1 15');
    expect(sparkPath([null, null])).toBe('');
    expect(sparkPath([])).toBe('');
  });

  it.each([
    [[], 'no history of the last hour'],
    [[null, null], 'no history of the last hour'],
    [[0, null], '0 jobs in the last hour'],
    [[1, null], '1 job in the last hour, at most 1 a minute'],
    [[7, 230, null, 3], '240 jobs in the last hour, at most 230 a minute'],
  ])('says of %j: %s', (values, words) => expect(sparkText(values)).toBe(words));
});
