import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../supabase/local/ports.ts';
import { isAlive } from '../../supabase/local/processes.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { answers, postgresIn, scratchFolder, untilGone } from './stack-runs.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'supabase/local/bin/dev.ts');

/** What somebody has exported who has a project of their own, which must not hear of the samples. */
const theirs = {
  SUPABASE_URL: 'http://127.0.0.1:9', // the discard port: nobody is there
  SUPABASE_SECRET_KEY: 'sb_secret_theirs',
  SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_theirs',
  HEARTBEAT_TOKEN: 'theirs',
  WORKER_HEARTBEAT: 'off',
};

/** One `npm run dev` in a folder and on ports of its own. */
async function prepare() {
  const scratch = scratchFolder();
  const ports = { dashboard: await freePort(), stack: await freePort() };
  const dataDir = join(scratch.path, `stack-${ports.stack}`);
  const runs: TestProcess[] = [];
  const env = {
    PATH: process.env.PATH!,
    PORT: String(ports.dashboard),
    STACK_PORT: String(ports.stack),
    LASTSEEN_DIR: scratch.path,
    ...theirs,
  };
  return {
    ports,
    env,
    dataDir,
    start() {
      const run = startProcess(bin, { env });
      runs.push(run);
      return run;
    },
    async ready(run: TestProcess) {
      await run.wrote('Ctrl-C stops everything', 60_000);
      return workersIn(run);
    },
    async end() {
      for (const run of runs) await run.end('SIGTERM');
      scratch.remove();
    },
  };
}

/** Name → process number and the command that starts it again, as printed. */
function workersIn(run: TestProcess) {
  const lines = [...run.output().matchAll(/^ +(\S+) +PID (\d+) +(\S.*)$/gm)];
  return new Map(lines.map(([, name, pid, command]) => [name!, { pid: Number(pid), command: command! }]));
}

describe('npm run dev', () => {
  let dev: Awaited<ReturnType<typeof prepare>>;
  let run: TestProcess;
  let workers: ReturnType<typeof workersIn>;
  beforeAll(async () => {
    dev = await prepare();
    run = dev.start();
    workers = await dev.ready(run);
  });
  afterAll(() => dev.end());

  /** The page as it is served to somebody who comes for the first time. */
  const page = async () =>
    (await fetch(`http://127.0.0.1:${dev.ports.dashboard}/`))
      .text()
      .then((html) => html.replace(/<[^>]+>/g, ' '));
  const untilPage = (what: RegExp, timeout = 20_000) =>
    until(async () => what.test(await page()), { timeout, every: 200, what: `${what} on the page` });

  it('starts five workers and a dashboard that shows them running, the owner signed in', async () => {
    expect([...workers.keys()].sort()).toEqual([
      'analyze-worker',
      'content-worker',
      'crawl-worker',
      'roundtable-worker',
      'x-autopost',
    ]);
    await untilPage(/5\/5\s+running/);
    expect(await page()).toContain('owner@example.com');
  });

  it('tells of a killed worker, does not start it again, and its printed command does', async () => {
    const { pid, command } = workers.get('crawl-worker')!;
    process.kill(pid, 'SIGKILL');
    await run.wrote(/\[crawl-worker\] ended \(SIGKILL\)/);
    await untilPage(/4\/5\s+running/);
    expect(await page()).toMatch(/no heartbeat/i);

    // As a person types it, whose own Node is another one or none.
    const again = spawn('/bin/sh', ['-c', `exec ${command}`], {
      cwd: root,
      env: { PATH: '/usr/bin:/bin', ...theirs },
    });
    await untilPage(/5\/5\s+running/);
    again.kill('SIGTERM');
    await untilGone(again.pid!);
  });

  it('keeps the key for that in a file for its user alone', () => {
    const [, file] = /--import (\S+)/.exec(workers.get('x-autopost')!.command)!;
    expect(statSync(join(root, file!)).mode & 0o077).toBe(0);
  });

  it('starts a worker again that an operator restarts, and says so', async () => {
    const kept = readFileSync(
      join(root, /--import (\S+)/.exec(workers.get('content-worker')!.command)![1]!),
      'utf8',
    );
    const env = JSON.parse(/{[^]*}/.exec(kept)![0]) as Record<string, string>;
    const asked = await fetch(`${env.SUPABASE_URL}/rest/v1/rpc/hp_request_command`, {
      method: 'POST',
      headers: { apikey: env.SUPABASE_SECRET_KEY!, 'content-type': 'application/json' },
      body: JSON.stringify({ worker_name: 'content-worker', command: 'restart', reason: 'a test' }),
    });
    expect(asked.status).toBe(200);
    const said = /\[content-worker\] restarted by an operator \(PID (\d+)\)/;
    await run.wrote(said, 20_000);
    const [, pid] = said.exec(run.output())!;
    workers.set('content-worker', { ...workers.get('content-worker')!, pid: Number(pid) });
    expect(isAlive(Number(pid))).toBe(true);
  });

  it('refuses a second one beside it, naming both ports, who has them, and how to move', async () => {
    const began = performance.now();
    const second = dev.start();
    expect((await second.exited).code).toBe(1);
    expect(performance.now() - began).toBeLessThan(4000);
    await second.wrote(new RegExp(`Port ${dev.ports.dashboard} is taken by process \\d+ \\(.*vite\\.ts`));
    await second.wrote(new RegExp(`Port ${dev.ports.stack} is taken by process ${run.pid} \\(.*dev\\.ts`));
    await second.wrote(/PORT=\d+ STACK_PORT=\d+ npm run dev/);
    await untilPage(/\d\/5\s+running/);
  });

  it('ends everything on Ctrl-C, the workers with their goodbyes', async () => {
    const server = postgresIn(dev.dataDir)!;
    const { code } = await run.end('SIGINT');
    expect(code).toBe(0);
    const pids = [...workers.values()].map(({ pid }) => pid);
    expect([...pids, server].filter(isAlive)).toEqual([]);
    expect(await Promise.all(Object.values(dev.ports).map(answers))).toEqual([false, false]);
    expect(readdirSync(dev.dataDir)).not.toContain('lock');
    expect(run.output()).not.toMatch(/\[(?!crawl-worker)\S+\] ended/); // it was wanted: not worth a word
  });
});

