import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
  await stack.database.sql.unsafe(`
    create table public.note (id int primary key, text text, secret text);
    alter table public.note enable row level security;
    create policy "all may read" on public.note for select to anon, authenticated using (true);
    create policy "all may write" on public.note for all to authenticated using (true) with check (true);
    create table public.closed (id int primary key);
    alter table public.closed enable row level security;
    create policy "all may read" on public.closed for select to anon, authenticated using (true);
    grant select (id, text), insert (id, text), update (text) on public.note to authenticated;
    insert into public.note values (1, 'one', 'hush');
    create table public.box (id int primary key, value jsonb, text text);
    alter table public.box enable row level security;
    grant all on public.box to service_role;
    create function public.json_type(value jsonb) returns text language sql stable as 'select jsonb_typeof(value)';
    create function public.who() returns jsonb language sql as $$
      select jsonb_build_object('user', current_user, 'uid', auth.uid(), 'role', auth.role(), 'jwt', auth.jwt(),
        'header', current_setting('request.headers')::jsonb ->> 'x-worker-token',
        'timeout', current_setting('statement_timeout'))
    $$;
    create function public.refuse(code text) returns void language plpgsql as $$
      begin raise exception 'status is 3; it must be a text' using errcode = code; end
    $$;
  `);
});
afterAll(() => stack?.stop());

describe('the grants trap', () => {
  it('refuses anon a table that a policy opens but no grant does', async () => {
    const { error, status } = await stack.client().from('closed').select('id');
    expect([status, error?.code]).toEqual([401, '42501']);
  });

  it('keeps a column without a grant closed, and the others open', async () => {
    const alice = await stack.as('alice');
    expect((await alice.from('note').select('secret')).error?.code).toBe('42501');
    expect((await alice.from('note').select('*')).error?.code).toBe('42501');
    expect((await alice.from('note').select('id, text')).data).toEqual([{ id: 1, text: 'one' }]);
    expect((await alice.from('note').update({ id: 9 }).eq('id', 1)).error?.code).toBe('42501');
  });

  it('gives no table to the service role either unless a migration does', async () => {
    expect((await stack.asService().from('closed').select('id')).error?.code).toBe('42501');
  });
});

describe('the JSON trap', () => {
  it.each([
    ['array', [{ worker_name: 'a' }, 2]],
    ['object', { text: 'quote \' and " and \\ and ü' }],
    ['string', 'just text'],
    ['string', '{"looks": "like an object"}'],
    ['string', '4'],
    ['number', 4.5],
    ['boolean', false],
    ['null', null],
  ])('hands a JSON %s to a jsonb argument as one: %j', async (type, value) => {
    const { data, error } = await stack.asService().rpc('json_type', { value });
    // PostgREST, too, makes an SQL null of a JSON null.
    expect([data, error]).toEqual([type === 'null' ? null : type, null]);
    const written = await stack.asService().from('box').upsert({ id: 1, value, text: '"' }).select('value');
    expect([written.data, written.error]).toEqual([[{ value }], null]);
  });

  it('reads a jsonb argument of a GET request as the JSON text that it is', async () => {
    const { data } = await stack.asService().rpc('json_type', { value: '{"a":1}' }, { get: true });
    expect(data).toBe('object');
  });

  it('writes many rows, and leaves arguments and columns of other types alone', async () => {
    const rows = [
      { id: 2, value: 'two', text: '[2]' },
      { id: 3, value: { three: [3] }, text: 'three' },
    ];
    const { data, error } = await stack.asService().from('box').insert(rows).select();
    expect([data, error]).toEqual([rows, null]);
  });
});

describe('who asks', () => {
  it('is anon with the publishable key', async () => {
    const { data } = await stack.client().rpc('who');
    expect(data).toMatchObject({
      user: 'anon',
      uid: null,
      role: 'anon',
      jwt: { role: 'anon' },
      timeout: '3s',
    });
  });

  it('is service_role with the secret key', async () => {
    const { data } = await stack.asService().rpc('who');
    expect(data).toMatchObject({ user: 'service_role', role: 'service_role', timeout: '8s' });
  });

  it('is the user once signed in, with the claims of the session', async () => {
    const bob = await stack.as('bob');
    const id = (await bob.auth.getUser()).data.user?.id;
    const { data } = await bob.rpc('who');
    expect(data).toMatchObject({
      user: 'authenticated',
      uid: id,
      jwt: { sub: id, email: 'bob@example.com' },
    });
  });

  it('may say more in headers', async () => {
    const response = await fetch(`${stack.url}/rest/v1/rpc/who`, {
      method: 'POST',
      headers: { apikey: stack.publishableKey, 'content-type': 'application/json', 'x-worker-token': "it's" },
      body: '{}',
    });
    expect(await response.json()).toMatchObject({ header: "it's" });
  });

  it('is nobody without a key, or with a wrong one', async () => {
    const ask = (headers: Record<string, string>) =>
      fetch(`${stack.url}/rest/v1/rpc/who`, { method: 'POST', headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ apikey: 'sb_secret_wrong' })).status).toBe(401);
  });
});

describe('the rest of what we use', () => {
  it('signs up, in, refreshes and out', async () => {
    const client = stack.client();
    const credentials = { email: 'dora@example.com', password: 'a-long-password' };
    expect((await client.auth.signUp(credentials)).error).toBeNull();
    const { data, error } = await client.auth.signInWithPassword(credentials);
    expect([error, data.user?.email]).toEqual([null, credentials.email]);
    expect((await client.auth.refreshSession()).data.session?.access_token).toBeTruthy();
    expect((await client.auth.signOut()).error).toBeNull();
    const wrong = await client.auth.signInWithPassword({ ...credentials, password: 'wrong-password' });
    expect(wrong.error?.code).toBe('invalid_credentials');
  });

  it('upserts, twice on the same row', async () => {
    const alice = await stack.as('alice');
    for (const text of ['two', 'two again']) {
      const { data, error } = await alice.from('note').upsert({ id: 2, text }).select('text');
      expect([error, data]).toEqual([null, [{ text }]]);
    }
  });

  it.each([
    ['PT400', 400],
    ['PT404', 404],
    ['PT409', 409],
    ['22023', 400],
    ['42501', 403],
  ])('answers SQLSTATE %s with HTTP %i and the message', async (code, status) => {
    const alice = await stack.as('alice');
    const answer = await alice.rpc('refuse', { code });
    expect([answer.status, answer.error?.message]).toEqual([status, 'status is 3; it must be a text']);
  });

  it('answers a page of any origin', async () => {
    const preflight = await fetch(`${stack.url}/auth/v1/token`, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:5173', 'access-control-request-headers': 'apikey,x-client-info' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('apikey,x-client-info');
    const answer = await fetch(`${stack.url}/auth/v1/user`, { headers: { apikey: stack.publishableKey } });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });
});
