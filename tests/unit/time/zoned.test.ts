import { describe, expect, it } from 'vitest';
import { zoned } from '../../../src/lib/time/zoned.ts';

describe('a time on the clock of a zone', () => {
  it('in an hour that is skipped or comes twice is what a clock on the wall would show', () => {
    expect(zoned('2026-03-29T02:30', 'Europe/Berlin')).toEqual(new Date('2026-03-29T01:30:00Z'));
    expect(zoned('2026-10-25T02:30', 'Europe/Berlin')).toEqual(new Date('2026-10-25T00:30:00Z'));
  });
});
