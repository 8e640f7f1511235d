import { fileURLToPath } from 'node:url';
import postgres, { type Sql } from 'postgres';
import { expect } from 'vitest';
import type { StackAddress } from '../../../supabase/local/stack.ts';
import { createDatabase } from '../../support/database.ts';
import { startProcess, type TestProcess } from '../../support/processes.ts';
import { startTestStack } from '../../support/stack.ts';
import { until } from '../../support/until.ts';
import { openPage, type OpenPage } from './page.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.mjs`, import.meta.url));

export interface WorkerOptions {
  /** @default 'worker' */
  fixture?: string;
  env?: Record<string, string>;
  nodeOptions?: string[];
  /** Where its Supabase is. @default the stack */
  url?: string;
}

/** How a worker's process fares, as it says itself. */
export interface Report {
  /** Bytes, after a garbage collection. */
  heap: number;
  /** What keeps its event loop busy: timers, sockets, requests. */
  resources: number;
  /** The longest delay of a job, in ms, since the last report. */
  slowest: number;
  warnings: string[];
}

export interface FaultWorker extends TestProcess {
  readonly name: string;
  /** What it has written down of its jobs, of one worker or of all that it is. */
  ledger(name?: string): { done: number; failed: number };
  report(): Promise<Report>;
}

/** Nearly the pace of `npm run dev`, or that of a hosted project. A tick a second would be late on a machine full of tests. */
const PACES = {
  local: { tick_every_s: 2, digest_every_s: 2, activity_store: 1e6, transition_store: 1e6 },
  hosted: { tick_every_s: 5, digest_every_s: 10 },
};

export interface WorldOptions {
  /** @default 'local' */
  pace?: keyof typeof PACES;
  /** Milliseconds between two ticks; 0: nobody schedules them. @default as the pace has it */
  tickEvery?: number;
  /** A stack of the test's own making, to be stopped by it. @default one on a database of its own */
  stack?: StackAddress & { databaseUrl: string };
}

