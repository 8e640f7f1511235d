import { createClient } from '@supabase/supabase-js';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive } from '../../supabase/local/processes.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';
import { answers, postgresIn, runStack, scratchFolder, untilGone, type StackRun } from './stack-runs.ts';

const runs: StackRun[] = [];
const folders: { remove(): void }[] = [];

afterEach(async () => {
  await Promise.all(runs.splice(0).map((run) => run.end('SIGTERM')));
  for (const folder of folders.splice(0)) folder.remove();
});

function start(...args: string[]): StackRun {
  const run = runStack(args);
  runs.push(run);
  return run;
}

/** A data directory that is not there yet. */
function dataDir(): string {
  const folder = scratchFolder();
  folders.push(folder);
  return join(folder.path, 'data');
}

const portOf = (url: string) => Number(new URL(url).port);

describe('npm run stack', () => {
  it('says in one line of JSON how to reach it, and signs its owner in', async () => {
    const run = start('--fresh');
    const { url, publishableKey, databaseUrl, owner } = await run.line();
    expect(Object.keys(JSON.parse(run.stdout()) as object)).toEqual(
      'url publishableKey secretKey databaseUrl owner'.split(' '),
    );

    const client = createClient(url, publishableKey, { auth: { persistSession: false } });
    expect((await client.auth.signInWithPassword(owner)).error).toBeNull();
    const { data, error } = await client.rpc('hp_fleet');
    expect(error).toBeNull();
    expect(data.workers).toHaveLength(5);
    await client.auth.signOut();

    const { code } = await run.end('SIGINT');
    expect(code).toBe(0);
    expect(await answers(portOf(databaseUrl))).toBe(false);
    expect(await answers(portOf(url))).toBe(false);
  });

  it('keeps data, keys and the owner between runs, for the eyes of its user alone', async () => {
    const folder = dataDir();
    const first = start('--data-dir', folder);
    const before = await first.line();
    expect(statSync(join(folder, 'keys.json')).mode & 0o077).toBe(0);
    expect(statSync(join(folder, 'postgres')).mode & 0o077).toBe(0);
    await onDatabase(before.databaseUrl, (sql) => sql`create table kept as select 7 as n`);
    await first.end('SIGTERM');
    expect(existsSync(join(folder, 'lock'))).toBe(false);

    const after = await start('--data-dir', folder).line();
    expect(after).toMatchObject({ publishableKey: before.publishableKey, owner: before.owner });
    expect(await onDatabase(after.databaseUrl, (sql) => sql`select n from kept`)).toEqual([{ n: 7 }]);
  });

  it('sets the pace of a demonstration once, and leaves alone what a person has set since', async () => {
    const folder = dataDir();
    const settings = (url: string) =>
      onDatabase(
        url,
        (sql) =>
          sql`select key, value from hp_setting where key in ('tick_every_s', 'digest_every_s') order by key`,
      );
    const first = start('--data-dir', folder);
    const { databaseUrl } = await first.line();
    expect(await settings(databaseUrl)).toEqual([
      { key: 'digest_every_s', value: 2 },
      { key: 'tick_every_s', value: 1 },
    ]);
    await onDatabase(
      databaseUrl,
      (sql) => sql`update hp_setting set value = '30' where key = 'digest_every_s'`,
    );
    await first.end('SIGTERM');
    expect((await settings((await start('--data-dir', folder).line()).databaseUrl))[0]?.value).toBe(30);
  });

  it('works on somebody else’s PostgreSQL, and leaves it running', async () => {
    const database = await createDatabase({ from: 'nothing' });
    const LASTSEEN_DIR = dataDir();
    const run = runStack(['--database-url', database.url], { env: { LASTSEEN_DIR } });
    runs.push(run);
    const { url, secretKey } = await run.line();
    const client = createClient(url, secretKey);
    const { data } = await client.from('hp_setting').select('value').eq('key', 'digest_every_s').single();
    expect(data?.value).toBe(10); // its pace is its owner's business
    expect((await run.end('SIGINT')).code).toBe(0);

    // Another project's stack on the same database: the owner that it prints can sign in, too.
    const other = runStack(['--fresh', '--database-url', database.url]);
    runs.push(other);
    const told = await other.line();
    const person = createClient(told.url, told.publishableKey, { auth: { persistSession: false } });
    expect((await person.auth.signInWithPassword(told.owner)).error).toBeNull();
    await person.auth.signOut();
    await other.end('SIGINT');

    expect(await database.sql`select count(*)::int as n from hp_worker_status`).toEqual([{ n: 5 }]);
    await database.drop();
  });

  it.each([
    [['--prot', '1'], /--prot[^]*--port N/],
    [['--port', '99999'], /0 to 65535/],
    [['--fresh', '--data-dir', 'x'], /--fresh.*--data-dir/],
    [['--database-url', 'mysql://u:hidden@h/d'], /postgres:\/\//],
  ])('refuses %j and says what is allowed', async (args, what) => {
    const run = start(...args);
    expect((await run.exited).code).toBe(2);
    await run.wrote(what);
    expect(run.output()).not.toContain('hidden');
  });
});

describe('two of them', () => {
  it('names the process that has the port, and harms nothing', async () => {
    const first = start('--fresh');
    const { url } = await first.line();
    const began = performance.now();
    const second = runStack(['--fresh'], { port: portOf(url) });
    runs.push(second);
    expect((await second.exited).code).toBe(1);
    expect(performance.now() - began).toBeLessThan(4000);
    await second.wrote(new RegExp(`Port ${portOf(url)} is taken by process ${first.pid} \\(.*stack\\.ts`));
    expect(second.output()).toContain('--port N');
    expect((await fetch(`${url}/rest/v1/`)).status).toBeLessThan(500);
  });

  it('names the process that has the data directory', async () => {
    const folder = dataDir();
    const first = start('--data-dir', folder);
    await first.line();
    const second = start('--data-dir', folder);
    expect((await second.exited).code).toBe(1);
    await second.wrote(new RegExp(`${folder} is in use by process ${first.pid} `));
    expect(postgresIn(folder)).toBeDefined();
  });
});

describe('an end that is not in order', () => {
  it('a killed stack leaves no PostgreSQL, and the next start takes over its data', async () => {
    const folder = dataDir();
    const first = start('--data-dir', folder);
    const { databaseUrl } = await first.line();
    await onDatabase(databaseUrl, (sql) => sql`create table kept as select 7 as n`);
    const pid = postgresIn(folder)!;
    await first.end('SIGKILL');
    expect(existsSync(join(folder, 'lock'))).toBe(true); // nobody was left to give it back
    await untilGone(pid);

    const again = await start('--data-dir', folder).line();
    expect(await onDatabase(again.databaseUrl, (sql) => sql`select n from kept`)).toEqual([{ n: 7 }]);
  });

  it('a killed stack whose PostgreSQL still ends does not hold up the next one', async () => {
    const folder = dataDir();
    const first = start('--data-dir', folder);
    await first.line();
    const pid = postgresIn(folder)!;
    await first.end('SIGKILL');
    const { databaseUrl } = await start('--data-dir', folder).line(); // at once
    expect(postgresIn(folder)).not.toBe(pid);
    expect(await onDatabase(databaseUrl, (sql) => sql`select 1 as n`)).toEqual([{ n: 1 }]);
  });

  it('ends a PostgreSQL that an earlier run left, its watchdog gone as well', async () => {
    const folder = dataDir();
    const first = start('--data-dir', folder);
    await first.line();
    const pid = postgresIn(folder)!;
    process.kill(watchdogOf(pid), 'SIGKILL');
    await first.end('SIGKILL');
    expect(isAlive(pid)).toBe(true);
    await start('--data-dir', folder).line();
    expect(isAlive(pid)).toBe(false);
  });

  it('is not misled by process numbers that belong to others by now', async () => {
    const folder = dataDir();
    const first = start('--data-dir', folder);
    await first.line();
    await first.end('SIGTERM');
    // As a machine that lost its power leaves them; our own number stands for one that was given out again.
    writeFileSync(
      join(folder, 'postgres', 'postmaster.pid'),
      `${process.pid}\n${folder}/postgres\n1\n5432\n\n\n`,
    );
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: process.pid, start: 'long ago' }));
    await start('--data-dir', folder).line();
    expect(postgresIn(folder)).not.toBe(process.pid);
  });

  it('sweeps away what a start left that was killed halfway', async () => {
    const folder = dataDir();
    const run = start('--data-dir', folder);
    await until(() => existsSync(folder) && readdirSync(folder).some((name) => name.includes('.new-')));
    await run.end('SIGKILL');
    await start('--data-dir', folder).line();
    expect(readdirSync(folder).filter((name) => name.includes('.new-'))).toEqual([]);
  });

  it('a killed throw-away stack leaves no folder', async () => {
    const first = start('--fresh');
    const { databaseUrl } = await first.line();
    const [{ folder }] = (await onDatabase(
      databaseUrl,
      (sql) => sql`select current_setting('data_directory') as folder`,
    )) as [{ folder: string }];
    await first.end('SIGKILL');
    await until(() => !existsSync(join(folder, '..')), { what: `${folder} to be gone` });
  });

  it('Ctrl-C during the start leaves nothing behind', async () => {
    const folder = dataDir();
    const run = start('--data-dir', folder);
    // initdb is at work.
    await until(() => existsSync(folder) && readdirSync(folder).some((name) => name.includes('.new-')));
    const { code } = await run.end('SIGINT');
    expect(code).toBe(0);
    expect(run.stdout()).toBe('');
    expect(readdirSync(folder).filter((name) => /lock|\.new-|^postgres$/.test(name))).toEqual([]);
  });

  it('a second Ctrl-C ends it at once, whatever the first waits for', async () => {
    const folder = dataDir();
    const run = start('--data-dir', folder);
    await run.line();
    const pid = postgresIn(folder)!;
    process.kill(pid, 'SIGSTOP'); // now it cannot end in order
    try {
      run.child.kill('SIGINT');
      const { code } = await until(async () => {
        run.child.kill('SIGINT');
        return Promise.race([run.exited, new Promise<undefined>((resolve) => setTimeout(resolve, 200))]);
      });
      expect(code).toBe(130);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(existsSync(join(folder, 'lock'))).toBe(false);
    await untilGone(pid);
  });

  it('ends too when its PostgreSQL is killed under load', async () => {
    const folder = dataDir();
    const run = start('--data-dir', folder);
    const { url, secretKey } = await run.line();
    let over = false;
    const ask = async () => {
      while (!over) {
        await fetch(`${url}/rest/v1/rpc/hp_fleet`, { method: 'POST', headers: { apikey: secretKey } }).catch(
          () => {
            over = true;
          },
        );
      }
    };
    const asking = Array.from({ length: 8 }, ask);
    process.kill(postgresIn(folder)!, 'SIGKILL');
    expect((await run.exited).code).toBe(1);
    expect(existsSync(join(folder, 'lock'))).toBe(false);
    over = true;
    await Promise.all(asking);
  });

  it('says so and ends when its PostgreSQL is killed', async () => {
    const folder = dataDir();
    const run = start('--data-dir', folder);
    await run.line();
    process.kill(postgresIn(folder)!, 'SIGKILL');
    expect((await run.exited).code).toBe(1);
    await run.wrote('PostgreSQL has ended');
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });
});

/** The process that ends PostgreSQL when the stack cannot. */
function watchdogOf(pid: number): number {
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  const found = processes.find((line) => line.includes(`lastseen-watchdog ${pid}`));
  return Number(/\d+/.exec(found!)![0]);
}

async function onDatabase<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}
