import { describe, expect, it } from 'vitest';
import { isPaced, notablePacing } from '../../../src/lib/rules/pacing.ts';
import type { WorkerRow } from '../../../src/lib/rules/worker.ts';
import { worker } from '../../support/fleet.ts';

const paced = (heartbeat_interval_s: number, traits: Partial<WorkerRow> = {}) =>
  worker({ requested_interval_s: 10, heartbeat_interval_s, ...traits });

describe('the pacing of a fleet', () => {
  it('is shown once it stretches intervals beyond a minute', () => {
    expect(notablePacing([paced(75), paced(75.3), paced(10)], 7.5)).toEqual({
      workers: 2,
      longest: 75.3,
      even: true,
    });
    expect(notablePacing([paced(60)], 6)).toBeNull();
  });

  it('is shown with the longest interval if they differ', () => {
    expect(notablePacing([paced(75), paced(150)], 7.5)).toMatchObject({ longest: 150, even: false });
  });

  it('is not shown for long intervals that people have set or workers requested', () => {
    expect(notablePacing([paced(300)], 1)).toBeNull();
    expect(notablePacing([worker({ requested_interval_s: 600, heartbeat_interval_s: 600 })], 2)).toBeNull();
  });

  it('ignores dead and scheduled workers', () => {
    expect(notablePacing([paced(75, { status: 'stopped' })], 7.5)).toBeNull();
    expect(notablePacing([paced(75, { kind: 'scheduled' })], 7.5)).toBeNull();
  });
});

describe('a worker', () => {
  it('is paced if its interval differs from the requested one', () => {
    expect(isPaced(paced(75))).toBe(true);
    expect(isPaced(paced(2))).toBe(true);
    expect(isPaced(paced(10.2))).toBe(false);
    expect(isPaced(worker())).toBe(false);
  });
});
