import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../src/lib/worker-page/details.ts';
import { outcomeOf } from '../../../../src/lib/worker-page/facts/outcome.ts';

const at = (time: string) => `2026-11-22T${time}+00:00`;
describe('the outcome of a process', () => {
  const one = { id: 'old', status: 'idle', endedAt: null, lastExit: null, leaseExpiresAt: null };
  const outcome = (known: string, fields: Partial<Instance> = {}) =>
    outcomeOf(
      { ...one, ...fields } as Instance,
      { instanceId: 'new', status: 'idle' },
      { instanceId: known },
      Date.parse(at('12:00:00')),
    );

  it('is not "fell silent" before the first fetch after another process took over', () => {
    expect(outcome('old')).toBe('ended');
    expect(outcome('new')).toBe('fell silent');
    expect(outcome('new', { endedAt: new Date(at('11:59:59')) })).toBe('ended');
    expect(outcome('new', { leaseExpiresAt: new Date(at('12:00:09')) })).toBe('superseded, still alive');
  });
});