/** A stack, real worker processes, their ledgers and open pages. Ends with the block that it was made for. */
export async function createWorld({
  pace = 'local',
  tickEvery = PACES[pace].tick_every_s * 1000,
  stack: given,
}: WorldOptions = {}) {
  await using starting = new AsyncDisposableStack();
  const database = given ? undefined : await createDatabase();
  if (database) starting.defer(() => database.drop());
  const sql: Sql = postgres(given?.databaseUrl ?? database!.url, { max: 2, onnotice: () => {} });
  starting.defer(() => sql.end({ timeout: 1 }));
  for (const [key, value] of Object.entries(PACES[pace])) {
    await sql`update public.hp_setting set value = ${sql.json(value)} where key = ${key}`;
  }
  // The samples of the seed never report here.
  await sql`delete from public.hp_worker_status`;
  let own = given ? undefined : await startTestStack({ database, tickEvery });
  starting.defer(() => own?.stop());
  const stack: StackAddress = given ?? own!;

  const workers: FaultWorker[] = [];
  const pages: OpenPage[] = [];
  starting.defer(() => pages.forEach((page) => page.close()));
  starting.defer(() => Promise.all(workers.map((worker) => worker.end())).then(() => {}));
  const ending = starting.move();

  const world = {
    sql,
    stack,

    /** Starts a process. Of those of one name, all ledgers count. */
    start(name: string, { fixture: file = 'worker', env, nodeOptions = [], url }: WorkerOptions = {}) {
      const started = startProcess(fixture(file), {
        nodeOptions: ['--expose-gc', ...nodeOptions],
        env: {
          SUPABASE_URL: url ?? stack.url,
          SUPABASE_SECRET_KEY: stack.secretKey,
          WORKER_NAME: name,
          ...env,
        },
      });
      const count = (word: string, of: string) =>
        started.output().match(new RegExp(`^${word} ${of} `, 'gm'))?.length ?? 0;
      const worker: FaultWorker = {
        ...started,
        name,
        ledger: (of = '\\S+') => ({ done: count('done', of), failed: count('failed', of) }),
        async report() {
          const said = () => [...started.output().matchAll(/^report (.*)$/gm)];
          const before = said().length;
          started.child.kill('SIGUSR2');
          const [, json] = await until(() => said()[before], { what: `a report of ${name}` });
          return JSON.parse(json!) as Report;
        },
      };
      workers.push(worker);
      return worker;
    },

    async page(address?: string) {
      const page = await openPage(stack, address);
      pages.push(page);
      return page;
    },

    /** Takes the whole stack away and brings it back, at the same address, after `during` has settled. */
    async without(during: () => Promise<unknown>) {
      const port = Number(new URL(stack.url).port);
      await own!.stop();
      await during();
      own = await startTestStack({ database, tickEvery, port });
    },

    /** Resolves with a worker's row when it has these columns. */
    row: (name: string, columns: Record<string, unknown>, timeout?: number) =>
      until(
        async () => {
          const [found] =
            await sql`select *, pid::int from public.hp_worker_status where worker_name = ${name}`;
          expect(found).toMatchObject(columns);
          return found;
        },
        { timeout, what: `${name} to be ${JSON.stringify(columns)}` },
      ),

    /** Resolves when each of these is alive in the table, by its present process, and has been heard just now. */
    alive: (...some: FaultWorker[]) =>
      until(
        async () => {
          const rows = await sql`
            select pid::int from public.hp_worker_status
            where status = 'processing' and last_heartbeat > now() - interval '3 seconds'`;
          const pids = new Set(rows.map(({ pid }) => pid as number));
          expect(some.filter(({ pid }) => !pids.has(pid)).map(({ name }) => name)).toEqual([]);
          return true;
        },
        { timeout: 30_000, what: 'all of them alive' },
      ),

    /** Who was ever found dead, by the history. */
    async crashed(): Promise<string[]> {
      const rows = await sql`
        select distinct worker_name as name from public.hp_worker_event
        where type = 'status' and to_value = 'crashed' order by 1`;
      return rows.map(({ name }) => name as string);
    },

    /**
     * A worker's statuses in the order of its history; the kinds of being alive are one. `stopping` is not among them: where
     * a beat is on its way when the signal comes, the goodbye may be the next.
     */
    async history(name: string): Promise<string[]> {
      const rows = await sql`
        select to_value as value from public.hp_worker_event
        where type = 'status' and worker_name = ${name} and to_value <> 'stopping' order by id`;
      return rows.map(({ value }) => (/idle|processing|running/.test(value) ? 'alive' : (value as string)));
    },

    /** Resolves when the table has counted exactly what the ledgers of this name's processes say. */
    exact: (name: string) =>
      until(
        async () => {
          const books = workers.map((worker) => worker.ledger(name));
          const sum = (of: 'done' | 'failed') => books.reduce((total, book) => total + book[of], 0);
          const [row] = await sql`
            select jobs_processed::int as done, error_count::int as failed
            from public.hp_worker_status where worker_name = ${name}`;
          expect({ ...row }).toEqual({ done: sum('done'), failed: sum('failed') });
          expect(row!.done).toBeGreaterThan(0);
          return row;
        },
        { what: `exact counts of ${name}` },
      ),

    /** Asks these to end, and waits until all has been told. */
    async end(...some: FaultWorker[]) {
      for (const exit of await Promise.all(some.map((worker) => worker.end('SIGTERM')))) {
        expect(exit).toMatchObject({ signal: 'SIGTERM' });
      }
    },

    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
  return world;
}

export type World = Awaited<ReturnType<typeof createWorld>>;

const total = (worker: FaultWorker) => worker.ledger().done + worker.ledger().failed;

/** Resolves when each has finished so many more jobs. */
export async function workOn(workers: readonly FaultWorker[], jobs: number): Promise<void> {
  const aims = workers.map((worker) => total(worker) + jobs);
  await until(() => workers.every((worker, index) => total(worker) >= aims[index]!), {
    timeout: 20_000,
    what: `${jobs} more jobs of each`,
  });
}

/**
 * Runs `fault` and holds every worker to it: none ended, its jobs went on at their pace, nothing grew.
 *
 * @param jobs that each must at least have finished meanwhile
 */
export async function unharmed(
  workers: readonly FaultWorker[],
  jobs: number,
  fault: () => Promise<unknown>,
): Promise<void> {
  const before = await Promise.all(workers.map((worker) => worker.report()));
  const done = workers.map(total);
  await fault();
  for (const [index, worker] of workers.entries()) {
    expect(total(worker) - done[index]!).toBeGreaterThanOrEqual(jobs);
  }
  const after = await Promise.all(workers.map((worker) => worker.report()));
  for (const [index, { heap, resources, slowest, warnings }] of after.entries()) {
    expect(warnings).toEqual([]);
    expect(heap - before[index]!.heap).toBeLessThan(4e6);
    expect(resources - before[index]!.resources).toBeLessThan(10);
    expect(slowest).toBeLessThan(2_000); // a machine that is busy with other tests delays all its processes
  }
}
