import { describe, expect, it } from 'vitest';
import { jsonText } from '../../../../src/lib/server/http/json-text.ts';
import { HOSTILE } from '../../../../tests/support/hostile-texts.ts';

describe('JSON of ours', () => {
  it.each(HOSTILE)('gives the value back, without characters that mislead a reader: %j', (text) => {
    const written = jsonText({ text });
    expect(JSON.parse(written)).toEqual({ text });
    expect(written).not.toMatch(/[<>&\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800]/);
    expect(written.isWellFormed()).toBe(true);
  });
});
