import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process, type Answer, type Beat } from '../support/beats.ts';
import { everythingOf } from '../support/catalogue.ts';
import type { PersonName } from '../support/people.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 0 });
});
afterAll(() => stack?.stop());

const sql = () => stack.database.sql;

interface Made {
  token: string;
  token_id: number;
  token_start: string;
}

async function make(label: string, pattern: string, expiresIn: string | null = null): Promise<Made> {
  const [row] = await stack.database.asPerson(
    'alice',
    (as) => as`select hp_create_worker_token(${label}, ${pattern}, ${expiresIn}::text::interval) as made`,
  );
  return row!.made as Made;
}

const revoke = (id: number) =>
  stack.database.asPerson('alice', (as) => as`select hp_revoke_worker_token(${id})`);

/** What a function answers over HTTP to somebody with the publishable key and this token. */
async function call(token: string | undefined, name: string, values: object) {
  const response = await fetch(`${stack.url}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: {
      apikey: stack.publishableKey,
      'content-type': 'application/json',
      ...(token === undefined ? {} : { 'x-worker-token': token }),
    },
    body: JSON.stringify(values),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const beat = (token: string | undefined, ...beats: Beat[]) => call(token, 'hp_heartbeat', { beats });

/** The first beat of a new process. */
const first = (name: string, fields: Beat = {}) => new Process(sql(), name).next(fields);

const tokenRow = async (id: number) =>
  (await sql()`select * from hp_worker_token where token_id = ${id}`)[0]!;

describe('a worker with a token', () => {
  it('reports under the names that the token is for, with the publishable key', async () => {
    const { token } = await make('crawlers', 'crawl-*');
    const { status, body } = await beat(
      token,
      first('crawl-worker', { status: 'processing' }),
      first('crawl-2'),
    );
    expect([status, body]).toEqual([
      200,
      [
        expect.objectContaining({ worker_name: 'crawl-worker', ok: true, current: true }),
        expect.objectContaining({ worker_name: 'crawl-2', ok: true }),
      ],
    ]);
    const [row] = await sql()`select status from hp_worker_status where worker_name = 'crawl-worker'`;
    expect(row!.status).toBe('processing');
  });

  it('is told which of its beats has a name that the token is not for, and loses none of the others', async () => {
    const { token } = await make('two', 'two-%');
    const { status, body } = await beat(token, first('one-1'), first('two-1'), { worker_name: 'two-2' });
    expect(status).toBe(200);
    expect((body as Answer[]).map(({ ok, error }) => [ok, error?.field])).toEqual([
      [false, 'worker_name'],
      [true, undefined],
      [false, 'instance_id'],
    ]);
    expect(body[0].error.message).toContain('two-%');
    const rows = await sql()`select worker_name from hp_worker_status where worker_name ~ '^(one|two)-'`;
    expect(rows).toEqual([{ worker_name: 'two-1' }]);
  });

  it("refuses a beat for a name outside the token's pattern with 403, and says which", async () => {
    const { token } = await make('exact', 'queue_1');
    for (const name of ['mail-1', 'queuex1', 'queue_11', 'Queue_1']) {
      const { status, body } = await beat(token, first(name));
      expect([status, body]).toEqual([
        403,
        {
          code: 'PT403',
          message: `the worker token is for names like queue_1, not for ${name}`,
          details: null,
          hint: expect.stringContaining('Settings'),
        },
      ]);
    }
    expect((await beat(token, first('queue_1'))).status).toBe(200);
    expect(await sql()`select from hp_worker_status where worker_name in ('mail-1', 'queuex1')`).toHaveLength(
      0,
    );
  });

  it('may add so many workers an hour, whatever its pattern, and is told; the ones that are there beat on', async () => {
    const { token, token_id: id } = await make('wide', '%');
    await sql()`update hp_setting set value = '3' where key = 'token_new_names_per_hour'`;
    try {
      const known = [first('wide-1'), first('wide-2')];
      expect((await beat(token, ...known)).body).toEqual(
        known.map(() => expect.objectContaining({ ok: true })),
      );
      const { status, body } = await beat(
        token,
        { ...known[1], sequence: 2 },
        first('wide-3'),
        first('wide-4'),
        first('wide-5'),
      );
      expect([status, (body as Answer[]).map(({ ok }) => ok)]).toEqual([200, [true, true, false, false]]);
      expect(body[2].error).toEqual({
        field: 'worker_name',
        message: expect.stringMatching(
          /^worker_name is new, .* an hour, 3 \(setting token_new_names_per_hour\)$/,
        ),
      });
      expect((await beat(token, first('wide-6'))).body[0].ok).toBe(false);
      expect((await beat(token, { ...known[0], sequence: 2 })).body[0].ok).toBe(true);
      const rows =
        await sql()`select worker_name from hp_worker_status where worker_name ~ '^wide-' order by 1`;
      expect(rows.map((row) => row.worker_name)).toEqual(['wide-1', 'wide-2', 'wide-3']);
      expect(await tokenRow(id)).toMatchObject({ refused_why: 'more than 3 new workers within an hour' });
      // Another token has its own, and an hour later this one may again.
      expect((await beat((await make('other', 'else-%')).token, first('else-1'))).body[0].ok).toBe(true);
      await sql()`update hp_private.worker_token_added set since = since - interval '1 hour' where token_id = ${id}`;
      expect((await beat(token, first('wide-6'))).body[0].ok).toBe(true);
    } finally {
      await sql()`update hp_setting set value = '1000' where key = 'token_new_names_per_hour'`;
    }
  });

  it('may start so many processes an hour under a name; the one that has the row beats on', async () => {
    const { token, token_id: id } = await make('one row', 'rows-1');
    await sql()`update hp_setting set value = '3' where key = 'token_new_processes_per_hour'`;
    try {
      const known = first('rows-1');
      const flood = [known, ...Array.from({ length: 5 }, () => first('rows-1'))];
      const { body } = await beat(token, ...flood);
      expect((body as Answer[]).map(({ ok }) => ok)).toEqual([true, true, true, false, false, false]);
      expect(body[3].error).toEqual({
        field: 'instance_id',
        message: expect.stringMatching(/^instance_id is new, .* 3 \(setting token_new_processes_per_hour\)$/),
      });
      expect((await beat(token, { ...known, sequence: 2 })).body[0].ok).toBe(true);
      expect(await sql()`select from hp_worker_instance where worker_name = 'rows-1'`).toHaveLength(3);
      expect(await tokenRow(id)).toMatchObject({ refused_why: 'more than 3 new processes within an hour' });
    } finally {
      await sql()`update hp_setting set value = '5000' where key = 'token_new_processes_per_hour'`;
    }
  });

  it('leaves so many events an hour, however it says that they were long ago', async () => {
    const { token } = await make('restless', 'restless');
    await sql()`update hp_setting set value = '10' where key = 'events_per_hour'`;
    try {
      const process = new Process(sql(), 'restless');
      const restless = Array.from({ length: 40 }, (_, n) =>
        process.next({
          status: n % 2 ? 'stopping' : 'running',
          circuit_breaker_state: n % 2 ? 'open' : 'closed',
          circuit_breaker_opened_age_ms: n % 2 ? 86_400_000 : null,
        }),
      );
      const { body } = await beat(token, ...restless, process.next({ status: 'idle' }));
      expect((body as Answer[]).every(({ ok }) => ok)).toBe(true);
      const events = await sql()`select from hp_worker_event where worker_name = 'restless'`;
      expect(events.length).toBeGreaterThanOrEqual(10);
      expect(events.length).toBeLessThan(15); // one transition leaves up to four
      const [row] = await sql()`select status from hp_worker_status where worker_name = 'restless'`;
      expect(row!.status).toBe('idle');
    } finally {
      await sql()`update hp_setting set value = '1000' where key = 'events_per_hour'`;
    }
  });

  it.each([
    ['no token', undefined, /no worker token/],
    ['an empty one', '', /no worker token/],
    ['one that nobody made', `hbt_${'A'.repeat(43)}`, /not known/],
    ['half of one', 'hbt_abc', /43 characters/],
    ['a very long one', 'x'.repeat(4000), /43 characters/],
    ['one with SQL in it', "hbt_' or true; --", /43 characters/],
  ])('refuses %s with 401, and says so', async (_, token, words) => {
    const { status, body } = await beat(token, first('crawl-worker'));
    expect([status, body.code, body.message]).toEqual([401, 'PT401', expect.stringMatching(words)]);
  });

  it('is refused from the moment when the token is revoked or has expired, and told which', async () => {
    const revoked = await make('to be revoked', 'gone-1');
    const expired = await make('to expire', 'gone-2', '1 day');
    expect((await beat(revoked.token, first('gone-1'))).status).toBe(200);
    expect((await beat(expired.token, first('gone-2'))).status).toBe(200);
    await revoke(revoked.token_id);
    await sql()`update hp_worker_token set expires_at = now() where token_id = ${expired.token_id}`;
    const afterwards = [
      await beat(revoked.token, first('gone-1')),
      await beat(expired.token, first('gone-2')),
    ];
    expect(afterwards.map(({ status, body }) => [status, body.message])).toEqual([
      [401, expect.stringMatching(/was revoked at \d{4}-/)],
      [401, expect.stringMatching(/expired at \d{4}-/)],
    ]);
  });

  it('claims and releases job leases for its names, and learns nobody else’s', async () => {
    const mine = await make('leases', 'lease-%');
    const other = await make('others', 'other-%');
    const [one, two] = [randomUUID(), randomUUID()];
    await beat(mine.token, first('lease-1', { instance_id: one }));
    await beat(other.token, first('other-1', { instance_id: two }));
    const claim = (token: string, name: string, instance: string, key = 'page:1') =>
      call(token, 'hp_claim_lease', { worker_name: name, instance_id: instance, key, sequence: 1 });

    const held = await claim(mine.token, 'lease-1', one);
    expect(held).toMatchObject({ status: 200, body: { ok: true } });
    expect((await claim(other.token, 'other-1', two)).body).toMatchObject({
      ok: false,
      holder: 'another worker',
    });
    expect(await claim(other.token, 'lease-1', one)).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('not for lease-1') },
    });
    expect((await claim('hbt_wrong', 'lease-1', one)).status).toBe(401);

    const release = (token: string) =>
      call(token, 'hp_release_lease', {
        worker_name: 'lease-1',
        instance_id: one,
        key: 'page:1',
        token: held.body.token,
      });
    expect((await release(other.token)).status).toBe(403);
    expect(await release(mine.token)).toMatchObject({ status: 200, body: true });
    expect(await release(mine.token)).toMatchObject({ status: 200, body: false });
  });

  it('holds so many job leases for a name, however it asks for more, and is told', async () => {
    const { token } = await make('greedy', 'greedy-%');
    const [instance, other] = [randomUUID(), randomUUID()];
    await beat(
      token,
      first('greedy-1', { instance_id: instance }),
      first('greedy-2', { instance_id: other }),
    );
    await sql()`update hp_setting set value = '5' where key = 'token_leases_per_worker'`;
    const claim = (key: string, name = 'greedy-1', as = instance) =>
      call(token, 'hp_claim_lease', { worker_name: name, instance_id: as, key, sequence: 1 });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => claim(`greed:${n}`)));
    const held = answers.flatMap(({ body }, n) => (body.ok ? [`greed:${n}`] : []));
    expect(held).toHaveLength(5);
    expect(answers.find(({ status }) => status !== 200)).toMatchObject({
      status: 403,
      body: { message: 'greedy-1 holds 5 job leases already, the most with a worker token' },
    });
    expect((await claim(held[0]!)).body.ok).toBe(true); // one of its own, anew
    expect((await claim('greed:other', 'greedy-2', other)).body.ok).toBe(true);
    const { data } = await stack.asService().rpc('hp_claim_lease', {
      worker_name: 'greedy-1',
      instance_id: instance,
      key: 'greed:21',
      sequence: 1,
    });
    expect(data.ok).toBe(true);
    await sql()`delete from hp_setting where key = 'token_leases_per_worker'`;
  });

  it('is not needed with the secret key, whatever the header says', async () => {
    const { data, error } = await stack
      .asService()
      .rpc('hp_heartbeat', { beats: [first('by-secret-key')] })
      .setHeader('x-worker-token', 'hbt_wrong');
    expect([error, data[0].ok]).toEqual([null, true]);
  });
});

describe('a stolen token', () => {
  it('reads nothing and does nothing but report', async () => {
    const { token } = await make('stolen', 'stolen-1');
    const ask = (path: string) =>
      fetch(`${stack.url}/rest/v1/${path}`, {
        headers: { apikey: stack.publishableKey, 'x-worker-token': token },
      });
    const relations = await sql()`
      select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'p') and relname like 'hp\_%'`;
    for (const { name } of relations) {
      expect([name, (await ask(`${name}?select=*`)).status]).toEqual([name, 401]);
    }
    const calls: [string, object][] = [
      ['hp_fleet', {}],
      ['hp_watch', {}],
      ['hp_tick', {}],
      ['hp_stop_worker', { worker_name: 'crawl-worker' }],
      ['hp_cleanup_stale_workers', {}],
      ['hp_list_worker_tokens', {}],
      ['hp_create_worker_token', { label: 'x', name_pattern: '%' }],
      ['hp_revoke_worker_token', { token_id: 1 }],
    ];
    for (const [name, values] of calls)
      expect([name, (await call(token, name, values)).status]).toEqual([name, 401]);
    expect((await beat(token, first('stolen-1'))).status).toBe(200);
  });
});

describe('refused tries', () => {
  it('are counted for the owner, by the token that they came with or that theirs begins like', async () => {
    const { token, token_id: id } = await make('counted', 'counted-1');
    await beat(token, first('mail-1'));
    expect(await tokenRow(id)).toMatchObject({
      refused_count: '1',
      refused_why: expect.stringMatching(/mail-1/),
    });
    await beat(token.slice(0, 20), first('counted-1'));
    expect(await tokenRow(id)).toMatchObject({
      refused_count: '2',
      refused_why: expect.stringMatching(/begins like it/),
    });
    // A body that is none takes back whatever the transaction wrote; the count has been committed before.
    expect((await beat(token)).status).toBe(400);
    expect(await tokenRow(id)).toMatchObject({ refused_count: '2' });
  });

  it('are limited by the token, and never keep the good one out', async () => {
    const { token, token_id: id } = await make('limited', 'limited-1');
    const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    await sql()`update hp_worker_token set refused_lately = 59, refused_since = now() where token_id = ${id}`;
    expect((await beat(wrong, first('limited-1'))).status).toBe(401);
    const { status, headers, body } = await beat(wrong, first('limited-1'));
    expect([status, body.message]).toEqual([
      429,
      expect.stringMatching(/not known; too many tries, wait for \d+ s/),
    ]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await tokenRow(id)).toMatchObject({ refused_count: '1' });
    expect((await beat(token, first('limited-1'))).status).toBe(200);
    await sql()`update hp_worker_token set refused_since = now() - interval '61 seconds' where token_id = ${id}`;
    expect((await beat(wrong, first('limited-1'))).status).toBe(401);
    expect(await tokenRow(id)).toMatchObject({ refused_lately: 1 });
  });

  it('with tokens that nobody made are counted and limited all together', async () => {
    const unknown = `hbt_${'z'.repeat(43)}`;
    const count = async () => {
      const [row] = await stack.database.asPerson(
        'alice',
        (as) => as`select hp_list_worker_tokens() as list`,
      );
      return row!.list.unknown.count as number;
    };
    const before = await count();
    expect((await beat(unknown, first('any'))).status).toBe(401);
    expect(await count()).toBe(before + 1);
    const { token } = await make('bystander', 'bystander');
    await sql()`update hp_private.unknown_token_rate set since = now(), before = ${before - 400}`;
    expect((await beat(unknown, first('any'))).status).toBe(429);
    expect((await beat(token, first('bystander'))).status).toBe(200);
    await sql()`update hp_private.unknown_token_rate set since = now() - interval '1 minute'`;
    expect((await beat(unknown, first('any'))).status).toBe(401);
  });
});

describe('worker tokens', () => {
  it('are shown once: only a hash is kept, and the beginning', async () => {
    const { token, token_id: id, token_start: start } = await make('hashed', 'hashed-1');
    expect(token).toMatch(/^hbt_[A-Za-z0-9_-]{43}$/);
    const row = await tokenRow(id);
    expect(row.token_hash).toEqual(createHash('sha256').update(token).digest());
    expect(start).toBe(token.slice(0, 10));
    expect(JSON.stringify(await everything(id))).not.toContain(token.slice(10));
    const others = await Promise.all([make('a', 'x'), make('b', 'x')]);
    expect(new Set([token, ...others.map((one) => one.token)]).size).toBe(3);
  });

  it('remember when they were used, to the minute and without a write for each beat', async () => {
    const { token, token_id: id } = await make('used', 'used-1');
    expect((await tokenRow(id)).last_used_at).toBeNull();
    await beat(token, first('used-1'));
    const { last_used_at: used } = await tokenRow(id);
    expect(used).toBeInstanceOf(Date);
    await beat(token, first('used-1'));
    expect((await tokenRow(id)).last_used_at).toEqual(used);
    await sql()`update hp_worker_token set last_used_at = now() - interval '61 seconds' where token_id = ${id}`;
    await beat(token, first('used-1'));
    expect((await tokenRow(id)).last_used_at.getTime()).toBeGreaterThanOrEqual(used.getTime());
  });

  it('are listed for owners with their maker and state, and without hashes', async () => {
    const { token_id: id } = await make('listed', 'listed-%', '30 days');
    const [row] = await stack.database.asPerson('alice', (as) => as`select hp_list_worker_tokens() as list`);
    const found = row!.list.tokens.find((one: Made) => one.token_id === id);
    expect(found).toMatchObject({
      label: 'listed',
      name_pattern: 'listed-%',
      created_by: 'alice@example.com',
      by_secret_key: false,
      state: 'valid',
    });
    expect(Object.keys(found)).not.toContain('token_hash');
  });

  it.each<[PersonName | 'anon', string]>([
    ['bob', 'PT403'],
    ['carol', 'PT403'],
    ['mallory', 'PT403'],
    ['anon', '42501'],
  ])('are no business of %s', async (who, code) => {
    const calls = [
      "select hp_create_worker_token('mine', '%')",
      'select hp_revoke_worker_token(1)',
      'select hp_list_worker_tokens()',
    ];
    for (const statement of calls) {
      const asked =
        who === 'anon'
          ? stack.database.as('anon', {}, (as) => as.unsafe(statement))
          : stack.database.asPerson(who, (as) => as.unsafe(statement));
      await expect(asked).rejects.toMatchObject({ code });
    }
    const read = (as: { unsafe(query: string): Promise<unknown> }) =>
      as.unsafe('select from hp_worker_token');
    const reading = who === 'anon' ? stack.database.as('anon', {}, read) : stack.database.asPerson(who, read);
    await expect(reading).rejects.toMatchObject({ code: '42501' });
  });

  it('are refused with a wrong label, pattern or time, which is named', async () => {
    await expect(make(' ', 'x')).rejects.toMatchObject({ code: 'PT400', message: /^label/ });
    for (const pattern of ['', 'a b', "a'b", 'a\\%', '-a', 'x'.repeat(129)])
      await expect(make('x', pattern)).rejects.toMatchObject({ code: 'PT400', message: /^name_pattern/ });
    for (const time of ['0', '-1 day', '11 years'])
      await expect(make('x', 'x', time)).rejects.toMatchObject({ code: 'PT400', message: /^expires_in/ });
    await expect(revoke(999_999)).rejects.toMatchObject({ code: 'PT404' });
  });

  it('outlive who made them, and go long after they ended', async () => {
    const { token, token_id: id } = await make('orphan', 'orphan-1');
    await sql()`update hp_worker_token set created_by = null where token_id = ${id}`;
    expect((await beat(token, first('orphan-1'))).status).toBe(200);
    const list = await stack.database.asPerson('alice', (as) => as`select hp_list_worker_tokens() as list`);
    expect(list[0]!.list.tokens.find((one: Made) => one.token_id === id)).toMatchObject({
      created_by: null,
      by_secret_key: false,
    });
    await sql()`update hp_worker_token set revoked_at = now() - interval '91 days' where token_id = ${id}`;
    await sql()`update hp_private.monitor set pruned_at = null`;
    await sql()`select hp_private.prune(now())`;
    expect(await tokenRow(id).catch(() => undefined)).toBeUndefined();
  });
});

const everything = async (id: number) => [await tokenRow(id), await everythingOf(sql())];
