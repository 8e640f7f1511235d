import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sessionContext } from '../../supabase/local/session-context.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

/** So many numbers that take 12 bytes each as jsonb, and 131 kB or 16 kB each as text. */
const huge = (count: number) => `[${Array(count).fill('1e131071').join()}]`;
const long = (count: number) => `[${Array(count).fill('0e-16383').join()}]`;

/** Highest memory of a server process since its start, in bytes. */
function peak(pid: number): number {
  const status = `/proc/${pid}/status`; // Linux only; elsewhere the time alone is checked
  return existsSync(status) ? Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))![1]) * 1024 : 0;
}

/**
 * Runs a request on a connection of its own, and expects an answer within 50 MB and a time that a busy machine keeps too. An
 * attack took 3 to 13 s before.
 */
async function cheaply<T>(request: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    const [{ pid }] = (await sql`select pg_backend_pid() as pid`) as unknown as [{ pid: number }];
    // What any first call takes: plans, and pages of shared memory.
    await sql`select hp_heartbeat(${sql.json([beat({ metadata: { a: 1 }, logs: [], commands: [] })] as never)})`;
    await sql`select hp_fleet()`;
    const before = peak(pid);
    const began = performance.now();
    const answer = await request(sql);
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(peak(pid) - before).toBeLessThan(50e6);
    return answer;
  } finally {
    await sql.end();
  }
}

const beat = (fields: object = {}) => ({
  worker_name: `attack/${randomUUID()}`,
  instance_id: randomUUID(),
  sequence: 1,
  status: 'idle',
  ...fields,
});

/** Beats as text, each with one more field that JavaScript can't spell. */
const beats = (...fields: string[]) =>
  `[${fields.map((field) => `${JSON.stringify(beat()).slice(0, -1)},${field}}`).join()}]`;

interface Answer {
  ok: boolean;
  error?: { field: string; message: string };
  ignored?: { field: string; message: string };
}

const send = (body: string) =>
  cheaply(async (sql) => {
    const [row] = await sql`select hp_heartbeat(${body}::text::jsonb) as answers`;
    return row!.answers as Answer[];
  });

describe('a beat whose numbers are far longer as text is refused without being written out', () => {
  const text = /^\w+ holds a number above 1e308 or with more than 30 decimals$/;

  it.each([
    ['metadata', `"metadata": {"a": ${huge(2000)}}`],
    ['metadata', `"metadata": {"a": {"b": [${long(1500)}]}}`],
    ['metadata', `"metadata": {"few": -1.5e308}`],
    ['last_exit', `"last_exit": {"a": ${huge(2000)}}`],
    ['worker_type', `"worker_type": ${huge(2000)}`],
    ['parts', `"parts": [{"a": ${huge(2000)}}]`],
    ['leases', `"leases": [${huge(2000)}]`],
  ])('%s', async (field, json) => {
    expect(await send(beats(json))).toMatchObject([
      { ok: false, error: { field, message: expect.stringMatching(text) } },
    ]);
  });

  it('metadata of 8,000 of them is refused by its size', async () => {
    expect(await send(beats(`"metadata": ${`{"a": ${huge(8000)}}`}`))).toMatchObject([
      {
        ok: false,
        error: { field: 'metadata', message: expect.stringMatching(/takes \d+ bytes; at most 65536$/) },
      },
    ]);
  });

  it('one after the other in a call of many, where the others count', async () => {
    const names = ['worker_type', 'hostname', 'version', 'current_status', 'description', 'schedule'];
    const answers = await send(
      beats(
        '"jobs_total": 1',
        ...Array.from({ length: 300 }, () => names.map((name) => `"${name}": 1e131071`).join()),
        `"parts": ${huge(160)}`,
        `"hostname": ${huge(4000)}`,
      ),
    );
    expect(answers.map((answer) => answer.ok)).toEqual([true, ...Array<boolean>(302).fill(false)]);
  });
});

it('logs and reports with such numbers cost only themselves', async () => {
  expect(
    await send(beats(`"logs": [[1, 0, "info", "a"], [2, 0, "info", ${huge(2000)}], [3, 0, "info", "b"]]`)),
  ).toMatchObject([{ ok: true, logs_to: 3, ignored: { field: 'logs[1]' } }]);
  expect(await send(beats(`"logs": ${huge(8000)}`))).toMatchObject([
    { ok: true, ignored: { field: 'logs[0]' } },
  ]);
  expect(await send(beats(`"commands": [{"id": ${huge(4000)}}]`))).toMatchObject([
    { ok: true, ignored: { field: 'commands' } },
  ]);
});

describe('a command with such arguments', () => {
  const request = (person: 'mallory' | 'bob', args: string) =>
    cheaply((sql) =>
      sql.begin(async (as) => {
        const context = sessionContext({
          role: 'authenticated',
          uid: inject('cluster').people[person].id,
          jwt: { role: 'authenticated', sub: inject('cluster').people[person].id },
        });
        for (const [key, value] of Object.entries(context))
          await as`select set_config(${key}, ${value}, true)`;
        const [row] = await as`
          select hp_request_command('crawl-worker', 'log_level', 'attack', ${args}::text::jsonb) as answer`;
        return row!.answer as { code: string; message: string };
      }),
    );

  it.each([huge(4000), `{"level": "debug", "more": ${huge(1000)}}`, `{"level": {"a": ${long(4000)}}}`])(
    'is refused',
    async (args) => {
      expect(await request('mallory', args)).toMatchObject({ code: 'PT403' });
      expect(await request('bob', args)).toMatchObject({ code: 'PT400' });
      expect(await db.sql`select from hp_worker_command where args <> '{}'`).toHaveLength(0);
    },
  );
});

it.each([huge(1500), long(1500), `{"a": ${huge(4)}}`])(
  'a plain write of such metadata is refused',
  async (json) => {
    const write = cheaply(
      (sql) =>
        sql`insert into hp_worker_status (worker_name, metadata) values ('plain', jsonb_build_object('a', ${json}::text::jsonb))`,
    );
    await expect(write).rejects.toMatchObject({
      code: 'PT400',
      message: 'metadata holds a number above 1e308 or with more than 30 decimals',
    });
  },
);

it.each([huge(400), long(400), '1e309'])('a setting with such a value is refused', async (json) => {
  const write = cheaply(
    (sql) => sql`update hp_setting set value = ${json}::text::jsonb where key = 'event_days'`,
  );
  await expect(write).rejects.toMatchObject({ code: '23514', constraint_name: 'hp_setting_value_check' });
});

it('30 decimals, 1e308 and 63 levels are kept', async () => {
  const deep = `${'['.repeat(60)}1${']'.repeat(60)}`;
  const metadata = `{"a": 0.123456789012345678901234567890, "b": [-1e308, 1e308, 1.7e300], "c": ${deep}}`;
  expect(await send(beats(`"metadata": ${metadata}`))).toMatchObject([{ ok: true }]);
});
