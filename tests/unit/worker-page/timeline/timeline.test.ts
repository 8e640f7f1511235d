import { describe, expect, it } from 'vitest';
import { readEvent } from '../../../../src/lib/worker-page/timeline/events.ts';
import { dayText, timeline } from '../../../../src/lib/worker-page/timeline/timeline.ts';

const at = (time: string) => `2026-11-22T${time}+00:00`;
const event = (id: number, time: string, fields: Record<string, unknown>) =>
  readEvent({ id, at: time.includes('T') ? time : at(time), type: 'status', details: {}, ...fields });

describe('the timeline', () => {
  const events = [
    event(5, '12:10:00', { to_value: 'idle' }),
    event(4, '12:05:00', { type: 'breaker', to_value: 'open', details: { failures: 10, threshold: 10 } }),
    event(3, '12:00:00', {
      to_value: 'crashed',
      reason: 'exit code 3',
      details: { last_exit: { code: 3, drain_ms: 120 } },
    }),
    event(2, '11:00:00', { to_value: 'idle' }),
    event(1, '2026-11-21T23:30:00+00:00', { type: 'monitor', to_value: 'impaired' }),
  ];

  it('shows how long each state lasted, whatever else happened meanwhile', () => {
    const [today] = timeline(events, 'UTC');
    expect(today!.entries.map(({ title, lasted, current }) => [title, lasted, current])).toEqual([
      ['Alive', null, true],
      ['Circuit breaker opened', null, true],
      ['Crashed', 600_000, false],
      ['Alive', 3_600_000, false],
    ]);
  });

  it('shows no current state if the latest events are not loaded', () => {
    expect(timeline(events, 'UTC', false)[0]!.entries.some(({ current }) => current)).toBe(false);
  });

  it('has the days of the viewer’s zone', () => {
    expect(timeline(events, 'UTC').map(({ date }) => date)).toEqual(['2026-11-22', '2026-11-21']);
    expect(timeline(events, 'Europe/Berlin').map(({ date }) => date)).toEqual(['2026-11-22']);
    const now = Date.parse(at('12:30:00'));
    expect(dayText('2026-11-22', now, 'UTC')).toBe('Today');
    expect(dayText('2026-11-21', now, 'UTC')).toBe('Yesterday');
    expect(dayText('2026-11-01', now, 'UTC')).toBe('Sunday, 1 November 2026');
  });

  it('shows an exit report once: the exit code is in the reason already', () => {
    const crash = timeline(events, 'UTC')[0]!.entries[2]!;
    expect(crash.reason).toBe('exit code 3');
    expect(crash.more).toEqual([{ label: 'drained in', quoted: '120 ms' }]);
  });
});
