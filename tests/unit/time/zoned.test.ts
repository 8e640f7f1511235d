import { describe, expect, it } from 'vitest';
import { zoned } from '../../../src/lib/time/zoned.ts';

describe('a wall-clock time in a zone', () => {
  it('in a skipped or repeated hour matches a wall clock', () => {
    expect(zoned('2026-03-29T02:30', 'Europe/Berlin')).toEqual(new Date('2026-03-29T01:30:00Z'));
    expect(zoned('2026-10-25T02:30', 'Europe/Berlin')).toEqual(new Date('2026-10-25T00:30:00Z'));
  });
});
