import { describe, expect, it } from 'vitest';
import { absolute, ago, duration, until } from '../../src/lib/time/words.ts';

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

describe('until', () => {
  it('counts down to now, and stays there', () => {
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
    expect(absolute(new Date('2026-11-22T03:05:12.987Z'))).toBe('2026-11-22 03:05:12 UTC');
  });
});
