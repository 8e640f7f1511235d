import { describe, expect, it } from 'vitest';
import { badge } from '../../../src/lib/public/badge.ts';
import { HOSTILE } from '../../../tests/support/hostile-texts.ts';

/** Elements and attributes, whatever the texts between them: none is written by the texts. */
const skeleton = (svg: string) =>
  svg.replace(/>[^<]*</g, '><').replace(/(aria-label|width|x|textLength)="[^"]*"/g, '$1');

describe('a badge', () => {
  it.each(HOSTILE)('is the same picture with harmless text whatever the name: %j', (text) => {
    const svg = badge(text, text, 'critical');
    expect(skeleton(svg)).toBe(skeleton(badge('crawl', 'failing', 'critical')));
    expect(svg).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
    expect(svg.length).toBeLessThan(2500);
    expect(Number(/^<svg [^>]*width="(\d+)"/.exec(svg)![1])).toBeLessThan(1500);
  });

  it('is as wide as its text', () => {
    const width = (words: string) => Number(/width="(\d+)"/.exec(badge(words, 'running', 'healthy'))![1]);
    // Eight times the capital W is some four times as wide as eight times i.
    expect(width('WWWWWWWW') - width('')).toBeGreaterThan(3 * (width('iiiiiiii') - width('')));
    expect(width('crawl-worker')).toBeLessThan(160);
  });
});
