import { describe, expect, it } from 'vitest';
import { badge } from '../../../src/lib/public/badge.ts';
import { frameAncestors } from '../../../src/lib/server/http/frame-ancestors.ts';
import { jsonText } from '../../../src/lib/server/http/json-text.ts';

const HOSTILE = [
  '"><script>alert(1)</script>',
  "'/><image href=x onerror=alert(1)>&amp;",
  'safe\u202egnp.exe\u2066\u200f',
  'line\nbreak\u0000\u001b[31m\u009b\u2028end',
  'half \ud800 and tag \u{e0041}',
  'W'.repeat(8192),
  '漢'.repeat(8192),
  '',
];

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

  it('is as wide as its words', () => {
    const width = (words: string) => Number(/width="(\d+)"/.exec(badge(words, 'running', 'healthy'))![1]);
    // Eight times the capital W is some four times as wide as eight times i.
    expect(width('WWWWWWWW') - width('')).toBeGreaterThan(3 * (width('iiiiiiii') - width('')));
    expect(width('crawl-worker')).toBeLessThan(160);
  });
});

describe('JSON of ours', () => {
  it.each(HOSTILE)('gives the value back, and nothing that misleads who looks at it: %j', (text) => {
    const written = jsonText({ text });
    expect(JSON.parse(written)).toEqual({ text });
    expect(written).not.toMatch(/[<>&\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800]/);
    expect(written.isWellFormed()).toBe(true);
  });
});

describe('who may embed', () => {
  it.each([
    ["'self' https://app.example.com", ["'self'", 'https://app.example.com']],
    ['https://*.example.com:8443', ['https://*.example.com:8443']],
    ["'none'", []],
    ['*', ["'self'"]],
    ["https://a.example; script-src 'unsafe-inline'", ["'self'"]],
    ["'self'\r\nset-cookie: a=b", ["'self'"]],
    [{ not: 'text' }, ["'self'"]],
  ])('of %j become %j', (setting, sources) => {
    expect(frameAncestors(setting)).toEqual(sources);
  });
});
