import { describe, expect, it } from 'vitest';
import {
  absolute,
  ago,
  countdown,
  duration,
  every,
  instant,
  lasting,
  remaining,
  until,
} from '../../../src/lib/time/wording.ts';

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;
const D = 24 * H;

describe('ago', () => {
  it.each([
    [-5 * S, 'just now'],
    [0, 'just now'],
    [999, 'just now'],
    [1 * S, '1 second ago'],
    [2 * S, '2 seconds ago'],
    [MIN - 1, '59 seconds ago'],
    [MIN, '1 minute ago'],
    [H - 1, '59 minutes ago'],
    [H, '1 hour ago'],
    [D - 1, '23 hours ago'],
    [D, '1 day ago'],
    [400 * D, '400 days ago'],
  ])('says of %i ms: %s', (ms, words) => expect(ago(ms)).toBe(words));
});

describe('duration', () => {
  it.each([
    [-1, '0 s'],
    [0, '0 s'],
    [59_999, '59 s'],
    [MIN, '1 min'],
    [H, '1 h'],
    [2 * H + 5 * MIN + 59 * S, '2 h 5 min'],
    [D, '1 d'],
    [4 * D + 2 * H + 59 * MIN, '4 d 2 h'],
  ])('says of %i ms: %s', (ms, words) => expect(duration(ms)).toBe(words));
});

describe('lasting', () => {
  it.each([
    [-5, '0 seconds'],
    [1 * S, '1 second'],
    [34 * S, '34 seconds'],
    [MIN, '1 minute'],
    [2 * D, '2 days'],
  ])('says of %i ms: %s', (ms, words) => expect(lasting(ms)).toBe(words));
});

describe('countdown', () => {
  it.each([
    [3 * H, '3h'],
    [3 * H - 1, '2h 59m'],
    [45 * MIN, '45m'],
    [40 * S, '40s'],
    [2 * D + H, '2d 1h'],
  ])('says of %i ms: %s', (ms, words) => expect(countdown(ms)).toBe(words));
});

describe('remaining', () => {
  it.each([
    [-5 * S, '0 s'],
    [34 * S, '34 s'],
    [MIN, '1 min'],
    [MIN + 20 * S, '1 min 20 s'],
    [H - 1, '59 min 59 s'],
    [2 * H + 5 * MIN, '2 h 5 min'],
  ])('says of %i ms: %s', (ms, words) => expect(remaining(ms)).toBe(words));
});

describe('every', () => {
  it.each([
    [0.2, '1 s'],
    [10, '10 s'],
    [75.4, '75 s'],
    [120, '2 min'],
    [150, '2 min 30 s'],
    [3600, '1 h'],
  ])('says of %f s: %s', (seconds, words) => expect(every(seconds)).toBe(words));
});

describe('until', () => {
  it('counts down to now', () => {
    expect([3 * H, 40 * S, 1 * S, 999, -5 * S].map(until)).toEqual([
      'in 3 h',
      'in 40 s',
      'in 1 s',
      'now',
      'now',
    ]);
  });
});

describe('absolute', () => {
  it('names the zone, so that nobody has to guess', () => {
    const date = new Date('2026-11-22T03:05:12.987Z');
    expect(absolute(date)).toBe('2026-11-22 03:05:12 UTC');
    expect(absolute(date, 'Europe/Berlin')).toBe('2026-11-22 04:05:12 Europe/Berlin');
    expect(absolute(date, 'America/New_York')).toBe('2026-11-21 22:05:12 America/New_York');
  });
});

describe('instant', () => {
  it('omits today’s date in the reader’s zone', () => {
    const date = new Date('2026-11-22T23:05:12Z');
    const at = (iso: string) => new Date(iso).getTime();
    expect(instant(date, at('2026-11-22T23:59:59Z'))).toBe('23:05:12 UTC');
    expect(instant(date, at('2026-11-23T00:00:00Z'))).toBe('2026-11-22 23:05:12 UTC');
    expect(instant(date, at('2026-11-23T00:00:00Z'), 'Europe/Berlin')).toBe('00:05:12 Europe/Berlin');
  });
});
