import { describe, expect, it } from 'vitest';
import { toValue, visible } from '../../../../src/lib/worker-page/metadata/values.ts';

describe('metadata', () => {
  it('shows invisible characters, and keeps lines and tabs', () => {
    expect(visible('a\u0000b\u202Ec\u200Bd\n\te')).toBe('a␀b⟨202E⟩c⟨200B⟩d\n\te');
  });

  it('links only complete web addresses', () => {
    const kind = (text: string) => toValue(text).kind;
    expect(kind('https://example.com/a?b=c#d')).toBe('link');
    for (const other of [
      'javascript:alert(1)',
      'data:text/html,x',
      'https://user:secret@example.com/',
      'https://example.com\u202Emoc.live',
      'see https://example.com',
      'https://',
    ])
      expect(kind(other), other).not.toBe('link');
  });

  it('is limited in depth and breadth, and says how much is left out', () => {
    let deep: unknown = 'end';
    for (let n = 0; n < 50; n++) deep = { deep };
    expect(JSON.stringify(toValue(deep))).toContain('"kind":"deep"');
    const wide = toValue(Array.from({ length: 500 }, (_, n) => n));
    expect(wide).toMatchObject({ kind: 'list', left: 400 });
  });

  it('loses no digit of a number', () => {
    expect(toValue(12345678901234)).toEqual({ kind: 'figure', text: '12,345,678,901,234' });
    expect(toValue(0.1234567)).toEqual({ kind: 'figure', text: '0.1234567' });
  });
});
