import { appendFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

// The default data directories of these tests, in a folder that PostgreSQL's user may enter when they run as root.
const scratch = vi.hoisted(() => {
  const path = `${process.env.TMPDIR || '/tmp'}/lastseen-test-${process.pid}-${Date.now()}`;
  process.env.LASTSEEN_DIR = path;
  return path;
});
const { startStack } = await import('../../supabase/local/stack.ts');
type Stack = Awaited<ReturnType<typeof startStack>>;

const ours = fileURLToPath(new URL('../../supabase/migrations', import.meta.url));
const migrations = join(scratch, 'migrations');
const note = join(migrations, '20990101000000_note.sql');
const said: string[] = [];
const stacks: Stack[] = [];

async function start(options: Parameters<typeof startStack>[0] = {}): Promise<Stack> {
  const stack = await startStack({
    port: 0,
    migrations,
    tickEvery: 0,
    log: (line) => said.push(line),
    ...options,
  });
  stacks.push(stack);
  return stack;
}

async function ask(stack: Stack, query: string): Promise<unknown[]> {
  const sql = postgres(stack.databaseUrl, { max: 1 });
  try {
    return [...(await sql.unsafe(query))];
  } finally {
    await sql.end();
  }
}

beforeEach(() => {
  said.length = 0;
  mkdirSync(scratch, { mode: 0o755 });
  cpSync(ours, migrations, { recursive: true });
  writeFileSync(note, 'create table public.note (n int);');
});
afterEach(async () => {
  await Promise.all(stacks.splice(0).map((stack) => stack.stop()));
  rmSync(scratch, { recursive: true });
});
afterAll(() => {
  delete process.env.LASTSEEN_DIR;
});

describe('an existing data directory', () => {
  it('gets the migrations that it lacks, and keeps its data', async () => {
    const first = await start();
    await ask(first, 'insert into note values (1)');
    await first.stop();
    writeFileSync(
      join(migrations, '20990102000000_more.sql'),
      'alter table public.note add more int default 5;',
    );
    said.length = 0;
    expect(await ask(await start(), 'select * from note')).toEqual([{ n: 1, more: 5 }]);
    expect(said).toEqual(['Applied 1 migration.']);
  });

  it('is rebuilt when a migration was changed after it was applied, and a line says so', async () => {
    const first = await start();
    await ask(first, 'insert into note values (1)');
    await first.stop();
    appendFileSync(note, 'create table public.other (n int);');
    const second = await start();
    expect(
      await ask(second, 'select (select count(*)::int from note) + (select count(*)::int from other) as n'),
    ).toEqual([{ n: 0 }]);
    expect(said.join('\n')).toMatch(/note\.sql was changed.*rebuilt/);
    expect(second.owner).toEqual(first.owner);
    const response = await fetch(`${second.url}/auth/v1/token?grant_type=password`, {
      method: 'POST',
      headers: { apikey: second.publishableKey, 'content-type': 'application/json' },
      body: JSON.stringify(second.owner),
    });
    expect(response.status).toBe(200);
  });

  it('with its own folder is kept then: the start is refused, and the error says what to do', async () => {
    const dataDir = join(scratch, 'kept');
    const first = await start({ dataDir });
    await ask(first, 'insert into note values (1)');
    await first.stop();
    appendFileSync(note, '-- changed');
    await expect(start({ dataDir })).rejects.toThrow(/note\.sql was changed.*kept.*--fresh/);
    writeFileSync(note, 'create table public.note (n int);');
    expect(await ask(await start({ dataDir }), 'select n from note')).toEqual([{ n: 1 }]);
  });
});

describe('a start that fails', () => {
  it('names the file and the line, and leaves neither a server nor a lock', async () => {
    writeFileSync(note, 'create table public.note (n int);\n\nselect nothing_of_the_kind();');
    await expect(start()).rejects.toThrow(/note\.sql, line 3: .*nothing_of_the_kind/);
    expect(existsSync(join(scratch, 'stack', 'lock'))).toBe(false);
    expect(existsSync(join(scratch, 'stack', 'postgres', 'postmaster.pid'))).toBe(false);
    writeFileSync(note, 'create table public.note (n int);');
    expect(await ask(await start(), 'select count(*)::int as n from note')).toEqual([{ n: 0 }]);
  });

  it('ends at once when it is told to, at whatever point', async () => {
    for (const after of [0, 50, 150, 400, 800]) {
      const ending = new AbortController();
      const starting = start({ dataDir: join(scratch, `aborted-${after}`), signal: ending.signal });
      setTimeout(() => ending.abort(new Error('stopped by a person')), after);
      const outcome = await starting.then(
        (stack) => stack.stop().then(() => 'started'),
        (error: Error) => error.message,
      );
      expect(outcome).toMatch(/^started$|stopped by a person/);
      expect(existsSync(join(scratch, `aborted-${after}`, 'lock'))).toBe(false);
      expect(existsSync(join(scratch, `aborted-${after}`, 'postgres', 'postmaster.pid'))).toBe(false);
    }
  });
});

describe('keys', () => {
  it('are told before the stack answers, so that what needs only these may start', async () => {
    const early: unknown[] = [];
    const stack = await start({
      onAddress: ({ url, publishableKey }) =>
        void early.push(
          fetch(url).then(({ status }) => status),
          url,
          publishableKey,
        ),
    });
    expect(early.slice(1)).toEqual([stack.url, stack.publishableKey]);
    expect(await early[0]).toBe(503);
  });

  it('of two throw-away stacks differ', async () => {
    const [one, two] = await Promise.all([start({ fresh: true }), start({ fresh: true })]);
    expect(one.secretKey).not.toBe(two.secretKey);
    const asked = await fetch(`${one.url}/rest/v1/hp_setting`, { headers: { apikey: two.secretKey } });
    expect(asked.status).toBe(401);
  });
});

describe('the end', () => {
  it('comes also while clients go on asking', async () => {
    const stack = await start({ fresh: true, migrations: ours });
    const headers = { apikey: stack.secretKey, 'content-type': 'application/json' };
    let ended = false;
    let answered = 0;
    const ask = async () => {
      while (!ended) {
        const request = fetch(`${stack.url}/rest/v1/rpc/hp_fleet`, { method: 'POST', headers, body: '{}' });
        const status = await request
          .then(async (answer) => (await answer.text(), answer.status))
          .catch(() => 0);
        if (status === 200) answered += 1;
        await new Promise(setImmediate);
      }
    };
    const asking = Array.from({ length: 8 }, ask);
    await vi.waitFor(() => expect(answered).toBeGreaterThan(50), { timeout: 10_000 });
    // It rejects when a part of it had to be given up.
    await expect(stack.stop()).resolves.toBeUndefined();
    ended = true;
    await Promise.all(asking);
  });
});
