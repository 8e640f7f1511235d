import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

let nextDue: (schedule: string, after: Date | number) => Date;
beforeAll(async () => {
  process.env.WORKER_HEARTBEAT = 'off'; // nothing starts by the import
  ({ nextDue } = await import('../../workers-heartbeat/vercel.ts'));
  delete process.env.WORKER_HEARTBEAT;
});

describe('the next run', () => {
  it.each([
    ['0 8 * * *', '2026-03-01T07:59:59Z', '2026-03-01T08:00:00Z'],
    ['0 8 * * *', '2026-03-01T08:00:00Z', '2026-03-02T08:00:00Z'],
    ['*/15 * * * *', '2026-12-31T23:46:00Z', '2027-01-01T00:00:00Z'],
    ['5/20 10-12 * * *', '2026-03-01T12:45:00Z', '2026-03-02T10:05:00Z'],
    ['0 0 29 2 *', '2096-03-01T00:00:00Z', '2104-02-29T00:00:00Z'], // 2100 is no leap year
    ['30 6 1,15 * *', '2026-03-02T00:00:00Z', '2026-03-15T06:30:00Z'],
    ['0 9 * * 1-5', '2026-03-06T09:00:00Z', '2026-03-09T09:00:00Z'], // Friday, then Monday
    ['0 9 * * 7', '2026-03-06T09:00:00Z', '2026-03-08T09:00:00Z'], // Sunday is 0 and 7
    ['0 9 13 * 5', '2026-03-07T00:00:00Z', '2026-03-13T09:00:00Z'], // the 13th, or a Friday
  ])('of %s after %s is at %s', (schedule, after, due) => {
    expect(nextDue(schedule, new Date(after)).toISOString()).toBe(due.replace('Z', '.000Z'));
  });

  it('is the first matching minute of any schedule', () => {
    const field = (least: number, most: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.integer({ min: least, max: most }).map(String),
        fc.integer({ min: 1, max: 20 }).map((step) => `*/${step}`),
        fc
          .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
          .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
      );
    // Days from today on, so that the long way round stays short.
    const schedules = fc.tuple(field(0, 59), field(0, 23), field(1, 28), fc.constant('*'), field(0, 6));
    const fits = (part: string, value: number, least: number) => {
      if (part === '*') return true;
      if (part.startsWith('*/')) return (value - least) % Number(part.slice(2)) === 0;
      const [from, to = from] = part.split('-').map(Number) as [number, number?];
      return value >= from && value <= to;
    };
    fc.assert(
      fc.property(schedules, fc.integer({ min: 1.7e12, max: 1.9e12 }), (parts, after) => {
        const [minute, hour, day, , weekday] = parts;
        const every = (part: string, least: number, most: number) =>
          Array.from({ length: most - least + 1 }, (_, n) => least + n).every((value) =>
            fits(part, value, least),
          );
        const any = every(day, 1, 31) || every(weekday, 0, 6);
        let at = Math.floor(after / 60_000) * 60_000;
        for (let found = false; !found;) {
          at += 60_000;
          const date = new Date(at);
          if (!fits(minute, date.getUTCMinutes(), 0) || !fits(hour, date.getUTCHours(), 0)) continue;
          const days = [fits(day, date.getUTCDate(), 1), fits(weekday, date.getUTCDay(), 0)];
          found = any ? days.every(Boolean) : days.some(Boolean);
        }
        expect(nextDue(parts.join(' '), after).getTime()).toBe(at);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a schedule that is none', () => {
  it.each([
    ['0 8 * *', /must have five fields/],
    ['60 8 * * *', /has no minute of 0 to 59 in '60'/],
    ['0 24 * * *', /has no hour of 0 to 23/],
    ['0 8 0 * *', /has no day of the month of 1 to 31/],
    ['0 8 * JAN *', /has no month of 1 to 12 in 'JAN'/],
    ['0 8 * * 8', /has no day of the week of 0 to 7/],
    ['*/0 8 * * *', /has no minute/],
    ['5-1 8 * * *', /has no minute/],
    ['0 0 30 2 *', /never comes/],
    ['', /must have five fields/],
  ])('is refused with what is wrong: %s', (schedule, message) => {
    const wrong = () => nextDue(schedule, 0);
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow(message);
  });
});
