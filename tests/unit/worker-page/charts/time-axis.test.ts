import { describe, expect, it } from 'vitest';
import { markText, stepTime, timeMarks } from '../../../../src/lib/worker-page/charts/time-axis.ts';

const at = (iso: string) => Date.parse(iso) / 1000;
const words = (from: string, to: string, atMost: number, zone: string) =>
  timeMarks(at(from), at(to), atMost, zone).map((mark) => markText(mark, zone));

describe('an axis of time', () => {
  it('has marks at round times of the viewer’s zone, and the date at midnight', () => {
    expect(words('2026-11-22T20:07:00Z', '2026-11-23T02:07:00Z', 7, 'Europe/Berlin')).toEqual([
      '22:00',
      '23:00',
      '23 Nov',
      '01:00',
      '02:00',
      '03:00',
    ]);
  });

  it('has no more marks than fit', () => {
    for (const atMost of [4, 5, 8, 13])
      for (const hours of [1, 24, 24 * 7, 24 * 90]) {
        const marks = timeMarks(
          at('2026-08-01T00:00:01Z'),
          at('2026-08-01T00:00:01Z') + hours * 3600,
          atMost,
          'UTC',
        );
        expect(marks.length).toBeLessThanOrEqual(atMost);
        expect(marks.length).toBeGreaterThan(0);
      }
  });

  it('handles zones with half-hour offsets', () => {
    expect(words('2026-11-22T10:10:00Z', '2026-11-22T14:10:00Z', 5, 'Asia/Kolkata')).toEqual([
      '16:00',
      '17:00',
      '18:00',
      '19:00',
    ]);
  });

  it('stays at midnights when the clocks change, and marks a repeated hour once', () => {
    // Berlin: 29 March 2026, 02:00 does not exist; 25 October 2026, 02:00 exists twice.
    expect(words('2026-03-28T12:00:00Z', '2026-03-31T12:00:00Z', 4, 'Europe/Berlin')).toEqual([
      '29 Mar',
      '30 Mar',
      '31 Mar',
    ]);
    expect(words('2026-03-28T23:30:00Z', '2026-03-29T03:30:00Z', 6, 'Europe/Berlin')).toEqual([
      '01:00',
      '03:00',
      '04:00',
      '05:00',
    ]);
    const autumn = words('2026-10-24T22:30:00Z', '2026-10-25T03:30:00Z', 6, 'Europe/Berlin');
    expect(autumn).toEqual(['01:00', '02:00', '03:00', '04:00']);
  });
});

describe('the text of a step', () => {
  it.each([
    ['2026-11-22T13:30:00Z', 300, 'UTC', '22 Nov, 13:30–13:35'],
    ['2026-11-22T18:00:00Z', 21_600, 'UTC', '22 Nov, 18:00–00:00'],
    ['2026-11-22T18:00:00Z', 21_600, 'Europe/Berlin', '22 Nov, 19:00 – 23 Nov, 01:00'],
  ])('%s for %i s in %s is %s', (start, seconds, zone, said) =>
    expect(stepTime(at(start), seconds, zone)).toBe(said),
  );
});
