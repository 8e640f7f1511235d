import { describe, expect, it } from 'vitest';
import { isTickLate } from '../../../src/lib/rules/monitor.ts';
import { before, NOW } from '../../support/fleet.ts';

const late = (seconds: number, everySeconds: number) =>
  isTickLate(new Date(before(seconds)), everySeconds, NOW.getTime());

describe('the tick is late', () => {
  it('after thirty seconds with a period of a few seconds', () => {
    expect(late(30, 5)).toBe(false);
    expect(late(30.001, 5)).toBe(true);
  });

  it('after three periods with a cron of full minutes', () => {
    expect(late(180, 60)).toBe(false);
    expect(late(180.001, 60)).toBe(true);
  });

  it('when it never ran', () => {
    expect(isTickLate(null, 5, NOW.getTime())).toBe(true);
  });
});
