import { describe, expect, it } from 'vitest';
import { pauseForm, pauseUntil } from '../../../../src/lib/worker-page/commands/pause-until.server.ts';

describe('a pause', () => {
  const now = new Date('2026-03-28T20:00:00Z');
  const form = (fields: Record<string, string>) => pauseForm.parse(fields);

  it('until tomorrow at nine is in the viewer’s zone, also across a change of clocks', () => {
    // In Berlin clocks go forward in that night.
    expect(pauseUntil(form({ for: 'tomorrow', zone: 'Europe/Berlin' }), now)).toEqual(
      new Date('2026-03-29T07:00:00Z'),
    );
    expect(pauseUntil(form({ for: 'tomorrow', zone: 'Pacific/Auckland' }), now)).toEqual(
      new Date('2026-03-29T20:00:00Z'),
    );
    expect(pauseUntil(form({ for: 'tomorrow' }), now)).toEqual(new Date('2026-03-29T09:00:00Z'));
  });

  it('until another time needs a valid time in the future', () => {
    const own = (until: string, zone = 'UTC') => pauseUntil(form({ for: 'own', until, zone }), now);
    expect(own('2026-03-28T22:00')).toEqual(new Date('2026-03-28T22:00:00Z'));
    expect(own('2026-03-28T19:00')).toMatch(/is in the past/);
    expect(own('soon')).toMatch(/Enter a date and a time/);
    expect(own('2026-03-28T22:00', 'Mars/Olympus')).toMatch(/Enter a date and a time/);
    expect(pauseUntil(form({ for: 'constructor' }), now)).toBe('Choose how long the pause lasts.');
  });
});
