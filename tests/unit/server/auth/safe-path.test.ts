import { describe, expect, it } from 'vitest';
import { safePath } from '../../../../src/lib/server/auth/safe-path.ts';

describe('where to go after signing in', () => {
  it('is the requested page', () => {
    expect(safePath('/?status=critical&q=a%20b')).toBe('/?status=critical&q=a%20b');
    expect(safePath('/workers/crawl-worker')).toBe('/workers/crawl-worker');
  });

  it.each([
    null,
    '',
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    '/\t/evil.example/',
    '/.//evil.example/x',
    '/x/..//evil.example',
    '/%2e//evil.example',
    '/./\\evil.example',
    '/..//evil.example:443/?next=/',
    '\\\\evil.example',
    'javascript:alert(1)',
  ])('is never another site: %j', (wished) => {
    expect(safePath(wished)).toBe('/');
  });
});
