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
  it('are read, and refused when they are something else', () => {
    expect(lines(wire(1, { dropped: 3 }))).toMatchObject([
      { id: 1, dropped: 3, at: new Date('2026-11-22T23:30:05.123Z') },
    ]);
    expect(() => lines(wire(1, { level: 'fatal' }))).toThrow(/level/);
  });

  it('stand in the order of coming, each once, the last of many', () => {
    const known = lines(wire(1), wire(2), wire(4));
    expect(joined(known, lines(wire(4), wire(3), wire(5)), 4).map(({ id }) => id)).toEqual([2, 3, 4, 5]);
  });

  it('are those of a level and worse that hold what is searched, in any case', () => {
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

  it('tell with the next of the same process what was dropped before one that is hidden', () => {
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
  it('carry lines, or only say that there are some', () => {
    expect(readNews({ after: 3, to: 5, lines: [wire(4), wire(5)] })).toMatchObject({
      after: 3,
      to: 5,
      lines: [{ id: 4 }, { id: 5 }],
    });
    expect(readNews({ after: 3, to: 900 })).toEqual({ after: 3, to: 900, lines: null });
    expect(readNews([wire(4)]).lines).toHaveLength(1);
  });

  it('that nobody can read, and none at all, are a reason to ask', () => {
    for (const odd of [undefined, null, 'text', { lines: [{ id: 'x' }] }])
      expect(readNews(odd)).toEqual({ after: null, to: null, lines: null });
  });
});

describe('a message', () => {
  const ESC = String.fromCharCode(27);
  const RLO = String.fromCodePoint(0x202e);

  it('hides nothing: what does something is written as its code, in a file too', () => {
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

  it('has what was searched marked, as it is written', () => {
    expect(partsOf('Timeout, no timeout', 'TIMEOUT').filter(({ is }) => is === 'found')).toEqual([
      { text: 'Timeout', is: 'found' },
      { text: 'timeout', is: 'found' },
    ]);
  });

  it('is folded when it is long or tall, and not for a few characters', () => {
    expect(beginningOf('short')).toBeNull();
    expect(beginningOf('x'.repeat(700))).toBeNull();
    expect(beginningOf('x'.repeat(1500))).toHaveLength(600);
    expect(beginningOf(Array(8).fill('line').join('\n'))).toBeNull();
    expect(beginningOf(Array(30).fill('line').join('\n'))!.split('\n')).toHaveLength(8);
  });
});

describe('the time of a line', () => {
  it('is that of the reader', () => {
    const at = new Date('2026-11-22T23:30:05.123Z');
    expect([logTime(at, 'UTC'), logDay(at, 'UTC')]).toEqual(['23:30:05.123', 'Sun, 22 Nov 2026']);
    expect([logTime(at, 'Europe/Berlin'), logDay(at, 'Europe/Berlin')]).toEqual([
      '00:30:05.123',
      'Mon, 23 Nov 2026',
    ]);
  });
});
