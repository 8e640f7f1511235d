import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tickFor } from '../../../../src/lib/server/database/tick.ts';

/** Answers as Supabase would, by the key of the request. */
let supabase: Server;
let url: string;
let asked: IncomingMessage[] = [];
beforeAll(async () => {
  const answers: Record<string, [number, unknown]> = {
    sb_secret_right: [200, { ran: true, silent: 2 }],
    'an.older.key': [200, { ran: false }],
    sb_secret_wrong: [401, { message: 'Invalid API key' }],
    sb_secret_bare: [404, { code: 'PGRST202' }],
    sb_secret_broken: [500, { message: 'deadlock detected at 10.0.0.3' }],
  };
  supabase = createServer((request, response) => {
    asked.push(request);
    const [status, body] = answers[String(request.headers.apikey)]!;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => supabase.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(supabase.address() as AddressInfo).port}`;
});
afterAll(() => supabase.close());

const cronSecret = 'sixteen-or-more-characters';
const bearer = `Bearer ${cronSecret}`;

describe('the tick for a cron', () => {
  it('runs with the secret key, and gives its answer', async () => {
    asked = [];
    const answer = await tickFor(bearer, { cronSecret, url: `${url}/`, secretKey: 'sb_secret_right' });
    expect(answer).toEqual({ status: 200, body: { ran: true, silent: 2 } });
    expect(asked[0]).toMatchObject({ method: 'POST', url: '/rest/v1/rpc/hp_tick' });
    expect(asked[0]!.headers.authorization).toBeUndefined();
  });

  it('presents an older key as the token that it is', async () => {
    asked = [];
    expect(await tickFor(bearer, { cronSecret, url, secretKey: 'an.older.key' })).toMatchObject({
      status: 200,
    });
    expect(asked[0]!.headers.authorization).toBe('Bearer an.older.key');
  });

  it.each([null, '', 'Bearer', 'Bearer sixteen-or-more-character', `bearer ${cronSecret}`, cronSecret])(
    'is refused with the authorization %s, and Supabase is not asked',
    async (authorization) => {
      asked = [];
      const answer = await tickFor(authorization, { cronSecret, url, secretKey: 'sb_secret_right' });
      expect(answer.status).toBe(401);
      expect(asked).toEqual([]);
    },
  );

  it.each([
    [{ cronSecret: undefined }, 503, 'CRON_SECRET is not set, so /api/tick accepts no calls'],
    [{ cronSecret: '' }, 503, 'CRON_SECRET is not set, so /api/tick accepts no calls'],
    [{ cronSecret: 'fifteen-letters' }, 503, 'CRON_SECRET is shorter than 16 characters'],
    [{ secretKey: undefined }, 503, 'SUPABASE_SECRET_KEY is not set'],
    [{ url: undefined }, 503, 'PUBLIC_SUPABASE_URL is not set'],
    [{ secretKey: 'sb_secret_wrong' }, 503, 'SUPABASE_SECRET_KEY is not a secret key of this project'],
    [{ secretKey: 'sb_secret_bare' }, 503, 'hp_tick() is missing: apply the migrations'],
    [{ secretKey: 'sb_secret_broken' }, 502, 'hp_tick() failed with HTTP 500'],
    [{ url: 'http://127.0.0.1:9' }, 503, 'http://127.0.0.1:9 cannot be reached'],
  ])('with %j answers %i: %s', async (settings, status, message) => {
    const configuration = { cronSecret, url, secretKey: 'sb_secret_right', ...settings };
    const secret = configuration.cronSecret ?? cronSecret;
    expect(await tickFor(`Bearer ${secret}`, configuration)).toEqual({ status, body: { message } });
  });
});