describe('npm run dev, ended badly', () => {
  let dev: Awaited<ReturnType<typeof prepare>>;
  beforeEach(async () => {
    dev = await prepare();
  });
  afterEach(() => dev.end());

  it('killed, leaves no process for long, and the next one starts', async () => {
    const run = dev.start();
    const workers = await dev.ready(run);
    const server = postgresIn(dev.dataDir)!;
    await run.end('SIGKILL');
    await Promise.all([server, ...[...workers.values()].map(({ pid }) => pid)].map((pid) => untilGone(pid)));
    await until(async () => !(await answers(dev.ports.dashboard)), { what: 'the dashboard to be gone' });

    await dev.ready(dev.start());
  });

  it('ended by Ctrl-C while it starts, leaves nothing', async () => {
    const run = dev.start();
    await until(() => readdirSync(dev.dataDir).some((name) => name.includes('.new-')), { every: 5 });
    expect((await run.end('SIGINT')).code).toBe(0);
    expect(readdirSync(dev.dataDir).filter((name) => /lock|\.new-|^postgres$/.test(name))).toEqual([]);
    expect(await Promise.all(Object.values(dev.ports).map(answers))).toEqual([false, false]);
  });

  it('ended with the npm that started it, leaves nothing', async () => {
    const npm = spawn('npm', ['run', 'dev'], { cwd: root, stdio: 'ignore', env: dev.env });
    const server = await until(() => postgresIn(dev.dataDir), { timeout: 30_000, what: 'PostgreSQL' });
    // npm ends at once and its shell with it, which passes the signal on to nobody.
    npm.kill('SIGTERM');
    await untilGone(server);
    await until(() => !readdirSync(dev.dataDir).includes('lock'), { what: 'the lock to be given back' });
    expect(await Promise.all(Object.values(dev.ports).map(answers))).toEqual([false, false]);
  });
});
