import { describe, expect, it } from 'vitest';
import { frameAncestors } from '../../../../src/lib/server/http/frame-ancestors.ts';

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
