import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../support/beats.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const SECRET = 'connect postgres://admin:hunter2@db failed';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql`truncate hp_worker_status, hp_worker_group cascade`;
  await db.sql`select hp_tick()`;
  const crawler = new Process(db.sql, 'crawl-1', { worker_type: 'crawl', hostname: 'vps-secret' });
  await crawler.send({ status: 'processing', current_status: SECRET, current_job_id: SECRET });
  const broken = new Process(db.sql, 'broken');
  await broken.send();
  await broken.send({
    status: 'error',
    status_reason: SECRET,
    last_error: SECRET,
    metadata: { secret: SECRET },
    circuit_breaker_state: 'open',
    circuit_breaker_reason: SECRET,
    circuit_breaker_failures: 3,
  });
  await new Process(db.sql, 'hidden', { description: SECRET }).send();
});
afterAll(() => db.drop());

const refused = { code: '42501' };
const publicStatus = async () =>
  (await db.as('anon', {}, (sql) => sql`select hp_public_status() as it`))[0]!.it as {
    workers: Record<string, unknown>[];
  } | null;
const setPage = (shown: boolean, workers: string[]) =>
  db.asPerson('alice', (sql) => sql`select hp_set_public_page(${shown}, ${workers})`);

describe('the public page', () => {
  it('is off until an owner shows it', async () => {
    expect(await publicStatus()).toBeNull();
    await setPage(false, ['crawl-1']);
    expect(await publicStatus()).toBeNull();
  });

  it('tells anyone name, health and last seen of the workers marked public, and nothing that a worker wrote', async () => {
    await setPage(true, ['broken', 'crawl-1', 'no-such-worker']);
    const status = await publicStatus();
    const nothing = { uptime: null, uptime_days: Array(90).fill(null) };
    expect(status!.workers).toEqual([
      { name: 'broken', level: 'critical', words: 'failing', last_seen: expect.any(String), ...nothing },
      { name: 'crawl-1', level: 'healthy', words: 'running', last_seen: expect.any(String), ...nothing },
    ]);
    expect(JSON.stringify(status)).not.toMatch(/hunter2|vps-secret|hidden/);
  });

  it('has words for every rule of health', async () => {
    const [{ source }] = (await db.sql`
      select prosrc as source from pg_proc where proname = 'worker_health'`) as unknown as [
      { source: string },
    ];
    const rules = [...source.matchAll(/array\['\w+', '([\w-]+)'/g)].map(([, rule]) => rule!);
    expect(new Set(rules).size).toBeGreaterThan(20);
    for (const rule of rules) {
      const [row] = await db.sql`select hp_private.public_words(${rule}, 'resident') as words`;
      expect(row!.words, rule).not.toBe('unknown');
    }
  });

  it('tells open pages of members which workers became public', async () => {
    const revisions = async () =>
      Object.fromEntries(
        (await db.sql`select worker_name, revision from hp_worker_status`).map((row) => [
          row.worker_name,
          Number(row.revision),
        ]),
      );
    const before = await revisions();
    await setPage(true, ['crawl-1']);
    const after = await revisions();
    expect(after.broken).toBeGreaterThan(before.broken);
    expect(after['crawl-1']).toBe(before['crawl-1']);
    expect((await publicStatus())!.workers.map(({ name }) => name)).toEqual(['crawl-1']);
  });

  it.each(['bob', 'carol', 'mallory'] as const)('is not for %s to change', async (person) => {
    for (const call of [
      "hp_set_public_page(true, '{hidden}')",
      "hp_set_frame_ancestors('https://evil.example')",
      "hp_create_embed_key('mine')",
      'hp_revoke_embed_key(gen_random_uuid())',
    ])
      await expect(
        db.asPerson(person, (sql) => sql.unsafe(`select ${call}`)),
        call,
      ).rejects.toMatchObject({ code: 'PT403', message: /only an owner/ });
  });

  it('takes no null for an answer', async () => {
    await expect(
      db.asPerson('alice', (sql) => sql`select hp_set_public_page(true, null)`),
    ).rejects.toMatchObject({ code: 'PT400', message: /workers is missing/ });
  });
});

describe('an embed key', () => {
  const bar = async (key: string) =>
    (await db.as('anon', {}, (sql) => sql`select hp_bar(${key}) as it`))[0]!.it as {
      workers: Record<string, unknown>[];
      frame_ancestors: string;
    };
  const create = async (label = 'intranet') =>
    (await db.asPerson('alice', (sql) => sql`select hp_create_embed_key(${label}) as it`))[0]!.it as {
      id: string;
      key: string;
    };

  it('is kept as a hash alone, opens the status line to anyone, and is gone once revoked', async () => {
    const { id, key } = await create();
    expect(key).toMatch(/^lsb_[0-9a-f]{64}$/);
    const [stored] = await db.sql`select to_jsonb(k)::text as all, key_hash = sha256(${key}::bytea) as same
      from hp_embed_key k where id = ${id}`;
    expect(stored!.same).toBe(true);
    expect(stored!.all).not.toContain(key.slice(4, 20));

    const { workers, frame_ancestors } = await bar(key);
    expect(workers.map((worker) => worker.worker_name)).toEqual(['broken', 'crawl-1', 'hidden']);
    expect(frame_ancestors).toBe("'self'");
    expect(JSON.stringify(workers)).not.toMatch(/hunter2|vps-secret/);
    const [used] = await db.sql`select last_used_at is not null as used from hp_embed_key where id = ${id}`;
    expect(used!.used).toBe(true);

    await db.asPerson('alice', (sql) => sql`select hp_revoke_embed_key(${id})`);
    await expect(bar(key)).rejects.toMatchObject({ code: 'PT401', message: /revoked/ });
  });

  it('is needed by whoever is no member, and its table is for owners only, without the hash', async () => {
    await create();
    await expect(db.as('anon', {}, (sql) => sql`select hp_bar()`)).rejects.toMatchObject({ code: 'PT401' });
    await expect(bar('lsb_wrong')).rejects.toMatchObject({ code: 'PT401' });
    await expect(db.asPerson('mallory', (sql) => sql`select hp_bar()`)).rejects.toMatchObject({
      code: 'PT403',
    });
    expect(await db.asPerson('carol', (sql) => sql`select hp_bar()`)).toHaveLength(1);
    expect(await db.asPerson('alice', (sql) => sql`select id, label from hp_embed_key`)).toHaveLength(1);
    expect(await db.asPerson('bob', (sql) => sql`select id from hp_embed_key`)).toHaveLength(0);
    await expect(db.as('anon', {}, (sql) => sql`select id from hp_embed_key`)).rejects.toMatchObject(refused);
    for (const role of ['authenticated', 'service_role'] as const)
      await expect(db.as(role, {}, (sql) => sql`select key_hash from hp_embed_key`)).rejects.toMatchObject(
        refused,
      );
  });

  it('has a label of 1 to 100 characters', async () => {
    await expect(create('  ')).rejects.toMatchObject({ code: 'PT400', message: /label is 0/ });
    await expect(create('x'.repeat(101))).rejects.toMatchObject({ code: 'PT400' });
  });
});

describe('who may embed the status line', () => {
  const set = (sources: string | null) =>
    db.asPerson('alice', (sql) => sql`select hp_set_frame_ancestors(${sources})`);
  const stored = async () =>
    (await db.sql`select value from hp_setting where key = 'frame_ancestors'`)[0]!.value as string;

  it('is what an owner says', async () => {
    await set("  'self'  https://app.example.com https://*.example.org:8443 ");
    expect(await stored()).toBe("'self' https://app.example.com https://*.example.org:8443");
    await set("'none'");
    expect(await stored()).toBe("'none'");
  });

  it.each([
    '',
    null,
    '*',
    'app.example.com',
    "https://a.example; script-src 'unsafe-inline'",
    'javascript:alert(1)',
    "'self' 'none'",
    'https://a.example/path',
    'https://a.example '.repeat(21),
  ])('is not %j', async (sources) => {
    const before = await stored();
    await expect(set(sources)).rejects.toMatchObject({ code: 'PT400', message: /^sources/ });
    expect(await stored()).toBe(before);
  });
});
