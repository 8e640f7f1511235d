import { describe, expect, it } from 'vitest';
import { sparkPath, sparkText } from '../../../src/lib/ui/spark.ts';

describe('a spark line', () => {
  it('rises with the values, the highest of which is at the top', () => {
    expect(sparkPath([0, 5, 10])).toBe('M0 15L1 8L2 1');
  });

  it('has a gap where nothing is known, and a dot where something is known for once', () => {
    expect(sparkPath([10, 10, null, 0, null, null, 10])).toBe('M0 1L1 1M3 15h0M6 1h0');
  });

  it('lies at the bottom when nothing was done, and is not there when nothing is known', () => {
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
