import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../../../src/lib/server/database/environment.ts';

const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
const right = {
  PUBLIC_SUPABASE_URL: `https://${'a'.repeat(20)}.supabase.co`,
  PUBLIC_SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_0123456789',
};
const lines = (env: Record<string, string | undefined>) =>
  readEnvironment(env).problems.map(({ name, says }) => `${name} ${says}`);

describe('the environment of a dashboard', () => {
  it('needs the address and the publishable key, no more', () => {
    expect(readEnvironment({ ...right, PUBLIC_SUPABASE_URL: `${right.PUBLIC_SUPABASE_URL}/` })).toEqual({
      environment: { url: right.PUBLIC_SUPABASE_URL, publishableKey: 'sb_publishable_0123456789' },
      problems: [],
    });
  });

  it('may be of this machine alone, without https', () => {
    for (const url of ['http://127.0.0.1:54321', 'http://localhost:54321', 'http://[::1]:54321'])
      expect(lines({ ...right, PUBLIC_SUPABASE_URL: url })).toEqual([]);
  });

  it('gives one line for each variable that is missing', () => {
    for (const env of [{}, { PUBLIC_SUPABASE_URL: '', PUBLIC_SUPABASE_PUBLISHABLE_KEY: '' }]) {
      expect(lines(env)).toEqual([
        'PUBLIC_SUPABASE_URL is not set',
        'PUBLIC_SUPABASE_PUBLISHABLE_KEY is not set',
      ]);
    }
  });

  it.each([
    ['PUBLIC_SUPABASE_URL', 'http://db.example.com', /has no https/],
    ['PUBLIC_SUPABASE_URL', 'db.example.com', /is not an address/],
    ['PUBLIC_SUPABASE_URL', 'https://x.supabase.co/rest/v1', /has a path/],
    ['PUBLIC_SUPABASE_URL', 'https://me:pass@x.supabase.co', /contains a password/],
    ['PUBLIC_SUPABASE_PUBLISHABLE_KEY', 'sb_secret_0123456789', /is a secret key .* sent to every browser/],
    [
      'PUBLIC_SUPABASE_PUBLISHABLE_KEY',
      jwt({ role: 'service_role' }),
      /service_role key.* sent to every browser/,
    ],
    [
      'PUBLIC_SUPABASE_PUBLISHABLE_KEY',
      'sbp_x',
      /access token of a Supabase account.* sent to every browser/,
    ],
    [
      'PUBLIC_SUPABASE_PUBLISHABLE_KEY',
      'sb_publishable_…',
      /is incomplete, or the placeholder from the guide/,
    ],
    ['PUBLIC_SUPABASE_PUBLISHABLE_KEY', 'sb_publishable_ACJ', /is incomplete/],
    ['PUBLIC_SUPABASE_PUBLISHABLE_KEY', 'abc', /is not a Supabase API key/],
    [
      'PUBLIC_SUPABASE_PUBLISHABLE_KEY',
      jwt({ role: 'anon', ref: 'b'.repeat(20) }),
      /belongs to the project b{20}|an anon key/,
    ],
  ])('does not work with %s=%s', (name, value, says) => {
    const { environment, problems } = readEnvironment({ ...right, [name]: value });
    expect(problems).toEqual([
      expect.objectContaining({ name, says: expect.stringMatching(says) as string }),
    ]);
    expect(problems[0]!.says).not.toContain(value);
    if (!value.includes('.') || problems[0]!.fatal) expect(environment).toBe(null);
  });

  it.each([
    ['PUBLIC_SUPABASE_PUBLISHABLE_KEY', jwt({ role: 'anon' }), /an anon key, the older kind/],
    ['SUPABASE_SECRET_KEY', 'sb_publishable_0123456789', /is a publishable key/],
    ['SUPABASE_SECRET_KEY', 'sb_secret_…', /is incomplete, or the placeholder/],
    ['CRON_SECRET', 'short', /shorter than 16/],
  ])('works, with a line in the log, with %s=%s', (name, value, says) => {
    const { environment, problems } = readEnvironment({ ...right, [name]: value });
    expect(problems).toEqual([{ name, fatal: false, says: expect.stringMatching(says) as string }]);
    expect(environment).toMatchObject({ url: right.PUBLIC_SUPABASE_URL });
  });
});
