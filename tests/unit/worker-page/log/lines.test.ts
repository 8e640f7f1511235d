import { describe, expect, it } from 'vitest';
import {
  joined,
  readLines,
  readNews,
  wantedOf,
  type Line,
} from '../../../../src/lib/worker-page/log/lines.ts';
import { logDay, logTime } from '../../../../src/lib/worker-page/log/log-time.ts';
import { beginningOf, partsOf, visible } from '../../../../src/lib/worker-page/log/visible.ts';

const wire = (id: number, traits: object = {}) => ({
  id,
  at: '2026-11-22T23:30:05.123456+00:00',
  level: 'info',
  message: `line ${id}`,
  instance_id: 'a',
  line: id,
  ...traits,
});
const lines = (...wires: object[]): Line[] => readLines({ lines: wires, more: false }).lines;
const everything = { level: 'debug', search: '', amount: 100 } as const;

describe('lines of a log', () => {
  it('are read, and other data is rejected', () => {
    expect(lines(wire(1, { dropped: 3 }))).toMatchObject([
      { id: 1, dropped: 3, at: new Date('2026-11-22T23:30:05.123Z') },
    ]);
    expect(() => lines(wire(1, { level: 'fatal' }))).toThrow(/level/);
  });

  it('are in order of arrival, each once, at most the last ones', () => {
    const known = lines(wire(1), wire(2), wire(4));
    expect(joined(known, lines(wire(4), wire(3), wire(5)), 4).map(({ id }) => id)).toEqual([2, 3, 4, 5]);
  });

  it('match the level or worse, and the search without case', () => {
    const some = lines(
      wire(1, { level: 'debug', message: 'Timeout' }),
      wire(2, { level: 'warn', message: 'a TIMEOUT' }),
      wire(3, { level: 'error', message: 'else' }),
    );
    const ids = (level: 'debug' | 'warn', search: string) =>
      wantedOf(some, { level, search, amount: 100 }).map(({ id }) => id);
    expect(ids('debug', '')).toEqual([1, 2, 3]);
    expect(ids('warn', '')).toEqual([2, 3]);
    expect(ids('debug', 'timeout')).toEqual([1, 2]);
    expect(ids('warn', 'timeout')).toEqual([2]);
  });

  it('count lines dropped before a hidden line with the next visible one of its process', () => {
    const some = lines(
      wire(1, { level: 'debug', dropped: 5 }),
      wire(2, { level: 'error', instance_id: 'b' }),
      wire(3, { level: 'error', dropped: 2 }),
    );
    expect(wantedOf(some, { ...everything, level: 'error' }).map(({ dropped }) => dropped)).toEqual([0, 7]);
    expect(wantedOf(some, everything).map(({ dropped }) => dropped)).toEqual([5, 0, 2]);
  });
});

describe('news of a channel', () => {
  it('carry lines, or only report that there are some', () => {
    expect(readNews({ after: 3, to: 5, lines: [wire(4), wire(5)] })).toMatchObject({
      after: 3,
      to: 5,
      lines: [{ id: 4 }, { id: 5 }],
    });
    expect(readNews({ after: 3, to: 900 })).toEqual({ after: 3, to: 900, lines: null });
    expect(readNews([wire(4)]).lines).toHaveLength(1);
  });

  it('cause a request if unreadable or empty', () => {
    for (const odd of [undefined, null, 'text', { lines: [{ id: 'x' }] }])
      expect(readNews(odd)).toEqual({ after: null, to: null, lines: null });
  });
});

describe('a message', () => {
  const ESC = String.fromCharCode(27);
  const RLO = String.fromCodePoint(0x202e);

  it('hides nothing: invisible characters appear as codes, also in a file', () => {
    const hostile = `${ESC}[2Jdone\r\n${RLO}exe.gnp\u200b\u0000\rover\u{e0041}`;
    expect(visible(hostile)).toBe('\\x1b[2Jdone\n\\u202eexe.gnp\\u200b\\x00\\x0dover\\u{e0041}');
    expect(
      partsOf(hostile)
        .map(({ text }) => text)
        .join(''),
    ).toBe(visible(hostile));
    expect(partsOf(`a${ESC}b`)).toEqual([
      { text: 'a', is: 'text' },
      { text: '\\x1b', is: 'code' },
      { text: 'b', is: 'text' },
    ]);
    expect(visible('tab\tand\nline, مرحبا, 👩‍🚀, a\u200db')).toBe('tab\tand\nline, مرحبا, 👩‍🚀, a\\u200db');
  });

  it('marks search matches with their own case', () => {
    expect(partsOf('Timeout, no timeout', 'TIMEOUT').filter(({ is }) => is === 'found')).toEqual([
      { text: 'Timeout', is: 'found' },
      { text: 'timeout', is: 'found' },
    ]);
  });

  it('is shortened if long or tall, but not for a few characters', () => {
    expect(beginningOf('short')).toBeNull();
    expect(beginningOf('x'.repeat(700))).toBeNull();
    expect(beginningOf('x'.repeat(1500))).toHaveLength(600);
    expect(beginningOf(Array(8).fill('line').join('\n'))).toBeNull();
    expect(beginningOf(Array(30).fill('line').join('\n'))!.split('\n')).toHaveLength(8);
  });
});

describe('the time of a line', () => {
  it('is in the reader’s zone', () => {
    const at = new Date('2026-11-22T23:30:05.123Z');
    expect([logTime(at, 'UTC'), logDay(at, 'UTC')]).toEqual(['23:30:05.123', 'Sun, 22 Nov 2026']);
    expect([logTime(at, 'Europe/Berlin'), logDay(at, 'Europe/Berlin')]).toEqual([
      '00:30:05.123',
      'Mon, 23 Nov 2026',
    ]);
  });
});
